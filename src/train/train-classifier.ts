/** `train`: fine-tunes a dense classifier of one input at a time, from a checkpoint or from scratch. */
import { basename, resolve } from 'node:path';
import { VERSION } from '../base/index.ts';
import { checkDestination, isPreset, type ModelConfig } from '../model/index.ts';
import { initialModel } from '../mux/index.ts';
import type { ParameterGroup } from './adamw.ts';
import { RunFolder } from './checkpoint.ts';
import { type DataSource, openData } from './data-source.ts';
import type { LabelledSet } from './dataset.ts';
import { type Delivered, deliver, fingerprintOf, modelFingerprint, type TrainedModel } from './deliver.ts';
import { type EncodedSet, encodeSet } from './encoded-set.ts';
import { startEncoder } from './encoder-start.ts';
import type { Phase } from './fit.ts';
import { labelledBatches } from './labelled-batches.ts';
import { labelObjective } from './objectives.ts';
import { checkTrainRecipe, type TrainRecipe } from './recipe.ts';
import { interruptible, type Run, runPhase } from './run-phase.ts';
import { taskOf } from './task-table.ts';
import { refuseOverwriting } from './teacher.ts';

/** What every training command is told besides its recipe. */
export interface RunOptions extends Omit<Run, 'folder'> {
  readonly source: DataSource;
  readonly output: string;
}

/** Where a run keeps its checkpoints: beside its output, so that the output appears only when it is whole. */
export function runFolderOf(output: string, fingerprint: string): RunFolder {
  return new RunFolder(`${resolve(output)}.run`, fingerprint);
}

/** Biases, norms and keys are not decayed. */
export function weightGroups(learningRate: number, weightDecay: number): readonly ParameterGroup[] {
  const isPlain = (name: string): boolean => /(bias|LayerNorm\.weight|mux\.keys)$/.test(name);
  return [
    { name: 'plain', has: isPlain, learningRate, weightDecay: 0, isClipped: true },
    { name: 'weights', has: () => true, learningRate, weightDecay, isClipped: true },
  ];
}

/** As in the papers' recipes: one norm over all weights. */
export const CLIP_NORM = 1;

function textsOf(set: LabelledSet): readonly string[] {
  return set.task === 'tokens'
    ? set.examples.flatMap(({ words }) => words)
    : set.examples.flatMap(({ text, pair }) => (pair === undefined ? [text] : [text, pair]));
}

function phaseOf(recipe: TrainRecipe, config: ModelConfig, set: EncodedSet): Phase {
  const { warmup, dropout, learningRate, weightDecay } = recipe;
  return {
    name: 'fine-tune',
    batches: labelledBatches(set, recipe),
    warmup,
    dropout,
    parameterGroups: weightGroups(learningRate, weightDecay),
    clipNorm: CLIP_NORM,
    frozen: new Map(),
    objective: labelObjective(config),
  };
}

/** Trains a dense classifier and writes its folder. */
export async function trainClassifier(recipe: TrainRecipe, given: RunOptions): Promise<Delivered> {
  checkTrainRecipe(recipe);
  const options = interruptible(given);
  await checkDestination(options.output);
  if (!isPreset(recipe.encoder)) await refuseOverwriting(recipe.encoder, options.output);
  const { source, output, seed, placement, onProgress } = options;
  const { train, evaluation } = await openData(source, { task: recipe.task });
  const start = await startEncoder(recipe, () => textsOf(train));
  const maxTokens = Math.min(recipe.maxTokens, start.encoder.maxPositions);
  const encoder = { ...start.encoder, dropout: recipe.dropout };
  const config: ModelConfig = {
    encoder,
    task: recipe.task,
    labels: train.labels,
    featureSize: encoder.hiddenSize,
    maxTokens,
  };
  const data = { train: train.checksum, evaluation: evaluation.checksum };
  const initial: TrainedModel = {
    config,
    tokenizer: start.tokenizer,
    parameters: initialModel(config, seed, start.parameters),
  };
  const folder = runFolderOf(output, fingerprintOf('train', VERSION, recipe, data, seed, modelFingerprint(initial)));
  const set = encodeSet(train, start.tokenizer, maxTokens);
  const phase = phaseOf({ ...recipe, maxTokens }, config, set);
  const { parameters, curve } = await runPhase(phase, initial.parameters, { ...options, folder });
  const delivered = await deliver(
    { ...initial, parameters },
    {
      folder: output,
      evaluationSet: encodeSet(evaluation, start.tokenizer, maxTokens),
      maxTokens,
      seed,
      placement,
      onProgress,
      evidence: {
        ...{ command: 'train', recipe, data, curves: { 'fine-tune': curve } },
        ...(source.setAside && { setAside: source.setAside }),
      },
      title: `${taskOf(config).modelNoun} trained on ${basename(train.name)}`,
    },
  );
  await folder.remove();
  return delivered;
}
