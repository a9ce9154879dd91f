/** Serving. */
export * from './cascade.ts';
export * from './ladder.ts';
export { type Page, servingPage } from './page.ts';
export type { PageMetrics } from './page-script.ts';
export * from './rate-meter.ts';
