/**
 * `pretrain`: an encoder learns from plain text by masked-language modelling, from a checkpoint or from scratch, where its words begin with vectors from
 * counts. One that takes several texts at once is primed first: it learns to tell the tokens of its instances apart (DataMUX, Murahari et al. 2022;
 * MUX-PLM, Murahari et al. 2023, stages 1 and 2).
 */
import { countParameters, type ParameterTree, parameterOf, VERSION } from '../base/index.ts';
import {
  checkDestination,
  isPreset,
  type ModelConfig,
  type Tokenizer,
  WORD_TABLE,
  writeModelFolder,
} from '../model/index.ts';
import { checkMux, initialModel, instancesOf, longestRow } from '../mux/index.ts';
import type { CurvePoint } from './checkpoint.ts';
import { fingerprintOf, machineOf, modelFingerprint, type TrainedModel } from './deliver.ts';
import { encoderCard } from './encoder-card.ts';
import { startEncoder } from './encoder-start.ts';
import type { Phase, StepReport } from './fit.ts';
import { divide } from './frozen.ts';
import { evaluateLanguage, type LanguageEvaluation } from './language-evaluation.ts';
import { type Masking, maskingOf, specialIdsOf } from './masking.ts';
import { type PretrainLosses, pretrainObjective } from './pretrain-objective.ts';
import { checkPretrainRecipe, PRIME_SHARE, type PretrainRecipe } from './recipe.ts';
import { withRetrieval } from './retrieval.ts';
import { type Run, runPhase } from './run-phase.ts';
import { refuseOverwriting } from './teacher.ts';
import { heldOutBatches, maskedBatches, plainBatches } from './text-batches.ts';
import { sampleTexts, TextCorpus, TextRows } from './text-corpus.ts';
import { identityOf, openTextFile, type TextIdentity } from './text-file.ts';
import { CLIP_NORM, runFolderOf, weightGroups } from './train-classifier.ts';
import { languageModelShapes } from './word-prediction.ts';
import { countedWordTable } from './word-vectors.ts';

export interface PretrainOptions extends Omit<Run, 'folder'> {
  /** Plain text files. */
  readonly text: readonly string[];
  readonly output: string;
}

/** What a finished pretraining says about its encoder. */
export interface Pretrained extends LanguageEvaluation {
  readonly folder: string;
  readonly instances: number;
  readonly parameters: number;
  readonly primeSteps: number;
  /** Of masked-language modelling. */
  readonly steps: number;
  /** Of the steps that this process took; none where an earlier one had taken all. */
  readonly tokensPerSecond: number | null;
}

/** A vocabulary is learned from so many bytes; word vectors are counted in so many. */
const VOCABULARY_BYTES = 16e6;
const COUNTED_BYTES = 64e6;

/** The start of a run, and the text in its terms. */
interface Start {
  /** As asked for, in terms of the encoder that was found. */
  readonly recipe: PretrainRecipe;
  readonly model: TrainedModel;
  readonly corpus: TextCorpus;
  /** The rows of the corpus. */
  readonly text: TextRows;
  readonly masking: Masking;
  readonly data: readonly TextIdentity[];
}

async function prepare({ wordVectors, ...recipe }: PretrainRecipe, { text, seed }: PretrainOptions): Promise<Start> {
  const files = text.map(openTextFile);
  const { encoder, tokenizer, parameters } = await startEncoder(recipe, () =>
    sampleTexts(new TextCorpus(files, recipe.maxTokens), VOCABULARY_BYTES),
  );
  const isFresh = parameters.size === 0;
  const mux = recipe.multiplexed?.mux;
  const bare: ModelConfig = { encoder, labels: [], featureSize: encoder.hiddenSize, ...(mux && { mux }) };
  checkMux(bare);
  const maxTokens = Math.min(recipe.maxTokens, longestRow(bare));
  const config: ModelConfig = { ...bare, maxTokens };
  const corpus = new TextCorpus(files, maxTokens);
  return {
    recipe: { ...recipe, maxTokens, ...(isFresh && wordVectors && { wordVectors }) },
    model: { config, tokenizer, parameters: initialModel(config, seed, parameters, languageModelShapes(config)) },
    corpus,
    text: new TextRows(corpus, tokenizer, maxTokens),
    masking: maskingOf(tokenizer),
    data: files.map(identityOf),
  };
}

/** The token ids of each text, without [CLS] and [SEP]. */
function* wordsOf(texts: Iterable<string>, tokenizer: Tokenizer): Generator<number[]> {
  const special = specialIdsOf(tokenizer);
  for (const text of texts) yield tokenizer.encode(text).ids.filter((id) => !special.has(id));
}

