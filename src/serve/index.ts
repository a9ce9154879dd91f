/** Serving: the queue that gathers requests into groups, the engine that runs them in workers of its own, and HTTP in front of it. */
export { type Cascade, cascadeIn } from './calibration.ts';
export { WORKER_KINDS, type WorkerKind } from './engine-link.ts';
export * from './ladder.ts';
export { ISOLATIONS, type Isolation } from './lanes.ts';
export type { LevelFor, Observation } from './load.ts';
export { servingPage } from './page.ts';
export { type RunningServer, type RunOptions, startServer } from './running-server.ts';
export { MAX_CHARACTERS } from './service.ts';
