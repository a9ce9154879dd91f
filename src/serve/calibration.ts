/** The calibration of a cascade, as `prumux calibrate` leaves it in the `run.json` of the fast model's folder. */
import { z } from 'zod';
import { PRECISIONS } from '../base/index.ts';

export const cascadeSchema = z.object({
  /** Answers with a margin below it are recomputed. */
  threshold: z.number().min(0),
  /** The share of the rows that it was calibrated on. */
  share: z.number().min(0).max(1),
  /** With it, of rows that did not choose it; and of the fast model alone. */
  accuracy: z.number().min(0).max(1),
  fastAccuracy: z.number().min(0).max(1),
  /** The model that recomputed, as it was named. */
  accurate: z.string(),
  /** What the fast model ran in: margins of the other precision are others. That which the folder is meant to run in, where it is not said. */
  precision: z.enum(PRECISIONS).optional(),
});

export type Cascade = Readonly<z.infer<typeof cascadeSchema>>;

/** The calibration in a folder's `run.json`, if it has one; one that cannot be understood is none. */
export function cascadeIn(run: unknown): Cascade | undefined {
  return z.object({ cascade: cascadeSchema }).safeParse(run).data?.cascade;
}
