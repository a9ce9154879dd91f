/** Precision: the numbers that a model multiplies, floats of 32 bits or integers of 8; by its name, as options and records have it. */

export const PRECISIONS = ['fp32', 'int8'] as const;
export type Precision = (typeof PRECISIONS)[number];
