/** What an exploration finds, as values that go into `run.json` and come back from there. */
import { z } from 'zod';

/** What a candidate is asked to be. */
const gridPoint = z.object({
  /** Inputs that share a forward pass. */
  instances: z.int().min(1),
  /** Share of the encoder's weights to be gone. */
  sparsity: z.number().min(0).max(1),
});

const trial = z.object({
  name: z.string(),
  /** Its model folder. */
  folder: z.string(),
  point: gridPoint,
  /** A fraction; the mean over groupings. */
  accuracy: z.number(),
  accuracyStd: z.number(),
  parameters: z.number(),
  /** Share of the encoder's weights that really is gone. */
  sparsity: z.number(),
});

const measured = trial.extend({
  examplesPerSecond: z.number(),
  /** To the dense model, in the same run. */
  ratio: z.number(),
});

/** The schema of an exploration, for reading one back. */
export const explorationSchema = z.object({
  /** What may be lost, in points of accuracy. */
  maxDrop: z.number(),
  dense: measured,
  trials: z.array(measured),
  /** Models to which no other is preferable in both accuracy and throughput, the slowest first; the dense one may be among them. */
  frontier: z.array(measured),
  chosen: measured,
  /** Why this one. */
  verdict: z.string(),
});

export type GridPoint = Readonly<z.infer<typeof gridPoint>>;
/** A trained model that may be chosen. */
export type Trial = Readonly<z.infer<typeof trial>>;
/** A trial with its throughput. */
export type Measured = Readonly<z.infer<typeof measured>>;
export type Exploration = Readonly<z.infer<typeof explorationSchema>>;
