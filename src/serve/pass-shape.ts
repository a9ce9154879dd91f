/**
 * How many rows share a pass. A full pass is as many as are worth one, but no more than take a quarter of a second: a slow model must not keep who
 * waits for long. Small ones, while little waits, keep nobody waiting for long: a row that just misses a pass waits for all of it.
 */
import type { OpenedLevel } from './engine-protocol.ts';
import { SHORTEST_CLASS } from './length-class.ts';

/** What a pass takes: B groups of N rows. */
export interface PassShape {
  readonly groups: number;
  readonly instances: number;
}

/** Of slow models rows cost the same in small passes, and whoever is in a pass waits for all of it. */
const LONGEST_FULL_MS = 250;
export const LONGEST_SMALL_MS = 20;

/**
 * What is to be done is much from so many small passes for each worker on, until it is fewer than so many. Between the two it stays what it was. In
 * milliseconds alone a few texts would be much to a slow model, and leave as one pass while another worker is idle.
 */
const MUCH = 5;
const LITTLE = 2.5;

/** At this length. It follows from what was measured when the model was opened, not from the load: who shares full passes is a matter of what was asked. */
export const fullPass = (level: OpenedLevel, lengthClass: number): PassShape =>
  passOf(level, lengthClass, LONGEST_FULL_MS);

/** At this length, while little waits. */
export const smallPass = (level: OpenedLevel, lengthClass: number): PassShape =>
  passOf(level, lengthClass, LONGEST_SMALL_MS);

/** As many rows as are done in so long, at most those of a full pass of short texts, and at least a group. */
function passOf(level: OpenedLevel, lengthClass: number, longestMs: number): PassShape {
  const { description, rows } = level;
  const { instances } = description;
  const inTime = longestMs / workMs(level, lengthClass);
  return { instances, groups: Math.max(1, Math.round(Math.min(rows, inTime) / instances)) };
}

/** How long so many tokens take a worker, as those of short texts did when it opened: tokens · passMs / (rows · shortest). */
export const workMs = ({ rows, passMs }: OpenedLevel, tokens: number): number =>
  (tokens * passMs) / (rows * SHORTEST_CLASS);

/**
 * What a pass takes by itself, whatever is in it; and then for each token. The straight line through a full pass of short texts and one of a group.
 */
export function passCost(level: OpenedLevel): { readonly fixedMs: number; readonly tokenMs: number } {
  const { description, rows, passMs, groupMs } = level;
  const { instances } = description;
  const slope = rows > instances ? (passMs - groupMs) / (rows - instances) : passMs / rows;
  const slotMs = Math.min(passMs / rows, Math.max(0, slope));
  return { fixedMs: passMs - rows * slotMs, tokenMs: slotMs / SHORTEST_CLASS };
}

/** Whether so many milliseconds of work are much for a worker, where before it was or was not. */
export function isMuch(ms: number, was: boolean, level: OpenedLevel): boolean {
  const groupMs = workMs(level, level.description.instances * SHORTEST_CLASS);
  return ms >= (was ? LITTLE : MUCH) * Math.max(LONGEST_SMALL_MS, groupMs);
}
