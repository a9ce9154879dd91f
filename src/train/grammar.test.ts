/**
 * The built-in data set is what it claims to be: distinct, balanced, the same everywhere, and out of reach for a bag of
 * words. The baseline is a multinomial logistic regression on word counts, trained to convergence here.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../base/index.ts';
import { type Dataset, datasetOf, labelsOf } from './dataset.ts';
import { builtinCorpus } from './grammar.ts';

const seed = 1;
const corpus = builtinCorpus(seed);
const labels = labelsOf(corpus.train);
const train = datasetOf(corpus.train, labels);
const held = datasetOf(corpus.eval, labels);

const wordsOf = (text: string): readonly string[] => text.match(/[a-z]+/g) ?? [];

describe('the built-in corpus', () => {
  it('has 8,000 sentences to train on and 1,000 to evaluate on, no two the same', () => {
    expect(train.examples.length).toBe(8000);
    expect(held.examples.length).toBe(1000);
    const texts = [...train.examples, ...held.examples].map(({ text }) => text);
    expect(new Set(texts).size).toBe(9000);
  });

  it('has five classes of the same size, in no order', () => {
    expect(labels).toEqual(['cancel', 'change', 'repeat', 'return', 'track']);
    const count = (set: Dataset, label: number) => set.examples.filter((example) => example.label === label).length;
    for (const label of labels.keys()) {
      expect(count(train, label)).toBe(1600);
      expect(count(held, label)).toBe(200);
      expect(count({ ...train, examples: train.examples.slice(0, 1000) }, label)).toBeGreaterThan(150);
    }
  });

  it('has sentences of 6 to 30 words from a vocabulary of under 300', () => {
    const all = [...train.examples, ...held.examples].map(({ text }) => wordsOf(text));
    expect(Math.min(...all.map((words) => words.length))).toBeGreaterThanOrEqual(6);
    expect(Math.max(...all.map((words) => words.length))).toBeLessThanOrEqual(30);
    expect(new Set(all.flat()).size).toBeLessThan(300);
  });

  it('negates, corrects and refuses in every class alike', () => {
    // Each class has a fifth of the sentences with the word, give or take three standard deviations of a fair draw.
    for (const word of ['not', 'never', 'but', 'rather', 'against', 'forget', 'please', 'want']) {
      const having = train.examples.filter(({ text }) => wordsOf(text).includes(word));
      expect(having.length).toBeGreaterThan(150);
      const tolerance = 3 * Math.sqrt((0.2 * 0.8) / having.length);
      for (const label of labels.keys()) {
        const share = having.filter((example) => example.label === label).length / having.length;
        expect(Math.abs(share - 0.2), `${word} in ${labels[label]}`).toBeLessThan(tolerance);
      }
    }
  });

  it('is the same for the same seed, and another for another', () => {
    expect(builtinCorpus(seed)).toEqual(corpus);
    expect(corpus.train.file).toBe('built-in:train');
    // Recorded from this generator: a change of it changes every figure that was measured on the built-in data set.
    expect(corpus.train.checksum).toBe('0dd6b289ed36616282dbdc3b8b773c4a2ec79476208e8460c2425157423f1ce9');
    expect(builtinCorpus(seed + 1).train.checksum).not.toBe(corpus.train.checksum);
  });

  it.each([0, 1.5, 100_001, Number.NaN])('refuses a size of %d', (size) => {
    expect(() => builtinCorpus(seed, { train: size, eval: 1 })).toThrow(ConfigError);
  });
});

/** Word counts of a text, as places in the vocabulary; a word that occurs twice is listed twice. */
type Bag = readonly number[];

const vocabulary = new Map(
  [...new Set(train.examples.flatMap(({ text }) => wordsOf(text)))].map((word, at) => [word, at]),
);
const bagOf = (text: string): Bag => wordsOf(text).flatMap((word) => vocabulary.get(word) ?? []);

/** Scores of the classes: the sum of the words' rows of weights, `[V + 1, C]`, the last row being the bias. */
function scores(weights: Float64Array, bag: Bag): Float64Array {
  const sum = weights.slice(vocabulary.size * labels.length);
  for (const word of bag) {
    for (const label of labels.keys()) sum[label] = (sum[label] ?? 0) + (weights[word * labels.length + label] ?? 0);
  }
  return sum;
}

/** Adds one example's gradient of the cross-entropy: softmax minus the one-hot label, on every word of the bag. */
function addGradient(gradient: Float64Array, weights: Float64Array, bag: Bag, target: number): void {
  const logits = scores(weights, bag);
  const largest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  exponentials.forEach((value, label) => {
    const error = value / total - (label === target ? 1 : 0);
    for (const word of [...bag, vocabulary.size]) {
      const at = word * labels.length + label;
      gradient[at] = (gradient[at] ?? 0) + error;
    }
  });
}

/** Full-batch Adam with its usual constants. */
function trainBaseline(bags: readonly Bag[], targets: readonly number[]): Float64Array {
  const weights = new Float64Array((vocabulary.size + 1) * labels.length);
  const mean = weights.slice();
  const square = weights.slice();
  for (let step = 1; step <= 300; step++) {
    const gradient = new Float64Array(weights.length);
    bags.forEach((bag, at) => {
      addGradient(gradient, weights, bag, targets[at] ?? 0);
    });
    gradient.forEach((sum, at) => {
      const value = sum / bags.length;
      const first = 0.9 * (mean[at] ?? 0) + 0.1 * value;
      const second = 0.999 * (square[at] ?? 0) + 0.001 * value * value;
      mean[at] = first;
      square[at] = second;
      const scaled = first / (1 - 0.9 ** step) / (Math.sqrt(second / (1 - 0.999 ** step)) + 1e-8);
      weights[at] = (weights[at] ?? 0) - 0.05 * scaled;
    });
  }
  return weights;
}

function accuracyOf(weights: Float64Array, set: Dataset): number {
  const isRight = ({ text, label }: Dataset['examples'][number]) => {
    const logits = scores(weights, bagOf(text));
    return logits.indexOf(Math.max(...logits)) === label;
  };
  return set.examples.filter(isRight).length / set.examples.length;
}

describe('a bag of words', () => {
  let weights: Float64Array = new Float64Array();
  beforeAll(() => {
    weights = trainBaseline(
      train.examples.map(({ text }) => bagOf(text)),
      train.examples.map(({ label }) => label),
    );
  });

  it('is right where one action is named', () => {
    const easy = 'hello, please send back the blue jacket as soon as you can.';
    const one: Dataset = { ...held, examples: [{ text: easy, label: labels.indexOf('return') }] };
    expect(accuracyOf(weights, one)).toBe(1);
  });

  it('does not solve it', () => {
    // Measured: 0.654 (and 0.724 on the training rows). Right on 30 % easy sentences, a coin for the others: 0.65.
    const accuracy = accuracyOf(weights, held);
    expect(accuracy).toBeGreaterThan(0.55);
    expect(accuracy).toBeLessThan(0.75);
  });
});
