/** What phases minimise: the hard labels, the distance to a teacher's logits and layers and to oneself in other company, a Lagrangian. */
import {
  add,
  argMax,
  attach,
  cast,
  crossEntropy,
  dims,
  equal,
  input,
  mul,
  type Node,
  reduceMax,
  reshape,
  type SiteHandler,
  siteOf,
  sitesOf,
  weightedMean,
} from '../graph/index.ts';
import type { ModelConfig, Parameters, TokenInputs, Wanted } from '../model/index.ts';
import { classifier, layerMasks } from '../mux/index.ts';
import {
  type Budget,
  type GateNodes,
  gateNodes,
  gateShapes,
  gateSites,
  type LayerStretch,
  lagrangian,
  layerDistillation,
  layersAlive,
  logitDistillation,
  sampleGates,
  teachingLayers,
} from '../prune/index.ts';
import { regrouped, regroupedBatch, symmetricDivergence } from './consistency.ts';
import type { BatchNodes } from './fit.ts';
import type { CompressRecipe } from './recipe.ts';
import type { Objective } from './step.ts';

type LossWeights = CompressRecipe['losses'];

type Objectives = (batch: BatchNodes, p: Parameters, dropout: SiteHandler) => Objective;

/** Prefix of the teacher's parameters in a graph that has both models. */
export const TEACHER = 'teacher/';

/** Share of labels that have the largest logit. */
function accuracyOf(logits: Node, { labels, weights }: BatchNodes): Node {
  return weightedMean(cast(equal(argMax(logits), labels), 'float32'), weights);
}

/** Mean cross-entropy with the labels. */
function labelLoss(logits: Node, { labels, weights }: BatchNodes): Node {
  return weightedMean(crossEntropy(logits, labels), weights);
}

/** Plain fine-tuning of a classifier. */
export function labelObjective(config: ModelConfig): Objectives {
  return (batch, p, dropout) => {
    const [logits] = attach([classifier(batch.inputs, config, p)], [dropout]) as [Node];
    return { loss: labelLoss(logits, batch), metrics: { accuracy: accuracyOf(logits, batch) } };
  };
}

/** α_labels · CE + α_logits · T² KL(teacher ‖ student). */
function answerLoss(logits: Node, batch: BatchNodes, config: ModelConfig, weights: LossWeights): Node {
  const teacher = batch.teacherLogits(config.labels.length);
  const { temperature } = weights;
  const distance = logitDistillation({ student: logits, teacher, weights: batch.weights, temperature });
  return add(mul(labelLoss(logits, batch), weights.labels), mul(distance, weights.logits));
}

/** A model that is trained, and what its losses weigh. */
interface Weighted {
  readonly config: ModelConfig;
  readonly weights: LossWeights;
}

/** Token ids to logits, through all that is attached: [R, T] -> [R, C] */
type Pass = (inputs: TokenInputs) => Node;

/**
 * The loss of a batch's answers. Where consistency counts, `pass` takes the same rows through in a second grouping: the mean of both
 * groupings' losses, plus α_consistency · the divergence of their answers.
 */
function answerObjective(logits: Node, batch: BatchNodes, pass: Pass, { config, weights }: Weighted): Objective {
  const loss = answerLoss(logits, batch, config, weights);
  const metrics = { accuracy: accuracyOf(logits, batch) };
  if (weights.consistency === 0) return { loss, metrics };
  const again = regroupedBatch(batch);
  const logitsAgain = pass(again.inputs);
  const mean = mul(add(loss, answerLoss(logitsAgain, again, config, weights)), 0.5);
  const consistency = symmetricDivergence(regrouped(logits), logitsAgain, again.weights);
  return { loss: add(mean, mul(consistency, weights.consistency)), metrics: { ...metrics, consistency } };
}

/** Learning from labels and from the dense N = 1 teacher's logits. */
export function distilObjective(config: ModelConfig, weights: LossWeights): Objectives {
  return (batch, p, dropout) => {
    const pass: Pass = (inputs) => attach([classifier(inputs, config, p)], [dropout])[0] as Node;
    return answerObjective(pass(batch.inputs), batch, pass, { config, weights });
  };
}

