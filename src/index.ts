/** The rooms of PruMUX as namespaces; each is also a subpath (`prumux/graph`). */
export * as auto from './auto/index.ts';
export * as base from './base/index.ts';
export * as graph from './graph/index.ts';
export * as infer from './infer/index.ts';
export * as model from './model/index.ts';
export * as mux from './mux/index.ts';
export * as prune from './prune/index.ts';
export * as queue from './queue/index.ts';
export * as report from './report/index.ts';
export * as runtime from './runtime/index.ts';
export * as serve from './serve/index.ts';
export * as train from './train/index.ts';
