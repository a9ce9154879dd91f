/** What phases minimise: the hard labels, the distance to the teacher's logits, to the unpruned layers and to oneself in other company, a Lagrangian. */
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
import { type ModelConfig, type Parameters, type TokenInputs, type Wanted, wordDecoder } from '../model/index.ts';
import { classifier, classifyFeatures, features, instancesOf, layerMasks } from '../mux/index.ts';
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
import { type Retrieval, retrieve } from './retrieval.ts';
import type { Objective } from './step.ts';

type LossWeights = CompressRecipe['losses'];

type Objectives = (batch: BatchNodes, p: Parameters, dropout: SiteHandler) => Objective;

/** Prefix of the unpruned student's parameters in a graph that has the gated one too. */
export const UNPRUNED = 'unpruned/';

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

/** Learning from labels and from the teacher's logits; where retrieval counts, also to tell the batch's tokens apart. */
export function distilObjective(config: ModelConfig, weights: LossWeights): Objectives {
  return (batch, p, dropout) => {
    const pass: Pass = (inputs) => attach([classifier(inputs, config, p)], [dropout])[0] as Node;
    if (weights.retrieval === 0) return answerObjective(pass(batch.inputs), batch, pass, { config, weights });
    const { logits, retrieval } = readTwice(batch, config, p, dropout);
    const answers = answerObjective(logits, batch, pass, { config, weights });
    return {
      loss: add(answers.loss, mul(retrieval.loss, weights.retrieval)),
      metrics: { ...answers.metrics, retrievalAccuracy: retrieval.accuracy },
    };
  };
}

/** Answers, and tokens that are told from the words of the batch, out of the same features. */
function readTwice(
  { inputs }: BatchNodes,
  config: ModelConfig,
  p: Parameters,
  dropout: SiteHandler,
): { readonly logits: Node; readonly retrieval: Retrieval } {
  const read = features(inputs, config, p, 'all');
  const reading = { features: read, decoder: wordDecoder(p), encoder: config.encoder, p };
  const told = retrieve(reading, inputs.ids, instancesOf(config));
  const outputs = [classifyFeatures(read, config, p), told.loss, told.accuracy];
  const [logits, loss, accuracy] = attach(outputs, [dropout]) as [Node, Node, Node];
  return { logits, retrieval: { loss, accuracy } };
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

/** Logits of which the layers' states are compared, and which of the gated layers are alive. */
interface ComparedPasses extends Pick<LayerStretch, 'alive'> {
  readonly unpruned: Node;
  readonly gated: Node;
}

/** Σ over layers of the unpruned student of their distance to those that they are matched with, over the positions that these see. */
function layersLoss(
  { unpruned, gated, alive }: ComparedPasses,
  batch: BatchNodes,
  { config, weights }: Weighted,
  p: Parameters,
): Node {
  const masks = realPositions(batch, config);
  const states = { teacher: layerStates(unpruned, config, masks), student: layerStates(gated, config, masks), alive };
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
 * Pruning (CoFi, section 3.2): answers, plus α_layers · the distance of the layers to those of the unpruned student,
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
    const unpruned = classifier(batch.inputs, config, (name) => p(`${UNPRUNED}${name}`), 'all');
    const compared = { unpruned, gated: logits, alive: layersAlive(config.encoder, gates) };
    const layers = layersLoss(compared, batch, { config, weights }, p);
    return { loss: add(loss, mul(layers, weights.layers)), metrics: { ...metrics, layers } };
  };
}
