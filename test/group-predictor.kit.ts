/** A predictor that is a plain function of the rows of a group, so that what neighbours do to answers is known. */
import { float32, type Tensor } from '../src/base/index.ts';
import type { Predictor } from '../src/infer/index.ts';
import type { ModelConfig } from '../src/model/index.ts';
import type { EncodedSet } from '../src/train/encoded-set.ts';
import { tinyConfig } from './tiny-bert.kit.ts';

/** A row in a pass. */
export interface Seen {
  /** The row that is asked. */
  readonly row: number;
  readonly slot: number;
  /** All rows of its group, itself included, by slot. */
  readonly group: readonly number[];
}

export interface GroupPredictor extends Predictor {
  /** Every row of every pass, in order. */
  readonly seen: readonly Seen[];
}

/** Two classes; the rows are those of `numberedSet`, which say who they are. */
export function groupPredictor(instances: number, logitsOf: (seen: Seen) => readonly number[]): GroupPredictor {
  const seen: Seen[] = [];
  const config: ModelConfig = {
    ...tinyConfig,
    labels: ['no', 'yes'],
    mux: { instances, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
  };
  return {
    config,
    streams: 1,
    seen,
    async run(feeds) {
      const { shape, data } = feeds.input_ids as Tensor;
      const [rows, tokens] = shape as [number, number];
      const ids = Array.from({ length: rows }, (_, row) => Number(data[row * tokens]));
      const asked = ids.map((row, place): Seen => {
        const slot = place % instances;
        return { row, slot, group: ids.slice(place - slot, place - slot + instances) };
      });
      seen.push(...asked);
      return float32(asked.flatMap(logitsOf), [rows, config.labels.length]);
    },
    close: () => Promise.resolve(),
  };
}

/** Rows of those lengths whose ids are all the row's number; the labels alternate. */
export function numberedSet(lengths: readonly number[]): EncodedSet {
  return {
    encodings: lengths.map((length, row) => ({ ids: new Array(length).fill(row), types: new Array(length).fill(0) })),
    lengths,
    task: 'sequence',
    labels: lengths.map((_, row) => [row % 2]),
    positions: lengths.map(() => [0]),
    padId: 0,
  };
}
