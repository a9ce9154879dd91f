/**
 * `compress --no-train`: prunes a classifier as it is, dense or multiplexed, in minutes. No weight is trained, so there is nothing to resume.
 * Paper: A Fast Post-Training Pruning Framework for Transformers (Kwon et al. 2022) - https://arxiv.org/abs/2204.09656
 */
import { ConfigError, countParameters } from '../base/index.ts';
import { checkDestination } from '../model/index.ts';
import { instancesOf, longestRow } from '../mux/index.ts';
import { uniformShape } from '../prune/index.ts';
import { type Calibration, calibrationBatches, calibrationRows } from './calibration.ts';
import { type Compressed, readClassifier, refuseOverwriting } from './compress.ts';
import { openData } from './data-source.ts';
import type { LabelledSet } from './dataset.ts';
import { deliver, modelFingerprint, type TrainedModel } from './deliver.ts';
import { encodeSet } from './encoded-set.ts';
import { evaluateModel } from './evaluate.ts';
import { measureFisher } from './fisher-information.ts';
import { type PrunedModel, pruneWithoutTraining } from './prune-without-training.ts';
import { checkTrainingFreeRecipe, type TrainingFreeRecipe } from './recipe.ts';
import { pruneUnseenWords } from './seen-words.ts';
import { taskOf } from './task-table.ts';
import type { RunOptions } from './train-classifier.ts';

function requireInstances(model: string, { config }: TrainedModel, asked: number | undefined): void {
  const instances = instancesOf(config);
  if (asked === undefined || asked === instances) return;
  throw new ConfigError('instances', {
    expected: `${instances}, as ${model} has, which is pruned as it is`,
    got: String(asked),
    hint: 'Give a model that was multiplexed so (compress --sparsity 0), or train.',
  });
}

async function prune(
  { config, parameters, tokenizer }: TrainedModel,
  train: LabelledSet,
  recipe: TrainingFreeRecipe,
  options: RunOptions,
): Promise<PrunedModel> {
  if (recipe.sparsity === 0) return { config, parameters, sparsity: 0 };
  const set = encodeSet(calibrationRows(train, recipe.examples, options.seed), tokenizer, recipe.maxTokens);
  const batches = calibrationBatches(set, config, recipe.maxTokens);
  const calibration: Calibration = { ...options, set, batches };
  const fisher = await measureFisher({ config, parameters }, calibration);
  return pruneWithoutTraining({ config, parameters, fisher }, recipe.sparsity, calibration);
}

/** Prunes a model folder, which is the teacher that the result is compared with, into another one. */
export async function compressWithoutTraining(
  model: string,
  asked: TrainingFreeRecipe,
  options: RunOptions,
): Promise<Compressed> {
  checkTrainingFreeRecipe(asked);
  const { source, output, seed, placement, onProgress } = options;
  await checkDestination(output);
  await refuseOverwriting(model, output);
  const teacher = await readClassifier(model);
  requireInstances(model, teacher, asked.instances);
  if (asked.sparsity > 0) uniformShape(teacher.config.encoder);
  const instances = instancesOf(teacher.config);
  const recipe = { ...asked, instances, maxTokens: Math.min(asked.maxTokens, longestRow(teacher.config)) };
  const { maxTokens } = recipe;
  const data = await openData(source, teacher.config);
  const evaluating = { maxTokens, seed, placement, onProgress };
  const before = await evaluateModel(teacher, data.evaluation, evaluating);
  const smaller = recipe.pruneVocabulary
    ? await pruneUnseenWords(teacher, data, before.accuracy, evaluating)
    : undefined;
  const start = smaller?.model ?? teacher;
  const pruned = await prune(start, data.train, recipe, options);
  const shared = { sparsity: pruned.sparsity, ...(smaller && { vocabulary: smaller.record }) };
  const delivered = await deliver(
    { ...pruned, tokenizer: start.tokenizer },
    {
      folder: output,
      evaluationSet: encodeSet(data.evaluation, start.tokenizer, maxTokens),
      ...evaluating,
      evidence: {
        command: 'compress',
        isTrained: false,
        recipe,
        data: { train: data.train.checksum, evaluation: data.evaluation.checksum },
        teacher: { fingerprint: modelFingerprint(teacher), evaluation: before },
        ...shared,
      },
      title: `${taskOf(teacher.config).modelNoun}, pruned without training, ${instances === 1 ? 'one input' : `${instances} inputs`} per pass, sparsity ${pruned.sparsity.toFixed(2)}`,
    },
  );
  return {
    ...delivered,
    ...shared,
    instances,
    teacher: before,
    teacherParameters: countParameters(teacher.parameters),
  };
}
