/** What a step is fed of tagged sentences, against what plain loops say; the losses over tokens against float64. */
import { describe, expect, it } from 'vitest';
import { type FloatTensor, float32, int64, random, type Tensor } from '../base/index.ts';
import { constant, crossEntropy, weightedMean } from '../graph/index.ts';
import { learnVocabulary, tokenizerOf } from '../model/index.ts';
import { logitDistillation } from '../prune/index.ts';
import { compile, cpu } from '../runtime/index.ts';
import { symmetricDivergence } from './consistency.ts';
import { taggedDatasetOf } from './dataset.ts';
import { encodeSet, logitsFor, trainingFeeds } from './encoded-set.ts';

const NAMES = ['O', 'B-x', 'I-x'];
const texts = ['low newest low', 'newest', 'low low low low low low'];
const tokenizer = tokenizerOf(learnVocabulary(['low new newest est', 'low newest'], 40));
const sentences = texts.map((text) => {
  const words = text.split(' ');
  return { words, tags: words.map((_, at) => NAMES[at % 3] as string), lines: words.map(() => 1) };
});
const dataset = taggedDatasetOf({ file: 'some.conll', sentences, checksum: '' }, NAMES);

describe('encodeSet', () => {
  it('has a label for each word, and a position for those that are not cut off', () => {
    const set = encodeSet(dataset, tokenizer, 6);
    expect(set.task).toBe('tokens');
    expect(set.labels).toEqual([[0, 1, 2], [0], [0, 1, 2, 0, 1, 2]]);
    expect(set.positions[2]).toEqual([1, 2, 3, 4]);
    expect(set.lengths[2]).toBe(6);
  });
});

describe('logitsFor', () => {
  it('has the logits of a word at its first piece, however many pieces words have in the other vocabulary', () => {
    const pieces = tokenizerOf(learnVocabulary(['l o w n e s t low'], 30)); // no longer words
    const [from, to] = [encodeSet(dataset, tokenizer, 32), encodeSet(dataset, pieces, 32)];
    expect(to.lengths[0]).toBeGreaterThan(from.lengths[0] as number);
    const logits = from.lengths.map((length, row) =>
      float32(
        Float32Array.from({ length: 3 * length }, (_, at) => 100 * row + at),
        [length, 3],
      ),
    );
    const moved = logitsFor(to, logits, from);
    const ofWord = ({ data }: FloatTensor, position = 0): number[] => [
      ...data.subarray(3 * position, 3 * position + 3),
    ];
    for (const [row, positions] of to.positions.entries()) {
      expect(moved[row]?.shape).toEqual([to.lengths[row], 3]);
      for (const [word, position] of positions.entries()) {
        expect(ofWord(moved[row] as FloatTensor, position)).toEqual(
          ofWord(logits[row] as FloatTensor, from.positions[row]?.[word]),
        );
      }
    }
    expect(logitsFor(from, logits, from)).toEqual(logits);
  });
});

describe('trainingFeeds', () => {
  const set = encodeSet(dataset, tokenizer, 8);
  const plan = { examples: [2, 0, 1, 2], weights: [1, 1, 1, 0], tokens: 8 } as const;
  const [R, T] = [plan.examples.length, plan.tokens];

  it('has labels and weights at first pieces, and nothing elsewhere', () => {
    const feeds = trainingFeeds(set, plan);
    const [labels, weights] = [feeds['batch.labels'], feeds['batch.weights']] as [Tensor, Tensor];
    expect([labels.shape, weights.shape]).toEqual([
      [R, T],
      [R, T],
    ]);
    plan.examples.forEach((example, row) => {
      for (let position = 0; position < T; position++) {
        const word = set.positions[example]?.indexOf(position) ?? -1;
        const cell = row * T + position;
        expect(Number(labels.data[cell])).toBe(word < 0 ? 0 : set.labels[example]?.[word]);
        expect(weights.data[cell]).toBe(word < 0 ? 0 : plan.weights[row]);
      }
    });
  });

  it('has the logits of each row from its start, and zeros behind them', () => {
    const C = NAMES.length;
    const logits = set.lengths.map((length, example) =>
      float32(
        Float32Array.from({ length: length * C }, (_, at) => 100 * example + at + 1),
        [length, C],
      ),
    );
    const { shape, data } = trainingFeeds(set, plan, logits)['batch.teacherLogits'] as FloatTensor;
    expect(shape).toEqual([R, T, C]);
    plan.examples.forEach((example, row) => {
      const own = [...(logits[example]?.data ?? [])];
      const zeros = Array(T * C - own.length).fill(0);
      expect([...data.subarray(row * T * C, (row + 1) * T * C)]).toEqual([...own, ...zeros]);
    });
  });
});

describe('losses over tokens', () => {
  const [R, T, C] = [3, 4, 5];
  const draws = random(1, 'token losses');
  const logitsOf = () =>
    float32(
      Float32Array.from({ length: R * T * C }, () => draws.normal()),
      [R, T, C],
    );
  const [student, teacher] = [logitsOf(), logitsOf()];
  const labels = int64(
    Array.from({ length: R * T }, () => draws.integer(C)),
    [R, T],
  );
  const weights = float32(
    Float32Array.from({ length: R * T }, (_, at) => Number(at % 3 === 0)),
    [R, T],
  );

  /** In float64, over the cells that have a weight. */
  const meanOver = (loss: (cell: number) => number): number => {
    const cells = [...weights.data.keys()].filter((cell) => weights.data[cell] === 1);
    return cells.reduce((sum, cell) => sum + loss(cell), 0) / cells.length;
  };
  const logSoftmax = ({ data }: FloatTensor, cell: number, temperature = 1): number[] => {
    const values = Array.from(data.subarray(cell * C, (cell + 1) * C), (value) => value / temperature);
    const total = Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
    return values.map((value) => value - total);
  };

  it('are means over the labelled ones', async () => {
    const τ = 2;
    const [of, from, weigh] = [constant(student), constant(teacher), constant(weights)];
    const session = await compile(
      {
        outputs: {
          labels: weightedMean(crossEntropy(of, constant(labels)), weigh),
          logits: logitDistillation({ student: of, teacher: from, weights: weigh, temperature: τ }),
          consistency: symmetricDivergence(of, from, weigh),
        },
      },
      cpu(1),
    );
    const results = await session.run({});
    await session.close();
    const hard = meanOver((cell) => -(logSoftmax(student, cell)[Number(labels.data[cell])] as number));
    const soft = meanOver((cell) => {
      const [t, s] = [logSoftmax(teacher, cell, τ), logSoftmax(student, cell, τ)];
      return τ ** 2 * t.reduce((sum, value, at) => sum + Math.exp(value) * (value - (s[at] as number)), 0);
    });
    const apart = meanOver((cell) => {
      const [p, q] = [logSoftmax(student, cell), logSoftmax(teacher, cell)];
      const gaps = p.map((value, at) => [value, q[at] as number] as const);
      return 0.5 * gaps.reduce((sum, [one, other]) => sum + (Math.exp(one) - Math.exp(other)) * (one - other), 0);
    });
    expect(Number(results.consistency?.data[0])).toBeCloseTo(apart, 5);
    expect(Number(results.labels?.data[0])).toBeCloseTo(hard, 5);
    expect(Number(results.logits?.data[0])).toBeCloseTo(soft, 5);
  });
});
