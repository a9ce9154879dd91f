/** What phases minimise: the hard labels, the distance to a teacher's logits and layers, the Lagrangian of a sparsity. */
import {
  add,
  argMax,
  attach,
  cast,
  crossEntropy,
  dims,
  equal,
  fixed,
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
import type { ModelConfig, Parameters } from '../model/index.ts';
import { classifier, instancesOf, unionMask } from '../mux/index.ts';
import {
  expectedSparsity,
  type GateNodes,
  gateNodes,
  gateShapes,
  gateSites,
  lagrangian,
  layerDistillation,
  logitDistillation,
  matchSameLayers,
  sampleGates,
  statePairs,
} from '../prune/index.ts';
import type { BatchNodes } from './fit.ts';
import type { CompressRecipe } from './recipe.ts';
import type { Objective } from './step.ts';

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
function answerLoss(logits: Node, batch: BatchNodes, config: ModelConfig, weights: CompressRecipe['losses']): Node {
  const teacher = batch.teacherLogits(config.labels.length);
  const distance = logitDistillation({ student: logits, teacher, weights: batch.weights });
  return add(mul(labelLoss(logits, batch), weights.labels), mul(distance, weights.logits));
}

/** Learning from labels and from the dense N = 1 teacher's logits. */
export function distilObjective(config: ModelConfig, weights: CompressRecipe['losses']): Objectives {
  return (batch, p, dropout) => {
    const [logits] = attach([classifier(batch.inputs, config, p)], [dropout]) as [Node];
    return { loss: answerLoss(logits, batch, config, weights), metrics: { accuracy: accuracyOf(logits, batch) } };
  };
}

/** The states of each layer of a graph: [B, T, D]; `mask` is [B, T]. */
function layerStates(output: Node, { encoder }: ModelConfig, mask: Node): Node[] {
  const sites = sitesOf([output]);
  const shape = [...mask.shape, encoder.hiddenSize];
  return encoder.layers.map((_, at) => reshape(siteOf(sites, `layer.${at}`), shape));
}

/** Positions that a model's layers really see, of rows that count: [B, T]. */
function realPositions({ inputs, weights }: BatchNodes, config: ModelConfig): Node {
  const N = instancesOf(config);
  const { R } = dims(inputs.mask, 'R T');
  const rowWeights = weights.shape.length === 1 ? weights : reduceMax(weights, [1]);
  const mask = mul(cast(inputs.mask, 'float32'), reshape(rowWeights, [R, 1]));
  return N === 1 ? mask : unionMask(mask, N, fixed('rows', R) / N);
}

function noiseInputs(config: ModelConfig): GateNodes {
  const shapes = gateShapes(config.encoder, 'noise');
  return gateNodes((name) => input(name, shapes.get(name) ?? []), 'noise');
}

/**
 * Pruning (CoFi, section 3.2): answers, plus α_layers · the distance of the layers to those of the dense model that takes as many inputs,
 * plus the Lagrangian of the expected sparsity.
 */
export function pruneObjective(config: ModelConfig, weights: CompressRecipe['losses']): Objectives {
  return (batch, p, dropout) => {
    const logAlpha = gateNodes(p);
    const gates = sampleGates(logAlpha, noiseInputs(config));
    const wanted = weights.layers > 0 ? 'all' : 'first';
    const dense = classifier(batch.inputs, config, p, wanted);
    const [logits] = attach([dense], [gateSites(config.encoder, gates), dropout]) as [Node];
    const sparsity = expectedSparsity(config.encoder, logAlpha);
    const target = input('prune.target', []);
    const constraint = lagrangian(sparsity, target, p);
    const loss = add(answerLoss(logits, batch, config, weights), constraint);
    const metrics = { accuracy: accuracyOf(logits, batch), sparsity, target: mul(target, 1) };
    if (weights.layers === 0) return { loss, metrics };
    const teacher = classifier(batch.inputs, config, (name) => p(`${TEACHER}${name}`), 'all');
    const matches = matchSameLayers(config.encoder.layers.length);
    const mask = realPositions(batch, config);
    const pairs = statePairs(matches, layerStates(teacher, config, mask), layerStates(logits, config, mask));
    const layers = layerDistillation(pairs, mask, p);
    return { loss: add(loss, mul(layers, weights.layers)), metrics: { ...metrics, layers } };
  };
}
