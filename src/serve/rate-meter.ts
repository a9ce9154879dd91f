/**
 * How many events come per second, forgetting the old ones exponentially. With n events after Δ seconds the weight of the past is
 * S ← S · exp(−Δ / τ) + n, and the rate S / (τ · (1 − exp(−t / τ))), t being the seconds since the start: without the divisor a meter
 * that has just begun would show too little.
 */

export interface RateMeter {
  /** Counts events at a time, in milliseconds of a clock that only goes forward. */
  add(events: number, timeMs: number): void;
  /** Events per second, as of a time. */
  rate(timeMs: number): number;
}

/** Shorter than this a meter has seen too little to divide by. */
const SHORTEST_SECONDS = 0.05;

/** A meter that forgets half of what it has seen in `halfLifeMs`. */
export function rateMeter(startMs: number, halfLifeMs = 500): RateMeter {
  const tau = halfLifeMs / 1000 / Math.LN2;
  let weight = 0;
  let lastMs = startMs;
  const weightAt = (timeMs: number): number => weight * Math.exp(-(timeMs - lastMs) / 1000 / tau);
  return {
    add(events, timeMs) {
      weight = weightAt(timeMs) + events;
      lastMs = timeMs;
    },
    rate(timeMs) {
      const seconds = Math.max(SHORTEST_SECONDS, (timeMs - startMs) / 1000);
      return weightAt(timeMs) / (tau * -Math.expm1(-seconds / tau));
    },
  };
}
