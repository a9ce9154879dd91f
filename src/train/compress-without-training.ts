/**
 * `compress --no-train`: prunes a classifier as it is, dense or multiplexed, in minutes. No weight is trained, so there is nothing to resume.
 * Paper: A Fast Post-Training Pruning Framework for Transformers (Kwon et al. 2022) - https://arxiv.org/abs/2204.09656
 */
import { ConfigError, countParameters } from '../base/index.ts';
import { rowLimit } from '../infer/index.ts';
import { checkDestination } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { uniformShape } from '../prune/index.ts';
import { calibrationFrom } from './calibration.ts';
import type { Compressed } from './compress.ts';
import { openData } from './data-source.ts';
import type { LabelledSet } from './dataset.ts';
import { compressedTitle, deliver, modelFingerprint, type TrainedModel } from './deliver.ts';
import { encodeSet } from './encoded-set.ts';
import { measureFisher } from './fisher-information.ts';
import { type PrunedModel, pruneWithoutTraining } from './prune-without-training.ts';
import { checkTrainingFreeRecipe, type TrainingFreeRecipe } from './recipe.ts';
import { interruptible } from './run-phase.ts';
import { prepare } from './seen-words.ts';
import { readClassifier, refuseOverwriting } from './teacher.ts';
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
  model: TrainedModel,
  train: LabelledSet,
  { sparsity, examples, maxTokens }: TrainingFreeRecipe & { readonly maxTokens: number },
  options: RunOptions,
): Promise<PrunedModel> {
  const { config, parameters } = model;
  if (sparsity === 0) return { config, parameters, sparsity };
  const calibration = calibrationFrom(train, model, { ...options, examples, maxTokens });
  const fisher = await measureFisher(model, calibration);
  return pruneWithoutTraining({ config, parameters, fisher }, sparsity, calibration);
}

/** Prunes a model folder, which is the teacher that the result is compared with, into another one. */
export async function compressWithoutTraining(
  model: string,
  asked: TrainingFreeRecipe,
  given: RunOptions,
): Promise<Compressed> {
  checkTrainingFreeRecipe(asked);
  const options = interruptible(given);
  const { source, output, seed, placement, onProgress } = options;
  await checkDestination(output);
  await refuseOverwriting(model, output);
  const teacher = await readClassifier(model);
  requireInstances(model, teacher, asked.instances);
  if (asked.sparsity > 0) uniformShape(teacher.config.encoder);
  const instances = instancesOf(teacher.config);
  const recipe = { ...asked, instances, maxTokens: rowLimit(teacher.config, asked.maxTokens) };
  const { maxTokens } = recipe;
  const data = await openData(source, teacher.config);
  const evaluating = { maxTokens, seed, placement, onProgress };
  const {
    model: start,
    evaluation: before,
    vocabulary,
  } = await prepare(teacher, data, recipe.pruneVocabulary, evaluating);
  const pruned = await prune(start, data.train, recipe, options);
  const shared = {
    target: { measure: 'sparsity', level: recipe.sparsity },
    ...(vocabulary && { vocabulary }),
    sparsity: pruned.sparsity,
  } as const;
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
      title: compressedTitle(pruned.config, pruned.sparsity, ', pruned without training'),
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
