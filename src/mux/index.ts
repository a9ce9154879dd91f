/** Data multiplexing: N inputs in one forward pass. */
export { classifier, frozenNames, initialModel, instancesOf, modelShapes } from './classifier.ts';
export * from './demultiplexer.ts';
export * from './multiplexer.ts';
export * from './strategies.ts';
