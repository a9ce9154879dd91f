/** `pretrain`: an encoder learns from plain text by masked-language modelling, from scratch or from a checkpoint. */
import { countParameters, type ParameterTree, VERSION } from '../base/index.ts';
import {
  checkDestination,
  initialParameters,
  type ModelConfig,
  maskedLanguageShapes,
  takenFrom,
  writeModelFolder,
} from '../model/index.ts';
import type { CurvePoint } from './checkpoint.ts';
import { fingerprintOf, machineOf, modelFingerprint, type TrainedModel } from './deliver.ts';
import { startEncoder } from './encoder-start.ts';
import type { Phase, StepReport } from './fit.ts';
import { heldOutBatches, maskedBatches } from './masked-batches.ts';
import { evaluateMasked, type MaskedEvaluation, maskedObjective } from './masked-language.ts';
import { type Masking, maskingOf } from './masking.ts';
import { checkPretrainRecipe, type PretrainRecipe } from './recipe.ts';
import { type Run, runPhase } from './run-phase.ts';
import { sampleTexts, TextCorpus, TextRows } from './text-corpus.ts';
import { identityOf, openTextFile, type TextIdentity } from './text-file.ts';
import { CLIP_NORM, runFolderOf, weightGroups } from './train-classifier.ts';

export interface PretrainOptions extends Omit<Run, 'folder'> {
  /** Plain text files. */
  readonly text: readonly string[];
  readonly output: string;
}

/** What a finished pretraining says about its encoder. */
export interface Pretrained extends MaskedEvaluation {
  readonly folder: string;
  readonly parameters: number;
  readonly steps: number;
  /** Of the steps that this process took; none where an earlier one had taken all. */
  readonly tokensPerSecond: number | null;
}

/** A vocabulary is learned from so many bytes. */
const VOCABULARY_BYTES = 16e6;

/** The start of a run, and the text in its terms. */
interface Start {
  readonly recipe: PretrainRecipe;
  readonly model: TrainedModel;
  readonly text: TextRows;
  readonly masking: Masking;
  readonly data: readonly TextIdentity[];
}

async function prepare(recipe: PretrainRecipe, { text, seed }: PretrainOptions): Promise<Start> {
  const files = text.map(openTextFile);
  const { encoder, tokenizer, parameters } = await startEncoder(recipe, () =>
    sampleTexts(new TextCorpus(files, recipe.maxTokens), VOCABULARY_BYTES),
  );
  const maxTokens = Math.min(recipe.maxTokens, encoder.maxPositions);
  const fresh = initialParameters(maskedLanguageShapes(encoder), seed);
  const config: ModelConfig = { encoder, labels: [], featureSize: encoder.hiddenSize, maxTokens };
  return {
    recipe: { ...recipe, maxTokens },
    model: { config, tokenizer, parameters: takenFrom(parameters, fresh) },
    text: new TextRows(new TextCorpus(files, maxTokens), tokenizer, maxTokens),
    masking: maskingOf(tokenizer),
    data: files.map(identityOf),
  };
}

function phaseOf({ recipe, model, text, masking }: Start): Phase {
  const { rows, maxTokens, epochs, warmup, dropout, learningRate, weightDecay } = recipe;
  const { encoder } = model.config;
  const steps = recipe.steps ?? Math.ceil((epochs * text.perEpoch) / rows);
  const { vocabularySize } = encoder;
  return {
    name: 'mlm',
    batches: maskedBatches(text, { rows, tokens: maxTokens, steps, masking, vocabularySize }),
    warmup,
    dropout,
    parameterGroups: weightGroups(learningRate, weightDecay),
    clipNorm: CLIP_NORM,
    frozen: new Map(),
    objective: maskedObjective(encoder),
  };
}

/** Tokens per second over steps, from their reports. */
class Speed {
  private tokens = 0;
  private seconds = 0;

