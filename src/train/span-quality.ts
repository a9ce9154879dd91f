/** How good the tags of sentences are: F1 over entities as seqeval computes it in its default mode, and the share of words that are right. */
import { assert } from '../base/index.ts';
import { OUTSIDE, spansOf } from '../infer/index.ts';

export interface SpanQuality {
  /** Share of words with the right tag, 0 to 1. */
  readonly accuracy: number;
  /** F1 over all entities; one is right if its type, start and end are (micro average). 0 where there is none to find and none was found. */
  readonly spanF1: number;
  /** Mean of the F1 of the entity types that occur or were predicted. */
  readonly macroF1: number;
}

/** Entities of one type: right ones, and all that were predicted or are there. */
interface SpanCounts {
  hits: number;
  predicted: number;
  actual: number;
}

const NONE: SpanCounts = { hits: 0, predicted: 0, actual: 0 };

/** 2 hits / (predicted + actual), which is 2 P R / (P + R). */
function f1({ hits, predicted, actual }: SpanCounts): number {
  return predicted + actual === 0 ? 0 : (2 * hits) / (predicted + actual);
}

type Tags = readonly (readonly string[])[];
/** Of words that were cut off there is no tag. */
type Guesses = readonly (readonly (string | undefined)[])[];

function countSpans(predicted: Guesses, actual: Tags): ReadonlyMap<string, SpanCounts> {
  const counts = new Map<string, SpanCounts>();
  const countsOf = (type: string): SpanCounts => {
    const found = counts.get(type) ?? { ...NONE };
    counts.set(type, found);
    return found;
  };
  actual.forEach((tags, sentence) => {
    const there = spansOf(tags);
    const keys = new Set(there.map(({ type, start, end }) => `${start} ${end} ${type}`));
    for (const { type } of there) countsOf(type).actual++;
    const guesses = (predicted[sentence] ?? []).map((tag) => tag ?? OUTSIDE);
    for (const { type, start, end } of spansOf(guesses)) {
      countsOf(type).predicted++;
      if (keys.has(`${start} ${end} ${type}`)) countsOf(type).hits++;
    }
  });
  return counts;
}

function totalOf(counts: readonly SpanCounts[]): SpanCounts {
  return counts.reduce(
    (sum, { hits, predicted, actual }) => ({
      hits: sum.hits + hits,
      predicted: sum.predicted + predicted,
      actual: sum.actual + actual,
    }),
    NONE,
  );
}

/** What each sentence adds to the F1 over all entities: twice its hits, out of what was predicted and what is there. */
export function spanScoresOf(predicted: Guesses, actual: Tags): { hits: number[]; outOf: number[] } {
  const sentences = actual.map((tags, at) => totalOf([...countSpans([predicted[at] ?? []], [tags]).values()]));
  return {
    hits: sentences.map(({ hits }) => 2 * hits),
    outOf: sentences.map((counts) => counts.predicted + counts.actual),
  };
}

/** Of sentences, each with a tag per word; both of the same lengths. A word without a prediction is wrong, and outside of every entity. */
export function spanQualityOf(predicted: Guesses, actual: Tags): SpanQuality {
  const [guesses, tags] = [predicted.flat(), actual.flat()];
  assert(guesses.length === tags.length && tags.length > 0, 'one predicted tag per word');
  const counts = [...countSpans(predicted, actual).values()];
  return {
    accuracy: tags.filter((tag, at) => tag === guesses[at]).length / tags.length,
    spanF1: f1(totalOf(counts)),
    macroF1: counts.length === 0 ? 0 : counts.reduce((sum, each) => sum + f1(each), 0) / counts.length,
  };
}
