/**
 * Dropout (Srivastava et al., 2014) from a pool of precomputed masks: every site reads a window of one long random vector, at a place drawn for
 * the step. The runtime's own operator differs from run to run with one seed; this one repeats exactly, and costs one multiplication.
 */
import { type FloatTensor, float32, int64, random, type Tensor } from '../base/index.ts';
import { fixed, input, mul, product, reshape, type SiteHandler, window } from '../graph/index.ts';

/** Large enough that windows at random places are as good as fresh masks. */
const SMALLEST_POOL = 1 << 22;

/** Sites that drop end in this. */
const SUFFIX = '.dropout';

/** The part of the pool in which a window of that size is placed: a power of two, at least twice the window. */
function reachOf(size: number): number {
  return Math.max(SMALLEST_POOL, 2 ** Math.ceil(Math.log2(2 * size)));
}

/** Elements that are 0 with the given probability, and else 1/(1-p). A longer pool begins with the shorter one. */
export function dropoutPool(probability: number, seed: number, size: number): FloatTensor {
  const draws = random(seed, 'dropout.pool');
  const kept = 1 / (1 - probability);
  const pool = Float32Array.from({ length: size }, () => (draws.uniform() < probability ? 0 : kept));
  return float32(pool, [size]);
}

/** Attaches dropout to the sites of one graph, and knows what to feed it. */
export class Dropout {
  private readonly sizes: number[] = [];

  readonly handler: SiteHandler = (name, x) => {
    if (!name.endsWith(SUFFIX)) return undefined;
    const size = fixed(name, product(x.shape));
    const offset = input(`dropout.offset.${this.sizes.length}`, [1], 'int64');
    this.sizes.push(size);
    return mul(x, reshape(window(input('dropout.pool', ['P']), offset, size), x.shape));
  };

  /** Elements that the pool must have; none where nothing drops. */
  get poolSize(): number {
    return Math.max(0, ...this.sizes.map(reachOf));
  }

  /** Where each site reads in this step. */
  offsets(seed: number, step: number): Record<string, Tensor> {
    const draws = random(seed, 'dropout', step);
    const place = (size: number): Tensor => int64([draws.integer(reachOf(size) - size)], [1]);
    return Object.fromEntries(this.sizes.map((size, at) => [`dropout.offset.${at}`, place(size)]));
  }
}
