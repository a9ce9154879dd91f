/**
 * Starts a file of this project as a thread or a process of its own. The file is named by its source; of a build it is the `.js` beside it. Sources,
 * which tests and benchmarks run, need a loader that neither inherits.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const isBuild = !import.meta.url.endsWith('.ts');

const entryOf = ({ href }: URL): URL => new URL(isBuild ? href.replace(/\.ts$/, '.js') : href);

/** A thread that runs `source`. */
export function startThread(source: URL): Worker {
  const entry = entryOf(source);
  if (isBuild) return new Worker(entry);
  const boot = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import('${entry}'); })`;
  return new Worker(boot, { eval: true });
}

/** A process that runs `source`, with a channel of structured clones to it. */
export function startProcess(source: URL): ChildProcess {
  return fork(fileURLToPath(entryOf(source)), [], {
    serialization: 'advanced',
    execArgv: isBuild ? [] : ['--import', 'tsx'],
  });
}
