/** Errors, precision, progress, seeded random numbers, host tensors and parameter trees: what every room may use. */
export * from './errors.ts';
export * from './precision.ts';
export * from './progress.ts';
export * from './random.ts';
export * from './thread.ts';
export * from './tree.ts';
export * from './version.ts';
