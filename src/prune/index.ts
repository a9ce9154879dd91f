/** Structured pruning: gates, expected sparsity, the Lagrangian, distillation, and slicing. Attaches to an encoder from outside. */
export { gateSites, layersAlive } from './attach.ts';
export * from './budget.ts';
export * from './distillation.ts';
export * from './fisher.ts';
export * from './gate-search.ts';
export * from './gates.ts';
export * from './hard-gates.ts';
export * from './lagrangian.ts';
export * from './matching.ts';
export * from './parts.ts';
export * from './proportional-shape.ts';
export * from './rescale.ts';
export * from './slice.ts';
export * from './sparsity.ts';
export * from './time-budget.ts';
export { type UniformShape, uniformShape } from './uniform-shape.ts';
