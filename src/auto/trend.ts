/** What a point may be expected to lose before anything was trained: so much per doubling of the instances, and of the weights that are left. */
import type { GridPoint } from './exploration.ts';

/** Coordinates in which losses are nearly straight: doublings of the instances, halvings of the weights. */
export function coordinatesOf({ instances, sparsity }: GridPoint): readonly [number, number] {
  return [Math.log2(instances), -Math.log2(1 - sparsity)];
}

/** Points per doubling, per halving, and for both at once. */
export const TREND = [0.8, 0.5, 0.2] as const;

/** The features that those weigh: u, v, u v. */
export function featuresOf(point: GridPoint): readonly [number, number, number] {
  const [u, v] = coordinatesOf(point);
  return [u, v, u * v];
}

/** In points of accuracy. */
export function trendOf(point: GridPoint): number {
  return featuresOf(point).reduce((sum, feature, at) => sum + feature * (TREND[at] ?? 0), 0);
}
