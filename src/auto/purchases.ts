/** What other allowed drops would buy, from the same trials. */
import type { Measured, Prediction, Purchase } from './exploration.ts';
import { choose } from './frontier.ts';
import { type Forecast, type Knowledge, outlookOf } from './outlook.ts';

/** In points. */
const ALLOWED_DROPS = [0.5, 1, 2, 3, 5] as const;

/** Of a candidate that was not trained, so that it is worth telling. */
const LIKELY = 0.5;

/** The fastest that is likelier than not to be found within the allowed drop, and faster than what was trained. */
function likelyBetter(outlook: readonly Prediction[], least: number): Prediction | undefined {
  return outlook
    .filter(({ probability, ratio }) => probability >= LIKELY && ratio > least)
    .toSorted((a, b) => b.ratio - a.ratio)[0];
}

export function purchases(
  trials: readonly Measured[],
  dense: Measured,
  knowledge: Knowledge,
  forecast: Forecast,
): Purchase[] {
  return ALLOWED_DROPS.map((maxDrop) => {
    const { chosen } = choose(trials, dense, maxDrop);
    const better = likelyBetter(outlookOf({ ...knowledge, maxDrop }, forecast), chosen.ratio);
    const expected = better && { name: better.name, ratio: better.ratio, probability: better.probability };
    return { maxDrop, model: chosen.name, ratio: chosen.ratio, ...(expected && { expected }) };
  });
}
