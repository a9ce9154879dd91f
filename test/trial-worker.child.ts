/** A worker whose checkpoints are frequent, for `trial-queue.test.ts` to kill; says `TRIAL PHASE STEP` on standard output. Arguments: the queue, the folder of artefacts. */
import { serveTrials } from '../src/queue/index.ts';
import { cpu } from '../src/runtime/index.ts';

const [queue = '', artefacts = ''] = process.argv.slice(2);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort(new Error('stopped')));

await serveTrials({
  ...{ url: new URL(queue), artefacts, concurrency: 1, lostAfterSeconds: 3, interrupt: stop.signal },
  ...{ placement: cpu(1), checkpointSeconds: 0.1 },
  onReady: (name) => process.stdout.write(`ready ${name}\n`),
  onTrial: ({ trial, phase, step }) => process.stdout.write(`${trial} ${phase} ${step}\n`),
  onEnd: (trial, outcome) => process.stdout.write(`${outcome} ${trial}\n`),
});
process.exit(0);
