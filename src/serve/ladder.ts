/**
 * The ladder: which of several levels, from the most accurate to the fastest, the next batch runs at. A pure policy: what the server sees goes
 * in, a level comes out. It climbs at once where a level cannot hold the wait, and comes down one level at a time after a while in which the
 * level below would have held it with room to spare. A descent that had to be taken back doubles that while, so that a load at the border
 * of two levels, or a rate that was measured wrong, does not make it flap.
 *
 * With λ the arrival rate, μ the rate of a level, and w how long what waits and may go down to it would take it, a level holds a target wait W while λ ≤ u · μ and w ≤ W: it keeps
 * up with what comes, and what waits is gone within the target.
 */
import { assert } from '../base/index.ts';
import type { LevelFor, Observation } from './load.ts';

export interface LadderSettings {
  /** W: how long a row may wait. */
  readonly targetLatencyMs: number;
  /** u: the share of its rate up to which a level is loaded. Above it waits grow without a bound on how long they last. */
  readonly utilisation: number;
  /** The share of u and of W up to which the level below must be loaded before the ladder comes down to it. */
  readonly descentShare: number;
  /** How long it must have been so, at first and at most. */
  readonly holdMs: number;
  readonly longestHoldMs: number;
}

export const ladderDefaults: Omit<LadderSettings, 'targetLatencyMs'> = {
  utilisation: 0.85,
  descentShare: 0.75,
  holdMs: 2000,
  longestHoldMs: 60_000,
};

/** Where the ladder stands. */
export interface LadderState {
  /** 0 is the most accurate. */
  readonly level: number;
  /** Since when the level below would have held the wait with room to spare. */
  readonly easySinceMs?: number | undefined;
  /** When it was last asked. */
  readonly askedMs?: number;
  /** How long that must last before the next descent. */
  readonly holdMs: number;
  /** When it last came down. */
  readonly descentMs?: number | undefined;
}

export function ladderStart({ holdMs }: LadderSettings): LadderState {
  return { level: 0, holdMs };
}

/** Whether there is such a level and it holds the wait, with its load and its wait at most `share` of what may be. */
function holds(level: number, seen: Observation, settings: LadderSettings, share: number): boolean {
  const { arrivalsPerSecond, ratesPerSecond, waitsMs } = seen;
  const { utilisation, targetLatencyMs } = settings;
  const [rate, waitMs] = [ratesPerSecond[level], waitsMs[level]];
  if (rate === undefined || waitMs === undefined) return false;
  return arrivalsPerSecond <= share * utilisation * rate && waitMs <= share * targetLatencyMs;
}

/** The most accurate level from `from` on that holds the wait; the fastest where none does. */
function levelThatHolds(from: number, seen: Observation, settings: LadderSettings): number {
  const { ratesPerSecond: rates } = seen;
  const found = rates.findIndex((_, at) => at >= from && holds(at, seen, settings, 1));
  return found < 0 ? rates.indexOf(Math.max(...rates)) : found;
}

/** Where the ladder stands after an observation. */
export function nextLadderState(state: LadderState, seen: Observation, settings: LadderSettings): LadderState {
  const { level } = state;
  assert(level < seen.ratesPerSecond.length, 'a rate for every level');
  const isLate = seen.oldestWaitMs > settings.targetLatencyMs;
  const needed = levelThatHolds(isLate ? level + 1 : level, seen, settings);
  const next =
    needed > level ? climbed(state, needed, seen, settings) : descended(rested(state, seen, settings), seen, settings);
  return { ...next, askedMs: seen.nowMs };
}

/** At a higher level; a descent that is taken back before it has lasted was a mistake, and the next one takes longer to decide. */
function climbed(state: LadderState, level: number, { nowMs }: Observation, settings: LadderSettings): LadderState {
  const { holdMs, descentMs } = state;
  const isTakenBack = descentMs !== undefined && nowMs - descentMs < settings.longestHoldMs;
  return { level, holdMs: isTakenBack ? Math.min(2 * holdMs, settings.longestHoldMs) : settings.holdMs };
}

/** After a descent that has lasted, the next one is decided as fast as the first. */
function rested(state: LadderState, { nowMs }: Observation, settings: LadderSettings): LadderState {
  const { descentMs } = state;
  if (descentMs === undefined || nowMs - descentMs < settings.longestHoldMs) return state;
  return { ...state, descentMs: undefined, holdMs: settings.holdMs };
}

/** One level further down, where that has been easy for long enough. */
function descended(state: LadderState, seen: Observation, settings: LadderSettings): LadderState {
  const { descentShare, targetLatencyMs } = settings;
  const isEasy = holds(state.level - 1, seen, settings, descentShare);
  if (!isEasy || seen.oldestWaitMs > descentShare * targetLatencyMs) return { ...state, easySinceMs: undefined };
  const easySinceMs = state.easySinceMs ?? easyFrom(state, seen);
  if (seen.nowMs - easySinceMs < state.holdMs) return { ...state, easySinceMs };
  return { level: state.level - 1, holdMs: state.holdMs, descentMs: seen.nowMs };
}

/** From now; or since it was last asked, if that is long ago, as it is asked whenever anything waits. */
function easyFrom({ askedMs, holdMs }: LadderState, { nowMs }: Observation): number {
  return askedMs !== undefined && nowMs - askedMs >= holdMs ? askedMs : nowMs;
}

/** A ladder that remembers where it stands. */
export function openLadder(settings: LadderSettings): LevelFor {
  let state = ladderStart(settings);
  return (seen) => {
    state = nextLadderState(state, seen, settings);
    return state.level;
  };
}
