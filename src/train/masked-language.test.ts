/**
 * The loss of masked-language modelling against plain loops in float64, and the sum over candidates against the sum over the whole vocabulary
 * that it stands for.
 */
import { expect, it, vi } from 'vitest';
import { evaluate, type Values, valuesOf } from '../../test/reference.kit.ts';
import { tinyConfig } from '../../test/tiny-bert.kit.ts';
import { type FloatTensor, float32, type ParameterTree, random, sizeOf, type Tensor } from '../base/index.ts';
import { input, type Node } from '../graph/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs, wordFeatures } from '../model/index.ts';
import { features } from '../mux/index.ts';
import { cpu, loadRuntime } from '../runtime/index.ts';
import { evaluateLanguage } from './language-evaluation.ts';
import { maskedFeeds } from './masked-language.ts';
import { type MaskedBatch, maskBatch } from './masking.ts';
import { pretrainObjective } from './pretrain-objective.ts';
import { type Candidates, drawCandidates } from './sampled-softmax.ts';
import { compileStep, startState } from './step.ts';
import { CLIP_NORM, weightGroups } from './train-classifier.ts';
import { CORRECTIONS, languageModelShapes } from './word-prediction.ts';

const config: ModelConfig = { ...tinyConfig, labels: [] };
const { encoder } = config;
const { vocabularySize: V, hiddenSize: D } = encoder;
const [R, T] = [4, 6];
const masking = { share: 0.15, padId: 0, maskId: 1, vocabularySize: V, specialIds: new Set([2, 3]) };
const WORDS = 'bert.embeddings.word_embeddings.weight';
const BIAS = 'cls.predictions.bias';

/** Numbers large enough that every part shows. */
const parameters: ParameterTree = new Map(
  Array.from(languageModelShapes(config), ([name, shape]): [string, FloatTensor] => {
    const draws = random(1, name);
    const centre = name.endsWith('LayerNorm.weight') ? 1 : 0;
    return [
      name,
      float32(
        Float32Array.from({ length: sizeOf(shape) }, () => centre + 0.4 * draws.normal()),
        shape,
      ),
    ];
  }),
);

const draws = random(1, 'rows');
/** Words 4 to 9 only, the last row short. */
const encodings = Array.from({ length: R }, (_, row) => {
  const ids = [2, ...Array.from({ length: row === R - 1 ? 1 : T - 2 }, () => 4 + draws.integer(6)), 3];
  return { ids, types: ids.map(() => 0) };
});
const batch: MaskedBatch = maskBatch(encodings, T, masking, random(1, 'masking'));

/** What is read of the batch, and what is asked. */
const feedsOf = ({ ids, targets }: Pick<Candidates, 'ids' | 'targets'>): Record<string, Tensor> => ({
  ...{ input_ids: ids, attention_mask: batch.mask, token_type_ids: batch.types },
  ...maskedFeeds(batch, { targets }),
});

/** x = features, in float64: the encoder and the transform as graph, which have their own references. */
function featuresOf(): Values {
  const p = parametersFrom(parameterInputs(languageModelShapes(config)));
  const read = features(tokenInputs(R, T), config, p, 'all');
  const given = { ...Object.fromEntries(parameters), ...feedsOf(batch) };
  return evaluate(
    [wordFeatures(read, input('masked.positions', ['M'], 'int64'), encoder, p)],
    Object.fromEntries(Object.entries(given).map(([name, x]) => [name, valuesOf(x)])),
  )[0] as Values;
}

/** Σ weight · (log Σ_w exp s_w - s_target) / Σ weight, with s = x · E_w + b_w + correction_w. */
function lossByLoops(words: readonly number[], corrections: ArrayLike<number>): number {
  const read = featuresOf();
  const [table, bias] = [parameters.get(WORDS)?.data ?? [], parameters.get(BIAS)?.data ?? []];
  let [sum, count] = [0, 0];
  batch.weights.data.forEach((weight, slot) => {
    const logitOf = (word: number): number => {
      let logit = bias[word] as number;
      for (let d = 0; d < D; d++) logit += (read.data[slot * D + d] as number) * (table[word * D + d] as number);
      return logit;
    };
    const total = words.reduce((all, word, at) => all + Math.exp(logitOf(word) + (corrections[at] as number)), 0);
    const target = Number(batch.targets.data[slot]);
    sum += weight * (Math.log(total) - logitOf(target) - (corrections[words.indexOf(target)] as number));
    count += weight;
  });
  return sum / count;
}

async function stepLoss(candidates: Candidates) {
  const plan = {
    trained: parameters,
    frozen: new Map(),
    parameterGroups: weightGroups(1e-2, 0.01),
    clipNorm: CLIP_NORM,
    objective: (p: (name: string) => Node) => {
      const none = (): Node => input('none', []);
      const nodes = { inputs: tokenInputs(R, T), labels: none(), weights: none(), teacherLogits: none };
      return pretrainObjective(config, { masked: 1, retrieval: 0 })(nodes, p, () => undefined);
    },
  };
  const step = await compileStep(plan, cpu(2));
  const state = startState(parameters);
  const feeds: Record<string, Tensor> = {
    ...feedsOf(candidates),
    'batch.words': candidates.words,
    [CORRECTIONS]: candidates.corrections,
  };
  const losses: number[] = [];
  for (let at = 1; at <= 60; at++) losses.push((await step.run(state, feeds, 1, at)).loss ?? Number.NaN);
  await step.close();
  return { state, losses };
}

