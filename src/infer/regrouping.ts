/**
 * Regrouping: the rows of a batch in other groups and other slots. The rows of a slot are a column over the groups; every column moves along
 * the groups by a shift of its own, and all of them move on by as many slots. Shifts that differ part all neighbours.
 */
import type { BatchPlan } from './batches.ts';

export interface Regrouping {
  /** B */
  readonly groups: number;
  /** N */
  readonly instances: number;
  /** Slots that every row moves on, 0 to N - 1. */
  readonly rotation: number;
  /** Groups that the rows of each slot move on, 0 to B - 1: [N] */
  readonly shifts: readonly number[];
}

/** Which row comes to each place, a permutation: [N*B]. */
export function regroup({ groups, instances, rotation, shifts }: Regrouping): number[] {
  return Array.from({ length: groups * instances }, (_, place) => {
    const slot = ((place % instances) - rotation + instances) % instances;
    const group = (Math.floor(place / instances) - (shifts[slot] as number) + groups) % groups;
    return group * instances + slot;
  });
}

/**
 * A batch once for every slot: what stands in slot r goes through slot (r + s) mod N in copy s. Columns move by r·s groups, so that a row has
 * other neighbours in every copy where there are more than (N - 1)² groups.
 * Paper: MUX-PLMs (Murahari et al. 2023), ensembling. Departs from its code, which permutes copies at random: here no slot comes twice.
 */
export function slotCopies(plan: BatchPlan, instances: number): BatchPlan[] {
  const groups = plan.examples.length / instances;
  return Array.from({ length: instances }, (_, rotation) => {
    const shifts = Array.from({ length: instances }, (__, slot) => (slot * rotation) % groups);
    const order = regroup({ groups, instances, rotation, shifts });
    return {
      examples: order.map((row) => plan.examples[row] as number),
      weights: order.map((row) => plan.weights[row] as 0 | 1),
      tokens: plan.tokens,
    };
  });
}
