/**
 * Which heads and units to keep, told by their Fisher information alone.
 * Paper: A Fast Post-Training Pruning Framework for Transformers (Kwon et al. 2022), sections 4.2 and 4.3 - https://arxiv.org/abs/2204.09656
 */
import { assert, ConfigError, type FloatTensor } from '../base/index.ts';
import type { EncoderConfig } from '../model/index.ts';
import type { Fisher } from './fisher.ts';
import type { HardGates } from './hard-gates.ts';
import { eachFamily, type PartFamily } from './parts.ts';
import { prunableSize, realisedSparsity } from './sparsity.ts';
import { uniformShape } from './uniform-shape.ts';

/** A head or a unit with what the loss would rise by without it. */
interface Part {
  readonly at: number;
  readonly index: number;
  readonly importance: number;
}

const element = ({ data, shape }: FloatTensor, row: number, column: number): number =>
  data[row * (shape[1] ?? 0) + column] as number;

const byImportance = (a: Part, b: Part): number => b.importance - a.importance;

/** All parts of a family in the order in which they are kept: the best one of every layer, as no sub-layer goes as a whole; then by importance. */
function ranked(fisher: Fisher, family: PartFamily): Part[] {
  const layers = fisher.map((blocks, at) => {
    const block = blocks[family];
    const parts = Array.from({ length: block.shape[0] ?? 0 }, (_, index) => ({
      ...{ at, index },
      importance: element(block, index, index),
    }));
    return parts.sort(byImportance);
  });
  const best = layers.flatMap((parts) => parts.slice(0, 1));
  const others = layers.flatMap((parts) => parts.slice(1));
  return [...best, ...others.sort(byImportance)];
}

/** What is lost when the first 0, 1, … all parts are kept: one more number than parts. */
function lossesOf(parts: readonly Part[]): number[] {
  const losses = new Array<number>(parts.length + 1).fill(0);
  for (let kept = parts.length - 1; kept >= 0; kept--) {
    losses[kept] = (losses[kept + 1] as number) + (parts[kept] as Part).importance;
  }
  return losses;
}

/** For every number of heads the most units that there is room for: the pairs of counts that a sparsity allows. */
function affordableCounts(config: EncoderConfig, sparsity: number): { heads: number; intermediate: number }[] {
  const { D, H, K, F, L } = uniformShape(config);
  const room = (1 - sparsity) * prunableSize(config);
  return Array.from({ length: L * H - L + 1 }, (_, more) => {
    const heads = L + more;
    return { heads, intermediate: Math.min(L * F, Math.floor((room - heads * 4 * K * D) / (2 * D))) };
  }).filter(({ intermediate }) => intermediate >= L);
}

function keptParts(parts: readonly Part[], layers: number): number[][] {
  const kept: number[][] = Array.from({ length: layers }, () => []);
  for (const { at, index } of parts) kept[at]?.push(index);
  return kept.map((indices) => indices.sort((a, b) => a - b));
}

/**
 * The heads and units whose loss is least, of all choices that remove at least that share of the weights (algorithm 1 of the paper): with the
 * number of heads given, the most important ones are kept, and as many units as there is room for. Departs from the paper: a sub-layer keeps at
 * least one part, so that none goes with its norm and bias. Throws ConfigError for a sparsity that this cannot reach.
 */
export function searchGates(config: EncoderConfig, fisher: Fisher, sparsity: number): HardGates {
  const parts = eachFamily((family) => ranked(fisher, family));
  const losses = eachFamily((family) => lossesOf(parts[family]));
  const lossOf = (counts: Readonly<Record<PartFamily, number>>): number =>
    (losses.heads[counts.heads] as number) + (losses.intermediate[counts.intermediate] as number);
  const counts = affordableCounts(config, sparsity);
  const [first] = counts;
  if (first === undefined) throw unreachable(config, sparsity);
  const best = counts.reduce((least, each) => (lossOf(each) <= lossOf(least) ? each : least), first); // of equals more heads
  const kept = eachFamily((family) => keptParts(parts[family].slice(0, best[family]), config.layers.length));
  return {
    hidden: Array.from({ length: config.hiddenSize }, (_, at) => at),
    layers: config.layers.map((_, at) => ({
      heads: kept.heads[at] as number[],
      intermediate: kept.intermediate[at] as number[],
    })),
  };
}

