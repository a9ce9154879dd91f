/** A search played again on a grid that was trained in full: what would it have trained, and how good would its choice have been? */
import { ConfigError } from '../base/index.ts';
import type { Exploration, GridPoint, Measured } from './exploration.ts';
import { explore, type Instruments, type Question } from './explore.ts';
import { isSamePoint, nameOf } from './lattice.ts';

/** Throws ConfigError for a point that the exploration did not train. */
function modelsAt(point: GridPoint, models: readonly Measured[]): readonly [Measured, ...Measured[]] {
  const [first, ...others] = models.filter((model) => isSamePoint(model.point, point));
  if (first !== undefined) return [first, ...others];
  const hint = 'Replay needs a run with --exhaustive.';
  throw new ConfigError(nameOf(point), { expected: 'a point that was trained', got: 'none', hint });
}

/** The part of a finished exploration at some sparsities. */
export function partAt(sparsities: readonly number[], exploration: Exploration): Exploration {
  const isPart = ({ point }: { readonly point: GridPoint }): boolean => sparsities.includes(point.sparsity);
  const { trials, guesses } = exploration;
  return { ...exploration, trials: trials.filter(isPart), guesses: guesses.filter(isPart) };
}

/** Instruments that read a finished exploration. */
export function replayed({ dense, trials, guesses }: Exploration, rows: number): Instruments {
  const models = [dense, ...trials];
  let seconds = 0;
  return {
    ...{ dense, rows },
    guess: async () => guesses.filter(({ by }) => by === 'no training'),
    tryShortly: async (point) => guesses.find((guess) => guess.by === 'short run' && isSamePoint(guess.point, point)),
    async train(point) {
      const [trial] = modelsAt(point, models);
      seconds += trial.seconds;
      return trial;
    },
    assess: async ({ point }) => modelsAt(point, models),
    measureShapes: async () =>
      models.map(({ point, precision, ratio, predictedRatio }) => ({
        ...{ point, precision },
        ratio: predictedRatio ?? ratio,
      })),
    measure: async (candidates) =>
      candidates.map(({ name }) => models.find((model) => model.name === name)?.examplesPerSecond ?? Number.NaN),
    endsSearch: () => true,
    workers: async () => 1,
    secondsSpent: () => seconds,
  };
}

/** A replay beside the exploration that trained everything. */
export interface Replay {
  /** The throughput of the choice, as a share of that of the best that fits. */
  readonly share: number;
  /** The points that were trained, as a share of all. */
  readonly trained: number;
  readonly chosen: string;
  readonly best: string;
  readonly errors: Exploration['errors'];
}

export async function replay(question: Question, known: Exploration, rows: number): Promise<Replay> {
  const all = await explore({ ...question, isExhaustive: true }, replayed(known, rows));
  const { chosen, decisions, errors } = await explore({ ...question, isExhaustive: false }, replayed(known, rows));
  return {
    share: chosen.ratio / all.chosen.ratio,
    trained: decisions.length / all.decisions.length,
    ...{ chosen: chosen.name, best: all.chosen.name, errors },
  };
}
