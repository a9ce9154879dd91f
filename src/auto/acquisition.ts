/**
 * Which point to train next: the one that can still win most, by expected improvement within the budget. Improvement counts as a share of what
 * there is (in logarithms), so that a small chance of something enormous does not outweigh a fair one of twice the throughput.
 * Paper: Bayesian optimization with inequality constraints (Gardner et al. 2014), section 3 - https://proceedings.mlr.press/v32/gardner14.html
 */
import type { Candidate, Decision, GridPoint, Prediction } from './exploration.ts';
import { fits } from './frontier.ts';
import { isSamePoint, startOf } from './lattice.ts';
import { candidateName, isTrained, type Knowledge, outlookOf } from './outlook.ts';

/** E[log(ratio / best)⁺] over the candidates of one point; what fits at the faster precision fits at the slower one. */
export function expectedGain(predictions: readonly Prediction[], best: number): number {
  let [gain, counted] = [0, 0];
  for (const { ratio, probability } of predictions.toSorted((a, b) => b.ratio - a.ratio)) {
    if (ratio <= best || probability <= counted) continue;
    gain += (probability - counted) * Math.log(ratio / best);
    counted = probability;
  }
  return gain;
}

/** The ratio of the best that is known to fit; the dense model's, where nothing else does. */
function bestRatio({ candidates, ratios, maxDrop }: Knowledge): number {
  const fitting = candidates.filter((candidate) => fits(candidate, maxDrop));
  return Math.max(1, ...fitting.map(({ point, precision }) => ratios.get(candidateName(point, precision)) ?? 0));
}

/** Every point of an outlook with its gain, the largest first. */
function rankedPoints(outlook: readonly Prediction[], knowledge: Knowledge): Decision[] {
  const best = bestRatio(knowledge);
  return knowledge.lattice.points
    .filter((point) => !isTrained(point, knowledge))
    .map((point) => ({
      point,
      gain: expectedGain(
        outlook.filter((prediction) => isSamePoint(prediction.point, point)),
        best,
      ),
    }))
    .toSorted((a, b) => b.gain - a.gain);
}

/** Training starts are never wasted: pruning to any sparsity begins from the multiplexed model, so that is looked at first. */
function firstStep({ point, gain }: Decision, knowledge: Knowledge): Decision {
  const start = startOf(point);
  return isTrained(start, knowledge) ? { point, gain } : { point: start, gain };
}

/** A point under way, as if it came out as predicted (the kriging believer of Ginsbourger et al. 2010). */
function believed(point: GridPoint, outlook: readonly Prediction[]): Candidate[] {
  return outlook
    .filter((prediction) => isSamePoint(prediction.point, point))
    .map(({ name, precision, drop }) => ({
      ...{ name, point, precision, folder: '', parameters: 0, sparsity: point.sparsity, seconds: 0 },
      ...{ accuracy: 0, accuracyStd: 0 },
      drop: { points: drop.points, standardError: 0, upper: drop.points },
    }));
}

/** A smaller share of the throughput is nothing to gain. */
const LEAST_GAIN = 0.01;

/** Up to so many points to train at once, none of which starts from another of them; none where there is nothing to gain. */
export function nextPoints(knowledge: Knowledge, count: number): Decision[] {
  const chosen: Decision[] = [];
  let imagined = knowledge;
  while (chosen.length < count) {
    const outlook = outlookOf(imagined);
    const next = rankedPoints(outlook, imagined)
      .filter(({ gain }) => gain >= LEAST_GAIN)
      .map((decision) => firstStep(decision, imagined))
      .find(({ point }) => !chosen.some((other) => isSamePoint(startOf(point), other.point)));
    if (next === undefined) break;
    chosen.push(next);
    imagined = { ...imagined, candidates: [...imagined.candidates, ...believed(next.point, outlook)] };
  }
  return chosen;
}
