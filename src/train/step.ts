/**
 * A training step as one graph: forward, backward, clipping and AdamW, compiled once per batch shape. Weights and moments are inputs and
 * outputs of it and are updated where they stand; the session holds none. Of the word embeddings only the rows that a batch uses are
 * read, trained and written ("lazy" Adam), so a step costs the same with any vocabulary. They are written here: onnxruntime-node copies every
 * output that it gives, also one that it was handed the place of, and whole tables would be most of what a step copies.
 */
import { assert, type FloatTensor, type Tensor, zerosLike } from '../base/index.ts';
import { gather, gradients, input, type Node, overwritable } from '../graph/index.ts';
import { type Parameters, parametersFrom } from '../model/index.ts';
import { compile, type Feeds, type Placement } from '../runtime/index.ts';
import {
  adamw,
  clipFactor,
  MOMENT_PREFIX,
  type Moments,
  momentInputs,
  type ParameterGroup,
  scalarInputs,
  stepScalars,
} from './adamw.ts';

/** Tables with a row per word, of which a step touches only the rows of a batch. */
const ROW_TABLES = /(^|\/)(bert\.embeddings\.word_embeddings\.weight|cls\.predictions\.bias)$/;

/** Weights and moments of a run; a step overwrites their data. */
export interface TrainState {
  readonly parameters: ReadonlyMap<string, FloatTensor>;
  readonly first: ReadonlyMap<string, FloatTensor>;
  readonly second: ReadonlyMap<string, FloatTensor>;
}

/** A state that starts from copies of the given parameters, with moments of zero. */
export function startState(parameters: ReadonlyMap<string, FloatTensor>): TrainState {
  const copy = (tensor: FloatTensor): FloatTensor => ({ ...tensor, data: tensor.data.slice() });
  const map = (make: (tensor: FloatTensor) => FloatTensor): Map<string, FloatTensor> =>
    new Map(Array.from(parameters, ([name, tensor]) => [name, make(tensor)]));
  return { parameters: map(copy), first: map(zerosLike), second: map(zerosLike) };
}

/** What a phase minimises, and what it reports; all scalars. */
export interface Objective {
  readonly loss: Node;
  readonly metrics: Readonly<Record<string, Node>>;
}

/** What the graph of a step is made from. */
export interface StepPlan {
  /** Parameters that are trained, by name. */
  readonly trained: ReadonlyMap<string, FloatTensor>;
  /** Parameters that are only read: frozen ones, and the teacher's under its prefix. */
  readonly frozen: ReadonlyMap<string, FloatTensor>;
  readonly parameterGroups: readonly ParameterGroup[];
  /** Largest norm of the gradients of all groups that are clipped. */
  readonly clipNorm: number;
  readonly objective: (parameters: Parameters) => Objective;
}

