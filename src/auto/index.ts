/** Choosing: which (N, sparsity, precision) is the fastest within an allowed drop in accuracy. Works on functions handed to it. */
export * from './confidence.ts';
export * from './exploration.ts';
export * from './explore.ts';
export * from './frontier.ts';
export { DENSE, isSamePoint, nameOf, startOf } from './lattice.ts';
export { candidateName, usualMargin } from './outlook.ts';
export * from './record.ts';
export * from './replay.ts';
export * from './row-division.ts';
export type { ShapeRatio } from './throughput-model.ts';
