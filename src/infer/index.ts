/** Texts in, logits out: exporting a classifier, opening it, running many rows through it in batches of similar length. */
export * from './answers.ts';
export * from './batches.ts';
export * from './entities.ts';
export * from './export.ts';
export * from './filled-pass.ts';
export * from './margin.ts';
export * from './predictor.ts';
export * from './regrouping.ts';
export * from './spans.ts';
export { openStreams, streamChoices } from './streams.ts';
export * from './text-classifier.ts';
export * from './throughput.ts';
