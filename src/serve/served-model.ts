/**
 * A model folder as the engine's threads have it open: texts in, answers out, one pass at a time. Also what the server is told of it: labels,
 * sizes, accuracy.
 */
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import type { Precision } from '../base/index.ts';
import {
  answerFilled,
  type Entity,
  entitiesIn,
  type FilledAnswers,
  type PreciseModel,
  predictorOf,
  readTextClassifier,
  refusePair,
  type Sentence,
  type StoredClassifier,
  sentenceOf,
  type TextInput,
} from '../infer/index.ts';
import { type Encoding, precisionIn, type Task } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { openSession, type Placement } from '../runtime/index.ts';
import { type Cascade, cascadeIn } from './calibration.ts';

/** What the server knows of a model. */
export interface ModelDescription {
  readonly name: string;
  readonly folder: string;
  readonly task: Task;
  readonly labels: readonly string[];
  readonly precision: Precision;
  readonly instances: number;
  readonly maxTokens: number;
  readonly parameters: number;
  /** Measured when the model was made, in its precision, a fraction; unknown of models made elsewhere. */
  readonly accuracy?: number;
  /** Which of its answers are worth recomputing; unknown where that was not calibrated. */
  readonly cascade?: Cascade;
}

/** A text that is asked about. */
export interface AskedText extends TextInput {
  /** Whether a text that is too long is cut; otherwise it gets no answer. */
  readonly isCut: boolean;
}

/** Answers to the texts of a pass, in their order. */
export interface PassAnswers {
  /** Of whole texts: [texts, C], row-major. */
  readonly logits?: Float32Array;
  /** Of tokens. */
  readonly entities?: readonly (readonly Entity[])[];
  /** Places of texts that are too long and were not to be cut. */
  readonly tooLong: readonly number[];
  /** Of the groups that went through: G·N. */
  readonly slots: number;
  readonly computeMs: number;
}

export interface ServedModel {
  readonly description: ModelDescription;
  run(texts: readonly AskedText[]): Promise<PassAnswers>;
  close(): Promise<void>;
}

/** A name that says the precision where it is not the usual one, as on the command line. */
export function inPrecision(name: string, precision: Precision): string {
  return precision === 'fp32' ? name : `${name}:${precision}`;
}

/** Opens a model folder for texts. Throws CheckpointError or BackendError where it does not open. */
export async function openServedModel(
  { model, precision }: PreciseModel,
  placement: Placement,
  maxTokens: number | undefined,
): Promise<ServedModel> {
  const stored = await readTextClassifier(model, maxTokens, precision);
  // A pattern would be kept for every shape that a pass ever had, which are thousands; it saves no time.
  const session = await openSession(stored.onnx, placement, { enableMemPattern: false });
  const predictor = predictorOf(session, stored.config);
  const description = { name: inPrecision(basename(resolve(model)), stored.precision), ...(await describe(stored)) };
  return {
    description,
    async run(texts) {
      const start = performance.now();
      const { rows, tooLong } = encodeAll(texts, stored);
      const { logits, slots } = await answerFilled(
        predictor,
        rows.map(({ encoding }) => encoding),
        { padId: stored.tokenizer.padId, maxTokens: stored.maxTokens },
      );
      return {
        ...(description.task === 'tokens'
          ? { entities: entitiesOfAll(texts.length, rows, logits, description.labels) }
          : { logits: logitsOfAll(texts.length, rows, logits, description.labels.length) }),
        tooLong,
        slots,
        computeMs: performance.now() - start,
      };
    },
    close: () => session.close(),
  };
}

/** A text that fits, as a row; of token classification with its words. */
interface EncodedText {
  /** Its place among all texts of the pass. */
  readonly place: number;
  readonly encoding: Encoding;
  readonly sentence?: Sentence;
}

function encodeAll(texts: readonly AskedText[], stored: StoredClassifier): { rows: EncodedText[]; tooLong: number[] } {
  const rows: EncodedText[] = [];
  const tooLong: number[] = [];
  for (const [place, text] of texts.entries()) {
    const { readable, isWhole } = readablePart(text, stored.maxTokens);
    const row = encodeOne(readable, place, stored);
    const isTooLong = row.encoding.ids.length > stored.maxTokens || (!isWhole && !text.isCut);
    if (isTooLong) tooLong.push(place);
    else rows.push(row);
  }
  return { rows, tooLong };
}

/** No language has so many: what comes after can be no part of the row, and megabytes of it would take a second to split. */
const CHARACTERS_PER_TOKEN = 400;

function readablePart(asked: AskedText, maxTokens: number): { readable: AskedText; isWhole: boolean } {
  const most = CHARACTERS_PER_TOKEN * maxTokens;
  const { text, pair = '' } = asked;
  if (text.length <= most && pair.length <= most) return { readable: asked, isWhole: true };
  const cut = { text: text.slice(0, most), ...(asked.pair !== undefined && { pair: pair.slice(0, most) }) };
  return { readable: { ...cut, isCut: asked.isCut }, isWhole: false };
}

/** At most one token more than there is room for, which tells that a text is too long. */
function encodeOne(asked: AskedText, place: number, { config, tokenizer, maxTokens }: StoredClassifier): EncodedText {
  const most = asked.isCut ? maxTokens : maxTokens + 1;
  if (config.task !== 'tokens') return { place, encoding: tokenizer.encode(asked.text, asked.pair, most) };
  refusePair(asked);
  const sentence = sentenceOf(asked.text, tokenizer, most);
  return { place, encoding: sentence.encoding, sentence };
}

type Logits = FilledAnswers['logits'];

function logitsOfAll(texts: number, rows: readonly EncodedText[], logits: Logits, C: number): Float32Array {
  const all = new Float32Array(texts * C);
  rows.forEach(({ place }, at) => {
    all.set(logits[at]?.data ?? [], place * C);
  });
  return all;
}

function entitiesOfAll(
  texts: number,
  rows: readonly EncodedText[],
  logits: Logits,
  labels: readonly string[],
): readonly (readonly Entity[])[] {
  const all: (readonly Entity[])[] = Array.from({ length: texts }, () => []);
  rows.forEach(({ place, sentence }, at) => {
    const own = logits[at];
    if (sentence !== undefined && own !== undefined) all[place] = entitiesIn(sentence, own, labels);
  });
  return all;
}

const evaluation = z.object({ accuracy: z.number() });
/** Where a folder's record has the accuracy of each of its models. */
const EVIDENCE = {
  fp32: z.object({ evaluation }).transform((run) => run.evaluation.accuracy),
  int8: z.object({ quantization: z.object({ int8: evaluation }) }).transform((run) => run.quantization.int8.accuracy),
} as const satisfies Record<Precision, z.ZodType<number>>;

/** The folder's record, if it has one that can be read. */
async function runOf(folder: string): Promise<unknown> {
  const text = await readFile(join(folder, 'run.json'), 'utf8').catch(() => '');
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function describe({
  folder,
  config,
  precision,
  parameters,
  maxTokens,
}: StoredClassifier): Promise<Omit<ModelDescription, 'name'>> {
  const run = await runOf(folder);
  const accuracy = EVIDENCE[precision].safeParse(run).data;
  const cascade = cascadeIn(run);
  const calibrated = cascade && (cascade.precision ?? (await precisionIn(folder)));
  return {
    folder,
    task: config.task ?? 'sequence',
    labels: config.labels,
    precision,
    instances: instancesOf(config),
    maxTokens,
    parameters,
    ...(accuracy !== undefined && { accuracy }),
    ...(cascade !== undefined && calibrated === precision && { cascade }),
  };
}
