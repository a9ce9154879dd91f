/**
 * Which point to train next: the one that can still win most, by expected improvement within the allowed drop. Improvement counts as a share of what
 * there is (in logarithms), so that a small chance of something enormous does not outweigh a fair one of twice the throughput.
 * Papers: Bayesian optimization with inequality constraints (Gardner et al. 2014), section 3 - https://proceedings.mlr.press/v32/gardner14.html;
 * Practical Bayesian optimization of machine learning algorithms (Snoek et al. 2012), section 3.2 - https://arxiv.org/abs/1206.2944
 */
import type { Candidate, Decision, GridPoint, Prediction } from './exploration.ts';
import { fits } from './frontier.ts';
import { isSamePoint, startOf } from './lattice.ts';
import { candidateName, isOpen, isTrained, type Knowledge, outlookOf } from './outlook.ts';

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

/**
 * The first training on the way to a point: pruning to any sparsity begins from the multiplexed model. What is won at the end of two trainings
 * counts as half for each, as improvement is of interest per cost (Snoek et al. 2012, section 3.2).
 */
function firstStep(point: GridPoint, gain: number, knowledge: Knowledge): Decision {
  const start = startOf(point);
  return isTrained(start, knowledge) || isSamePoint(start, point) ? { point, gain } : { point: start, gain: gain / 2 };
}

/** What can be trained next for every point of an outlook, the largest gain first. */
function rankedSteps(outlook: readonly Prediction[], knowledge: Knowledge): Decision[] {
  const best = bestRatio(knowledge);
  const gainAt = (point: GridPoint): number =>
    expectedGain(
      outlook.filter((prediction) => isSamePoint(prediction.point, point)),
      best,
    );
  return knowledge.lattice.points
    .filter((point) => isOpen(point, knowledge))
    .map((point) => firstStep(point, gainAt(point), knowledge))
    .toSorted((a, b) => b.gain - a.gain);
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
    const next = rankedSteps(outlook, imagined)
      .filter(({ gain }) => gain >= LEAST_GAIN)
      .find(({ point }) => !chosen.some((other) => isSamePoint(startOf(point), other.point)));
    if (next === undefined) break;
    chosen.push(next);
    imagined = { ...imagined, candidates: [...imagined.candidates, ...believed(next.point, outlook)] };
  }
  return chosen;
}
