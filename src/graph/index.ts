/** The tensor graph: primitives, their gradients, differentiation, sites, verification and printing. Pure: no buffers, no ONNX. */
export * from './build.ts';
export * from './compose.ts';
export * from './differentiate.ts';
export * from './dims.ts';
export { GRADIENTS } from './gradient.ts';
export * from './node.ts';
export { OPS, solid } from './op-table.ts';
export * from './overwrite.ts';
export * from './print.ts';
export * from './sites.ts';
export * from './verify.ts';