  add({ tokens, seconds }: StepReport): void {
    this.tokens += tokens;
    this.seconds += seconds;
  }

  get tokensPerSecond(): number | null {
    return this.seconds === 0 ? null : this.tokens / this.seconds;
  }
}

/** Pretrains an encoder and writes its folder. */
export async function pretrain(recipe: PretrainRecipe, options: PretrainOptions): Promise<Pretrained> {
  checkPretrainRecipe(recipe);
  const { output, seed, placement, onStep } = options;
  await checkDestination(output);
  const start = await prepare(recipe, options);
  const { config } = start.model;
  // Before the work: without held-out text there is nothing to measure on.
  const heldOut = heldOutBatches(start.text, start.recipe.maxTokens, start.masking);
  const folder = runFolderOf(output, identityOfRun(start, seed));
  const phase = phaseOf(start);
  const speed = new Speed();
  const { parameters, curve } = await runPhase(phase, start.model.parameters, {
    ...options,
    folder,
    onStep(report) {
      speed.add(report);
      onStep(report);
    },
  });
  const evaluation = await evaluateMasked(config.encoder, parameters, heldOut, placement);
  const { steps } = phase.batches(seed);
  const pretrained: Pretrained = {
    ...evaluation,
    folder: output,
    parameters: countParameters(parameters),
    steps,
    tokensPerSecond: speed.tokensPerSecond,
  };
  await write(start, parameters, curve, pretrained, options);
  await folder.remove();
  return pretrained;
}

/** The names of the files do not count. */
function identityOfRun({ recipe, model, data }: Start, seed: number): string {
  const contents = data.map(({ bytes, checksum }) => ({ bytes, checksum }));
  return fingerprintOf('pretrain', VERSION, recipe, contents, seed, modelFingerprint(model));
}

async function write(
  { recipe, model, data }: Start,
  parameters: ParameterTree,
  curve: readonly CurvePoint[],
  { loss, accuracy, positions, steps, tokensPerSecond, parameters: count }: Pretrained,
  { output, seed, placement }: PretrainOptions,
): Promise<void> {
  const evaluation = { loss, accuracy, positions };
  await writeModelFolder(output, {
    ...model,
    parameters,
    card: modelCard(model.config, { ...evaluation, steps, count, seed }, data),
    evidence: {
      ...{ command: 'pretrain', recipe, data, seed, steps, evaluation, tokensPerSecond, parameters: count },
      curves: { mlm: curve },
      machine: machineOf(placement),
    },
  });
}

function modelCard(
  { encoder, maxTokens }: ModelConfig,
  figures: MaskedEvaluation & { readonly steps: number; readonly count: number; readonly seed: number },
  data: readonly TextIdentity[],
): string {
  const { loss, accuracy, positions, steps, count, seed } = figures;
  const texts = data.map(({ name, bytes }) => `${name} (${bytes.toLocaleString('en')} bytes)`);
  return `---
pipeline_tag: fill-mask
library_name: prumux
---
# Encoder pretrained on ${data.map(({ name }) => name).join(', ')}

| | |
|---|---|
| Text | ${texts.join(', ')} |
| Layers | ${encoder.layers.length} of hidden size ${encoder.hiddenSize} |
| Vocabulary | ${encoder.vocabularySize.toLocaleString('en')} |
| Longest row | ${maxTokens} tokens |
| Parameters | ${count.toLocaleString('en')} |
| Steps | ${steps.toLocaleString('en')} |
| Loss | ${loss.toFixed(3)}, full softmax over ${positions} masked words of held-out text |
| Accuracy | ${(100 * accuracy).toFixed(1)} % of the masked words |
| Seed | ${seed} |

Made by PruMUX; \`run.json\` has the recipe, checksums of sampled pieces of the text and the learning curve. The folder has the names of
\`BertForMaskedLM\`. It is no classifier yet: \`prumux train --encoder FOLDER\`.
`;
}
