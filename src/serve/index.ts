/** Serving: the queue that gathers requests into groups, the engine that runs them in threads of its own, and HTTP in front of it. */
export * from './cascade.ts';
export * from './ladder.ts';
export { servingPage } from './page.ts';
export { ISOLATIONS, type Isolation } from './queue.ts';
