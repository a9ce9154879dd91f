/** What an exploration finds, as values that go into `run.json` and come back from there. */
import { z } from 'zod';
import { PRECISIONS } from '../base/index.ts';

/** What is trained. */
const gridPoint = z.object({
  /** Inputs that share a forward pass. */
  instances: z.int().min(1),
  /** Share of the encoder's weights to be gone. */
  sparsity: z.number().min(0).max(1),
});

/** A trained point, in a model folder of its own. */
const trial = z.object({
  name: z.string(),
  folder: z.string(),
  point: gridPoint,
  parameters: z.number(),
  /** Share of the encoder's weights that really is gone. */
  sparsity: z.number(),
  /** That it took to train. */
  seconds: z.number(),
  /** The trial whose pruning it went on from. */
  from: z.object({ name: z.string(), folder: z.string(), fingerprint: z.string() }).optional(),
});

/** Accuracy lost to the dense model, in points, of answers to the same rows. */
const drop = z.object({
  points: z.number(),
  standardError: z.number(),
  /** What the true drop is not above, with the confidence that was asked for. */
  upper: z.number(),
});

/** A trial exported with numbers of some precision: a model that may be chosen. */
const candidate = trial.extend({
  precision: z.enum(PRECISIONS),
  /** A fraction, on the rows that choose; the mean over groupings. */
  accuracy: z.number(),
  accuracyStd: z.number(),
  drop,
});

const measured = candidate.extend({
  examplesPerSecond: z.number(),
  /** To the dense model, in the same run. */
  ratio: z.number(),
  /** What the ratio was thought to be before it was trained. */
  predictedRatio: z.number().optional(),
});

/** How a guess came about: pruned without training any weight, or multiplexed and trained for a small share of the usual time. */
const GUESSED_BY = ['no training', 'short run'] as const;

/** What a point loses by cheap evidence, on the rows that choose. */
const guess = z.object({ point: gridPoint, drop, by: z.enum(GUESSED_BY).default('no training') });

/** What is thought of a candidate that was not trained. */
const prediction = z.object({
  name: z.string(),
  point: gridPoint,
  precision: z.enum(PRECISIONS),
  /** In points, with its standard deviation. */
  drop: z.object({ points: z.number(), deviation: z.number() }),
  ratio: z.number(),
  /** That it would be found to be within the allowed drop. */
  probability: z.number(),
});

/** A step of the search. */
const decision = z.object({
  point: gridPoint,
  /** What this, or pruning on from it, was expected to raise the ratio of the choice by: E[log(ratio / best so far)⁺]. */
  gain: z.number(),
});

/** A point whose trial failed, and why; what starts from it was not trained either. */
const failure = z.object({ point: gridPoint, message: z.string() });

/** The chosen model on rows that had no part in choosing it. */
const finalFigures = z.object({
  examples: z.number(),
  accuracy: z.number(),
  denseAccuracy: z.number(),
  drop,
  /** Two-sided, of the drop in points, of that confidence. */
  interval: z.object({ confidence: z.number(), low: z.number(), high: z.number() }),
  /** Whether all of the interval is above the allowed drop. */
  contradictsChoice: z.boolean().default(false),
});

/** How far a prediction of accuracy was off for points that were left out, in points: a mean of absolute errors. */
const accuracyError = z.object({ model: z.string(), leaveOneOut: z.number(), isUsed: z.boolean() });

/** How far predictions of throughput were off: medians of |log(measured / predicted)|, about a relative error. */
const throughputError = z.object({
  /** Of random models whose shapes were left out. */
  shapesLeftOut: z.number().optional(),
  /** Of the trained models: their own shape's random model, corrected by what the other trials were off. */
  trials: z.number().optional(),
});

/** What an allowed drop buys. */
const purchase = z.object({
  maxDrop: z.number(),
  /** The name of the best trained model, or of the dense one. */
  model: z.string(),
  ratio: z.number(),
  /** What is likely to be faster and within that drop, but was not trained. */
  expected: z.object({ name: z.string(), ratio: z.number(), probability: z.number() }).optional(),
});

/** Why a search ended. */
export const STOPS = ['nothing to gain', 'time', 'all trained', 'the rest failed'] as const;

/** The schema of an exploration, for reading one back. */
export const explorationSchema = z.object({
  /** What may be lost, in points of accuracy. */
  maxDrop: z.number(),
  /** That a drop is within the allowed one, one-sided. */
  confidence: z.number(),
  dense: measured,
  trials: z.array(measured),
  /** In the order in which they were trained. */
  decisions: z.array(decision),
  guesses: z.array(guess).default([]),
  failures: z.array(failure).default([]),
  predicted: z.array(prediction),
  /** Models to which no other is preferable in both accuracy and throughput, the slowest first; the dense one may be among them. */
  frontier: z.array(measured),
  chosen: measured,
  /** Why this one. */
  verdict: z.string(),
  stop: z.enum(STOPS),
  errors: z.object({ accuracy: z.array(accuracyError), throughput: throughputError }),
  purchases: z.array(purchase),
});

export type Stop = (typeof STOPS)[number];
export type GridPoint = Readonly<z.infer<typeof gridPoint>>;
export type Drop = Readonly<z.infer<typeof drop>>;
export type Trial = Readonly<z.infer<typeof trial>>;
export type Candidate = Readonly<z.infer<typeof candidate>>;
/** A candidate with its throughput. */
export type Measured = Readonly<z.infer<typeof measured>>;
export type Guess = Readonly<z.infer<typeof guess>>;
export type Prediction = Readonly<z.infer<typeof prediction>>;
export type Decision = Readonly<z.infer<typeof decision>>;
export type AccuracyError = Readonly<z.infer<typeof accuracyError>>;
export type ThroughputError = Readonly<z.infer<typeof throughputError>>;
export type Purchase = Readonly<z.infer<typeof purchase>>;
export type Exploration = Readonly<z.infer<typeof explorationSchema>>;

/** The schema of the figures of a chosen model. */
export const finalFiguresSchema = finalFigures;
export type FinalFigures = Readonly<z.infer<typeof finalFigures>>;