/** A compiled step for one batch shape. */
export interface CompiledStep {
  readonly inputs: readonly string[];
  /** Runs one step, overwriting the state; gives the loss and the metrics. */
  run(state: TrainState, feeds: Feeds, scheduled: number, step: number): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

/** One parameter before and after the step, and the node that the model reads for it. */
interface Trained {
  readonly name: string;
  readonly group: ParameterGroup;
  readonly stored: Moments;
  readonly used: Moments;
}

const WORDS = 'batch.words';

/** The distinct words of the batch, by which rows of word tables are read: [U] */
const wordsInput = (): Node => input(WORDS, ['U'], 'int64');

function rowsOf(table: Moments): Moments {
  const read = (node: Node): Node => gather(node, wordsInput());
  return { value: read(table.value), first: read(table.first), second: read(table.second) };
}

function trainedOf(plan: StepPlan): Trained[] {
  return Array.from(plan.trained, ([name, tensor]) => {
    const group = plan.parameterGroups.find(({ has }) => has(name));
    assert(group !== undefined, `a parameter group for ${name}`);
    const stored = momentInputs(name, tensor.shape);
    return { name, group, stored, used: ROW_TABLES.test(name) ? rowsOf(stored) : stored };
  });
}

function frozenOf(plan: StepPlan): [string, Node][] {
  return Array.from(plan.frozen, ([name, { shape }]) => {
    const stored = input(name, shape);
    return [name, ROW_TABLES.test(name) ? gather(stored, wordsInput()) : stored];
  });
}

/** A result, the input that it replaces, or whose rows of the batch's words, and the name under which the state has it. */
interface Update {
  readonly kind: keyof TrainState;
  readonly name: string;
  readonly source: Node;
  readonly result: Node;
  readonly isOfRows: boolean;
}

function updatesOf({ name, stored, used }: Trained, after: Moments): Update[] {
  const isOfRows = stored !== used;
  return [
    { kind: 'parameters', name, source: stored.value, result: after.value, isOfRows },
    { kind: 'first', name, source: stored.first, result: after.first, isOfRows },
    { kind: 'second', name, source: stored.second, result: after.second, isOfRows },
  ];
}

/** Writes rows [U, …] of a table [V, …] where the words have them: [U] */
function writeRows(table: FloatTensor, rows: FloatTensor, words: Tensor): void {
  const width = rows.data.length / words.data.length;
  for (let at = 0; at < words.data.length; at++) {
    table.data.set(rows.data.subarray(at * width, (at + 1) * width), Number(words.data[at]) * width);
  }
}

interface StepGraph {
  readonly updates: readonly Update[];
  readonly reported: Readonly<Record<string, Node>>;
}

function buildStep(plan: StepPlan): StepGraph {
  const trained = trainedOf(plan);
  const nodes = new Map([...trained.map(({ name, used }): [string, Node] => [name, used.value]), ...frozenOf(plan)]);
  const { loss, metrics } = plan.objective(parametersFrom(nodes));
  const slopes = gradients(
    loss,
    trained.map(({ used }) => used.value),
  );
  const clipped = slopes.filter((_, at) => trained[at]?.group.isClipped);
  const clip = clipped.length === 0 ? undefined : clipFactor(clipped, plan.clipNorm);
  const updates = trained.flatMap((member, at) => {
    const { group, used } = member;
    const factor = group.isClipped ? clip?.factor : undefined;
    return updatesOf(member, adamw(used, slopes[at] as Node, scalarInputs(group.name), group, factor));
  });
  return { updates, reported: { loss, ...metrics, ...(clip && { gradientNorm: clip.norm }) } };
}

const PREFIX = { parameters: '', ...MOMENT_PREFIX } as const;

/** Compiles the step of a plan. */
export async function compileStep(plan: StepPlan, placement: Placement): Promise<CompiledStep> {
  const { updates, reported } = buildStep(plan);
  const named = updates.map((update) => ({ ...update, output: `${PREFIX[update.kind]}${update.name}/next` }));
  const outputs = { ...Object.fromEntries(named.map(({ output, result }) => [output, result])), ...reported };
  const whole = named.filter(({ isOfRows }) => !isOfRows);
  const inPlace = new Set(placement.device === 'cpu' ? overwritable(Object.values(outputs), whole) : []);
  const session = await compile({ outputs }, placement);
  const reportNames = Object.keys(reported);
  return {
    inputs: session.inputs,
    async run(state, feeds, scheduled, step) {
      const into: Record<string, Tensor> = {};
      for (const update of inPlace) into[update.output] = state[update.kind].get(update.name) as FloatTensor;
      const results = await session.run(
        { ...feeds, ...stateFeeds(plan, state), ...scalarFeeds(plan, scheduled, step) },
        into,
      );
      for (const update of named) {
        if (inPlace.has(update)) continue;
        const [stored, result] = [state[update.kind].get(update.name), results[update.output]] as FloatTensor[];
        if (update.isOfRows) writeRows(stored as FloatTensor, result as FloatTensor, feeds[WORDS] as Tensor);
        else (stored as FloatTensor).data.set((result as FloatTensor).data);
      }
      return Object.fromEntries(reportNames.map((name) => [name, Number(results[name]?.data[0])]));
    },
    close: () => session.close(),
  };
}

function stateFeeds(plan: StepPlan, state: TrainState): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = Object.fromEntries(plan.frozen);
  for (const name of plan.trained.keys()) {
    for (const kind of ['parameters', 'first', 'second'] as const) {
      feeds[`${PREFIX[kind]}${name}`] = state[kind].get(name) as FloatTensor;
    }
  }
  return feeds;
}

function scalarFeeds(plan: StepPlan, scheduled: number, step: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const group of plan.parameterGroups) {
    for (const [name, value] of Object.entries(stepScalars(group, scheduled, step))) {
      feeds[`${group.name}.${name}`] = { dtype: 'float32', shape: [], data: Float32Array.of(value) };
    }
  }
  return feeds;
}
