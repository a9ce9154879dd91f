/**
 * `auto`, first version: trains every point of a small grid, measures all side by side, and takes the fastest that loses no more than the
 * budget. Training and measuring are functions that it is handed, so it knows nothing of either.
 */
import { assert } from '../base/index.ts';
import type { Exploration, GridPoint, Measured, Trial } from './exploration.ts';
import { choose, frontierOf } from './frontier.ts';

export interface Search {
  readonly grid: readonly GridPoint[];
  /** What may be lost, in points. */
  readonly maxDrop: number;
  readonly dense: Trial;
  readonly train: (point: GridPoint, at: number, count: number) => Promise<Trial>;
  /** Examples per second of models in their order, measured in one run. */
  readonly measure: (models: readonly Trial[]) => Promise<readonly number[]>;
  readonly onTrial?: (trial: Trial) => void;
}

/** How many times faster a point promises to be, if a forward pass cost what its weights are. */
export function promiseOf({ instances, sparsity }: GridPoint): number {
  return instances / (1 - sparsity);
}

/** The points of a grid but for the dense model itself, each once, the gentlest first: what is cut short has lost the boldest. */
export function orderGrid(grid: readonly GridPoint[]): GridPoint[] {
  const distinct = new Map(grid.map((point) => [`${point.instances} ${point.sparsity}`, point]));
  return [...distinct.values()]
    .filter(({ instances, sparsity }) => instances > 1 || sparsity > 0)
    .sort((a, b) => promiseOf(a) - promiseOf(b));
}

/** Instances and sparsities in every combination. */
export function gridOf(instances: readonly number[], sparsities: readonly number[]): GridPoint[] {
  return orderGrid(instances.flatMap((N) => sparsities.map((sparsity) => ({ instances: N, sparsity }))));
}

export async function explore(search: Search): Promise<Exploration> {
  const { maxDrop, dense, train, measure, onTrial } = search;
  const points = orderGrid(search.grid);
  const trained: Trial[] = [];
  for (const [at, point] of points.entries()) {
    const trial = await train(point, at, points.length);
    trained.push(trial);
    onTrial?.(trial);
  }
  const models = [dense, ...trained];
  const rates = await measure(models);
  assert(rates.length === models.length, 'a throughput for every model');
  const baseline = rates[0] as number;
  const [measuredDense, ...trials] = models.map((model, at): Measured => {
    const examplesPerSecond = rates[at] as number;
    return { ...model, examplesPerSecond, ratio: examplesPerSecond / baseline };
  }) as [Measured, ...Measured[]];
  const frontier = frontierOf([measuredDense, ...trials]);
  return { maxDrop, dense: measuredDense, trials, frontier, ...choose(trials, measuredDense, maxDrop) };
}