/** The states of each layer of a graph, [B, T, D], of rows before the mixture and of groups after it; their masks are [B, T]. */
function layerStates(output: Node, { encoder }: ModelConfig, masks: readonly Node[]): Node[] {
  const sites = sitesOf([output]);
  return masks.map(({ shape }, at) => reshape(siteOf(sites, `layer.${at}`), [...shape, encoder.hiddenSize]));
}

/** Positions that each of a model's layers really sees, of rows that count: [B, T] each. */
function realPositions({ inputs, weights }: BatchNodes, config: ModelConfig): Node[] {
  const { R } = dims(inputs.mask, 'R T');
  // A row of a sentence counts where one of its tokens does.
  const rowWeights = weights.shape.length === 1 ? weights : reduceMax(weights, [1]);
  return layerMasks(mul(cast(inputs.mask, 'float32'), reshape(rowWeights, [R, 1])), config);
}

/** Layers by the mask of what they see, as the stretches of `layerDistillation`. */
function stretchesOf(masks: readonly Node[]): Pick<LayerStretch, 'layers' | 'teaching' | 'mask'>[] {
  const teaching = new Set(teachingLayers(masks.length));
  return [...new Set(masks)].map((mask) => {
    const layers = [...masks.keys()].filter((at) => masks[at] === mask);
    return { layers, teaching: layers.filter((at) => teaching.has(at)), mask };
  });
}

/** Logits of which the layers' states are compared, and which of the student's layers are alive. */
interface ComparedPasses extends Pick<LayerStretch, 'alive'> {
  readonly teacher: Node;
  readonly student: Node;
}

/** Σ over the teacher's layers of their distance to those that they are matched with, over the positions that these see. */
function layersLoss(
  { teacher, student, alive }: ComparedPasses,
  batch: BatchNodes,
  { config, weights }: Weighted,
  p: Parameters,
): Node {
  const masks = realPositions(batch, config);
  const states = { teacher: layerStates(teacher, config, masks), student: layerStates(student, config, masks), alive };
  return stretchesOf(masks)
    .filter(({ teaching }) => teaching.length > 0)
    .map((stretch) => layerDistillation({ ...stretch, ...states }, weights.matching, p))
    .reduce((sum, distance) => add(sum, distance));
}

function noiseInputs(config: ModelConfig): GateNodes {
  const shapes = gateShapes(config.encoder, 'noise');
  return gateNodes((name) => input(name, shapes.get(name) ?? []), 'noise');
}

/**
 * Pruning (CoFi, section 3.2): answers, plus α_layers · the distance of the layers to those of the dense model that takes as many inputs,
 * plus the Lagrangian of what the gates are expected to save.
 */
export function pruneObjective(config: ModelConfig, weights: LossWeights, budget: Budget): Objectives {
  return (batch, p, dropout) => {
    const logAlpha = gateNodes(p);
    const gates = sampleGates(logAlpha, noiseInputs(config));
    const handlers = [gateSites(config.encoder, gates), dropout];
    const pass = (inputs: TokenInputs, wanted: Wanted = 'first'): Node =>
      attach([classifier(inputs, config, p, wanted)], handlers)[0] as Node;
    const logits = pass(batch.inputs, weights.layers > 0 ? 'all' : 'first');
    const answers = answerObjective(logits, batch, pass, { config, weights });
    const saved = budget.expected(logAlpha);
    const target = input('prune.target', []);
    const constraint = lagrangian(saved, target, p);
    const loss = add(answers.loss, constraint);
    const reached = { [budget.measure]: budget.levelOf(saved), target: mul(budget.levelOf(target), 1) };
    const metrics = { ...answers.metrics, prediction: answers.loss, ...reached };
    if (weights.layers === 0) return { loss, metrics };
    const teacher = classifier(batch.inputs, config, (name) => p(`${TEACHER}${name}`), 'all');
    const compared = { teacher, student: logits, alive: layersAlive(config.encoder, gates) };
    const layers = layersLoss(compared, batch, { config, weights }, p);
    return { loss: add(loss, mul(layers, weights.layers)), metrics: { ...metrics, layers } };
  };
}
