/** Threads with a module of this project. */
import { Worker } from 'node:worker_threads';

/**
 * Starts the module of a name beside the one that asks, whose `import.meta.url` is given. A thread does not inherit the loader of TypeScript
 * sources, which tests and benchmarks are run from.
 */
export function startThread(asker: string, name: string): Worker {
  if (!asker.endsWith('.ts')) return new Worker(new URL(`./${name}.js`, asker));
  const entry = new URL(`./${name}.ts`, asker);
  const boot = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import('${entry}'); })`;
  return new Worker(boot, { eval: true });
}
