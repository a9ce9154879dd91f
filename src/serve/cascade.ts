/**
 * The cascade: answers that a fast level is unsure of are computed again by the most accurate one, where there is room. Which margin is unsure was
 * found by `prumux calibrate`, which leaves it in the folder's `run.json`; what room is follows from the load.
 */
import type { Observation } from './load.ts';

/** What may be spent on recomputing. */
export interface CascadeRoom {
  readonly targetLatencyMs: number;
  /** The share of the time up to which the engine may be busy. */
  readonly utilisation: number;
}

/**
 * How many rows of a pass the most accurate level may recompute now. None while the answers alone keep the engine busy, λ / μ > u; otherwise as many as one of
 * m workers does, after what waits and takes w, within the target W: μ₀ · (W − w) less those that wait for it already, over m. The others may have unsure answers, too.
 */
export function roomToRecompute(
  {
    arrivalsPerSecond,
    backlogMs,
    ratesPerSecond: rates,
  }: Pick<Observation, 'arrivalsPerSecond' | 'backlogMs' | 'ratesPerSecond'>,
  level: number,
  pending: number,
  { targetLatencyMs, utilisation, workers }: CascadeRoom & { readonly workers: number },
): number {
  const [accurateRate = 0] = rates;
  const rate = rates[level] ?? 0;
  if (level === 0 || !(arrivalsPerSecond <= utilisation * rate)) return 0;
  const seconds = (targetLatencyMs - backlogMs) / 1000;
  return Math.max(0, Math.floor((accurateRate * seconds - pending) / workers));
}

/** Which answers of a batch are recomputed: the unsure ones, by their place, the least sure first, as far as there is room. */
export function rowsToRecompute(margins: readonly number[], threshold: number, room: number): readonly number[] {
  return [...margins.keys()]
    .filter((row) => (margins[row] as number) < threshold)
    .sort((a, b) => (margins[a] as number) - (margins[b] as number))
    .slice(0, room);
}
