/** Serving. */
export * from './cascade.ts';
export * from './ladder.ts';
export * from './rate-meter.ts';
