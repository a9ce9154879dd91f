/** Figures and pages from results: pure functions to SVG and HTML text. */
export { frontierFigure } from './frontier-figure.ts';
export { accuracyByInstances, type InstancesLine } from './instances-figure.ts';
export { reportPage } from './page.ts';
export { PAGE_STYLE } from './page-style.ts';
export * from './speedup-figure.ts';
