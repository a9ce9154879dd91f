/** BERT encoders and classifiers as graph functions; tokenizer; model folders. */
export { recoverFolder, writeFileAtomically } from './atomic-file.ts';
export * from './bert.ts';
export * from './checkpoint.ts';
export * from './classification.ts';
export * from './config.ts';
export * from './folder.ts';
export * from './hub.ts';
export * from './masked-language.ts';
export * from './safetensors.ts';
export * from './tokenizer.ts';
export { learnVocabulary } from './vocabulary.ts';
export * from './vocabulary-pruning.ts';
export * from './words.ts';