it('the full softmax is that of plain loops, and the accuracy is a share', async () => {
  const all = Array.from({ length: V }, (_, word) => word);
  const { loss, accuracy, positions, ...retrieval } = await evaluateLanguage(
    config,
    parameters,
    [batch, batch],
    cpu(2),
  );
  expect(loss).toBeCloseTo(lossByLoops(all, new Array(V).fill(0)), 4);
  expect(accuracy).toBeGreaterThanOrEqual(0);
  expect(accuracy).toBeLessThanOrEqual(1);
  expect(retrieval).toEqual({ retrievalAccuracy: null, retrievalAccuracyBySlot: null });
  expect(positions).toBe(2 * batch.weights.data.reduce((sum, weight) => sum + weight, 0));
});

it('an evaluation that fails leaves no session open: there is none to release', async () => {
  const opened = vi.spyOn(loadRuntime().InferenceSession, 'create');
  await expect(evaluateLanguage(config, new Map(), [batch], cpu(1))).rejects.toThrow('a value for the input');
  const sessions = opened.mock.results.map(({ value }) => value as ReturnType<typeof opened>);
  opened.mockRestore();
  expect(sessions.length).toBeGreaterThan(0);
  for (const session of sessions) await expect((await session).release()).rejects.toThrow('disposed');
});

it('a step has the loss of plain loops over its candidates, touches their rows only, and learns the batch', async () => {
  const own = [...new Set([...batch.ids.data, ...batch.targets.data].map(Number))];
  const words = [
    ...own,
    ...Array.from({ length: V }, (_, word) => word)
      .filter((word) => !own.includes(word))
      .slice(0, 4),
  ];
  const placeOf = (id: bigint): bigint => BigInt(words.indexOf(Number(id)));
  const corrections = words.map((_, at) => (at < own.length ? 0 : Math.log(2.5)));
  const candidates: Candidates = {
    words: { dtype: 'int64', shape: [words.length], data: BigInt64Array.from(words, BigInt) },
    corrections: float32(corrections, [words.length]),
    ids: { ...batch.ids, data: batch.ids.data.map(placeOf) },
    targets: { ...batch.targets, data: batch.targets.data.map(placeOf) },
  };
  const { state, losses } = await stepLoss(candidates);
  expect(losses[0]).toBeCloseTo(lossByLoops(words, corrections), 4);
  expect(losses.at(-1)).toBeLessThan(0.3 * (losses[0] ?? 0));
  for (const name of [WORDS, BIAS]) {
    const [before, after] = [parameters.get(name), state.parameters.get(name)];
    const width = (before?.data.length ?? 0) / V;
    for (let word = 0; word < V; word++) {
      const row = (tensor: FloatTensor | undefined) => tensor?.data.slice(word * width, (word + 1) * width);
      if (words.includes(word)) expect(row(after), `${name} ${word}`).not.toEqual(row(before));
      else expect(row(after), `${name} ${word}`).toEqual(row(before));
    }
  }
});

it('candidates are distinct, begin with the words of the batch, and stand for the batch as it was', () => {
  const size = 6000;
  const { words, ids, targets, corrections } = drawCandidates(batch, size, random(3), 700);
  const list = Array.from(words.data, Number);
  expect(list.length % 512).toBe(0);
  expect(new Set(list).size).toBe(list.length);
  expect(Math.max(...list)).toBeLessThan(size);
  expect(Array.from(ids.data, (at) => list[Number(at)])).toEqual(Array.from(batch.ids.data, Number));
  expect(Array.from(targets.data, (at) => list[Number(at)])).toEqual(Array.from(batch.targets.data, Number));
  const own = new Set([...batch.ids.data, ...batch.targets.data].map(Number)).size;
  expect(list.length).toBeGreaterThanOrEqual(own + 700);
  const expected = Math.log((size - own) / (list.length - own));
  corrections.data.forEach((correction, at) => {
    expect(correction).toBeCloseTo(at < own ? 0 : expected, 6);
  });
});

it('of a small vocabulary every word is a candidate, uncorrected', () => {
  const { words, corrections } = drawCandidates(batch, V, random(3));
  expect(Array.from(words.data, Number).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: V }, (_, word) => word),
  );
  expect(new Set(corrections.data)).toEqual(new Set([0]));
});

it('the corrected sum over candidates has the sum over the vocabulary as its mean', () => {
  const size = 3000;
  const logits = Array.from({ length: size }, (_, word) => random(5, word).normal());
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const sums = Array.from({ length: 200 }, (_, round) => {
    const { words, corrections } = drawCandidates(batch, size, random(6, round), 500);
    return words.data.reduce(
      (sum, word, at) => sum + Math.exp((logits[Number(word)] ?? 0) + (corrections.data[at] ?? 0)),
      0,
    );
  });
  const mean = sums.reduce((all, sum) => all + sum, 0) / sums.length;
  const deviation = Math.sqrt(sums.reduce((all, sum) => all + (sum - mean) ** 2, 0) / (sums.length - 1));
  expect(Math.abs(mean - total)).toBeLessThan((4 * deviation) / Math.sqrt(sums.length));
});
