/** Numbers as a reader wants them, and what models are called. */
import type { GridPoint, Measured } from '../auto/index.ts';

export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;
export const count = (value: number): string => Math.round(value).toLocaleString('en');
export const times = (ratio: number): string => `${ratio.toFixed(ratio < 9.95 ? 1 : 0)}×`;
/** Points of accuracy; a loss has a minus. */
export const points = (value: number): string => value.toFixed(1);

/** 0.4 s, 41 s, 12 min, 2 h 5 min. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return hours === 0 ? `${minutes} min` : `${hours} h${rest === 0 ? '' : ` ${rest} min`}`;
}

/** A sparsity in percent, with the digits that it was given with. */
export const percentPruned = (sparsity: number): number => Number((100 * sparsity).toFixed(2));

/** How a model is called in figures and tables. */
export function titleOf({ point, precision }: Pick<Measured, 'point' | 'precision'>): string {
  const { instances, sparsity } = point;
  const shape = isDense(point)
    ? 'dense'
    : `N=${instances}${sparsity === 0 ? '' : `, ${percentPruned(sparsity)} % pruned`}`;
  return precision === 'fp32' ? shape : `${shape}, ${precision}`;
}

export function isDense({ instances, sparsity }: GridPoint): boolean {
  return instances === 1 && sparsity === 0;
}
