/** What phases minimise: the hard labels, the distance to a teacher's logits and layers, the Lagrangian of a sparsity. */
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
import type { ModelConfig, Parameters } from '../model/index.ts';
import { classifier, layerMasks } from '../mux/index.ts';
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

/** Σ over matched layers of their distance to the teacher's: each over the positions that the layer sees. */
function layersLoss(teacher: Node, student: Node, batch: BatchNodes, config: ModelConfig, p: Parameters): Node {
  const masks = realPositions(batch, config);
  const [taught, learnt] = [layerStates(teacher, config, masks), layerStates(student, config, masks)];
  return matchSameLayers(masks.length)
    .map((match) => layerDistillation(statePairs([match], taught, learnt), masks[match.student] as Node, p))
    .reduce((sum, distance) => add(sum, distance));
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
    const layers = layersLoss(teacher, logits, batch, config, p);
    return { loss: add(loss, mul(layers, weights.layers)), metrics: { ...metrics, layers } };
  };
}
