/** The lattice of points that an exploration is about: every number of instances with every sparsity, the dense model in its corner. */
import type { GridPoint } from './exploration.ts';

export interface Lattice {
  /** Ascending, from 1. */
  readonly instances: readonly number[];
  /** Ascending, from 0. */
  readonly sparsities: readonly number[];
  /** Row by row: all sparsities of the first number of instances, then those of the next. */
  readonly points: readonly GridPoint[];
}

const ascending = (values: readonly number[]): number[] => [...new Set(values)].toSorted((a, b) => a - b);

/** The smallest lattice that has the dense model and all of the grid. */
export function latticeAround(grid: readonly GridPoint[]): Lattice {
  const instances = ascending([1, ...grid.map((point) => point.instances)]);
  const sparsities = ascending([0, ...grid.map(({ sparsity }) => sparsity)]);
  const points = instances.flatMap((N) => sparsities.map((sparsity) => ({ instances: N, sparsity })));
  return { instances, sparsities, points };
}

/** The place of a point among a lattice's points. */
export function placeIn({ instances, sparsities }: Lattice, point: GridPoint): number {
  return instances.indexOf(point.instances) * sparsities.length + sparsities.indexOf(point.sparsity);
}

export function isSamePoint(one: GridPoint, other: GridPoint): boolean {
  return one.instances === other.instances && one.sparsity === other.sparsity;
}

export const DENSE: GridPoint = { instances: 1, sparsity: 0 };

/** The multiplexed model that pruning to a point starts from; of one input per pass the dense model. */
export function startOf({ instances }: GridPoint): GridPoint {
  return { instances, sparsity: 0 };
}

export function nameOf({ instances, sparsity }: GridPoint): string {
  return `n${instances}-s${sparsity}`;
}
