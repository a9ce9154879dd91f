/** Data multiplexing: N inputs in one forward pass. */
export {
  checkMux,
  classifier,
  classifyFeatures,
  featureShapes,
  features,
  frozenNames,
  initialModel,
  instancesOf,
  layerMasks,
  longestRow,
  mixtureBySlot,
  modelShapes,
} from './classifier.ts';
export * from './demultiplexer.ts';
export * from './keys.ts';
export * from './multiplexer.ts';
export * from './projections.ts';
export * from './strategies.ts';
export * from './strategy.ts';
