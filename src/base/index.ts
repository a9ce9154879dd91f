/** Signals, errors, JSON, medians, precision, progress, seeded random numbers, host tensors, parameter trees, threads: what every room may use. */
export * from './aborted.ts';
export * from './errors.ts';
export * from './json-text.ts';
export * from './median.ts';
export * from './precision.ts';
export * from './progress.ts';
export * from './random.ts';
export * from './tree.ts';
export * from './version.ts';
export * from './worker-start.ts';