function unreachable(config: EncoderConfig, sparsity: number): ConfigError {
  const hidden = Array.from({ length: config.hiddenSize }, (_, at) => at);
  const least = { hidden, layers: config.layers.map(() => ({ heads: [0], intermediate: [0] })) };
  const most = Math.floor(1000 * realisedSparsity(config, least)) / 1000;
  return new ConfigError('sparsity', {
    expected: `at most ${most} without training, which keeps a head and a unit of every layer`,
    got: String(sparsity),
    hint: 'Prune with training to remove layers and hidden dimensions, too.',
  });
}

/** Smaller gains, as shares of the loss, are rounding. */
const LEAST_GAIN = 1e-6;

/** An exchange: what is cut, what comes back, and the change of the loss. */
interface Exchange {
  readonly cut: number;
  readonly back: number;
  readonly change: number;
}

/**
 * With c = Σⱼ Iᵢⱼ over the cut parts j, cutting a and taking b back changes Σ Iᵢⱼ over all pairs of cut parts by 2 cₐ + Iₐₐ - 2 c_b + I_bb - 2 Iₐ_b.
 */
function bestExchange(kept: ReadonlySet<number>, shared: Float64Array, block: FloatTensor): Exchange | undefined {
  let best: Exchange | undefined;
  for (let cut = 0; cut < shared.length; cut++) {
    if (!kept.has(cut)) continue;
    const added = 2 * (shared[cut] as number) + element(block, cut, cut);
    for (let back = 0; back < shared.length; back++) {
      if (kept.has(back)) continue;
      const removed = 2 * (shared[back] as number) - element(block, back, back) + 2 * element(block, cut, back);
      if (best === undefined || added - removed < best.change) best = { cut, back, change: added - removed };
    }
  }
  return best;
}

/** Exchanges parts of one sub-layer, the most gainful pair first, until none lowers the loss. The number that is kept stays. */
function rearranged(indices: readonly number[], block: FloatTensor): number[] {
  const kept = new Set(indices);
  const size = block.shape[0] ?? 0;
  const cuts = Array.from({ length: size }, (_, at) => at).filter((at) => !kept.has(at));
  const shared = Float64Array.from({ length: size }, (_, at) =>
    cuts.reduce((sum, cut) => sum + element(block, at, cut), 0),
  );
  let loss = cuts.reduce((sum, cut) => sum + (shared[cut] as number), 0);
  // No choice loses less than nothing: from 0 on, and by rounding below, what looks like a gain is none, and exchanges would go on for ever.
  while (loss > 0) {
    const exchange = bestExchange(kept, shared, block);
    if (exchange === undefined || !(exchange.change < -LEAST_GAIN * loss)) break;
    const { cut, back, change } = exchange;
    kept.delete(cut);
    kept.add(back);
    for (let at = 0; at < size; at++) {
      shared[at] = (shared[at] as number) + element(block, at, cut) - element(block, at, back);
    }
    loss += change;
  }
  assert(kept.size === indices.length, 'as many parts as before');
  return [...kept].sort((a, b) => a - b);
}

/**
 * Exchanges within each sub-layer what the diagonal alone has chosen, now that what parts have in common counts, too: two parts that do the same
 * are each worth little, and both together much (section 4.2 of the paper, mask rearrangement).
 */
export function rearrangeGates({ hidden, layers }: HardGates, fisher: Fisher): HardGates {
  return {
    hidden,
    layers: layers.map(({ heads, intermediate }, at) => {
      const blocks = fisher[at];
      assert(blocks !== undefined, `Fisher information of layer ${at}`);
      return {
        heads: rearranged(heads, blocks.heads),
        intermediate: rearranged(intermediate, blocks.intermediate),
      };
    }),
  };
}
