/** BERT encoders and classifiers as graph functions; tokenizer; model folders. */
export * from './bert.ts';
export * from './checkpoint.ts';
export * from './classification.ts';
export * from './config.ts';
export * from './tokenizer.ts';