/** The parameters that phases start from: a fresh encoder's words get their vectors here. They are kept like what a finished phase leaves. */
async function initialWeights({ recipe, model, corpus }: Start, run: Run): Promise<ParameterTree> {
  const { parameters, tokenizer } = model;
  if (recipe.wordVectors !== 'counts') return parameters;
  const { folder, seed, onProgress, interrupt } = run;
  const known = await folder.finished('words');
  if (known !== undefined) return new Map([...parameters, ...known.parameters]);
  await folder.prepare();
  const texts = wordsOf(sampleTexts(corpus, COUNTED_BYTES), tokenizer);
  const options = { seed, threads: run.placement.threads, onProgress, interrupt };
  const table = await countedWordTable(parameterOf(parameters, WORD_TABLE), texts, options);
  const counted = new Map([[WORD_TABLE, table]]);
  await folder.saveFinished('words', { parameters: counted, curve: [] });
  return new Map([...parameters, ...counted]);
}

/** Batches of each phase. */
interface Steps {
  readonly prime: number;
  readonly mlm: number;
}

function stepsOf({ recipe, model, text }: Start): Steps {
  const rows = recipe.rows * instancesOf(model.config);
  const mlm = recipe.steps ?? Math.ceil((recipe.epochs * text.perEpoch) / rows);
  const prime = recipe.multiplexed === undefined ? 0 : (recipe.multiplexed.primeSteps ?? Math.round(PRIME_SHARE * mlm));
  return { prime, mlm };
}

/** What each phase minimises, where it has any steps. */
function lossesOf({ multiplexed }: PretrainRecipe): Record<keyof Steps, PretrainLosses> {
  return { prime: { masked: 0, retrieval: 1 }, mlm: { masked: 1, retrieval: multiplexed?.retrieval ?? 0 } };
}

function phaseOf(name: keyof Steps, start: Start): Omit<Phase, 'frozen'> {
  const { recipe, model, text } = start;
  const masking: Masking = { ...start.masking, share: recipe.maskedShare };
  const { rows, maxTokens: tokens, warmup, dropout, learningRate, weightDecay } = recipe;
  const instances = instancesOf(model.config);
  const losses = lossesOf(recipe)[name];
  const { vocabularySize } = model.config.encoder;
  const steps = stepsOf(start)[name];
  const options = { rows: rows * instances, tokens, steps, masking, vocabularySize };
  const batches = losses.masked > 0 ? maskedBatches(text, options) : plainBatches(text, options);
  const { specialIds } = masking;
  return {
    name,
    batches: losses.retrieval > 0 ? withRetrieval(batches, { instances, specialIds }) : batches,
    warmup,
    dropout,
    parameterGroups: weightGroups(learningRate, weightDecay),
    clipNorm: CLIP_NORM,
    objective: pretrainObjective(model.config, losses),
  };
}

/** What the phases leave. */
interface Learned {
  readonly parameters: ParameterTree;
  readonly curves: Readonly<Record<string, readonly CurvePoint[]>>;
}

/** Runs the phases that have steps, one after the other. */
async function learn(start: Start, run: Run): Promise<Learned> {
  const steps = stepsOf(start);
  const curves: Record<string, readonly CurvePoint[]> = {};
  let parameters = await initialWeights(start, run);
  for (const name of ['prime', 'mlm'] as const) {
    if (steps[name] === 0) continue;
    const { trained, frozen } = divide(start.model.config, parameters);
    const finished = await runPhase({ ...phaseOf(name, start), frozen }, trained, run);
    parameters = new Map([...frozen, ...finished.parameters]);
    curves[name] = finished.curve;
  }
  return { parameters, curves };
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
  if (!isPreset(recipe.encoder)) await refuseOverwriting(recipe.encoder, output);
  const start = await prepare(recipe, options);
  const { config } = start.model;
  const instances = instancesOf(config);
  const { maxTokens: tokens } = start.recipe;
  // Before the work: without held-out text there is nothing to measure on.
  const heldOut = heldOutBatches(start.text, { tokens, masking: start.masking, instances });
  const folder = runFolderOf(output, identityOfRun(start, seed));
  const speed = new Speed();
  const learned = await learn(start, {
    ...options,
    folder,
    onStep(report) {
      speed.add(report);
      onStep(report);
    },
  });
  const { prime, mlm } = stepsOf(start);
  const pretrained: Pretrained = {
    ...(await evaluateLanguage(config, learned.parameters, heldOut, placement)),
    folder: output,
    instances,
    parameters: countParameters(learned.parameters),
    primeSteps: prime,
    steps: mlm,
    tokensPerSecond: speed.tokensPerSecond,
  };
  await write(start, learned, pretrained, options);
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
  { parameters, curves }: Learned,
  pretrained: Pretrained,
  { output, seed, placement }: PretrainOptions,
): Promise<void> {
  const { folder, steps, primeSteps, instances, parameters: count, tokensPerSecond, ...evaluation } = pretrained;
  await writeModelFolder(output, {
    ...model,
    parameters,
    card: encoderCard(
      model.config,
      { ...pretrained, steps: primeSteps + steps, seed, hasCountedWords: recipe.wordVectors === 'counts' },
      data,
    ),
    evidence: {
      ...{ command: 'pretrain', recipe, data, seed, primeSteps, steps, evaluation, tokensPerSecond },
      parameters: count,
      curves,
      machine: machineOf(placement),
    },
  });
}
