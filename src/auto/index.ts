/** Choosing: which (N, sparsity) is the fastest within an accuracy budget. Works on functions handed to it. */
export * from './exploration.ts';
export * from './explore.ts';
export * from './frontier.ts';
export * from './record.ts';
