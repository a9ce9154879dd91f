#!/usr/bin/env node
/** The program: the only file that touches the process. */
import { Interruption } from './interruption.ts';
import { run } from './run.ts';

const controller = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const interruption = new Interruption(signal);
    // The second time there is no waiting for a checkpoint.
    if (controller.signal.aborted) process.exit(interruption.exitCode);
    controller.abort(interruption);
  });
}

// The reader of a pipe may leave early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`prumux: standard output: ${error.message}\n`, () => process.exit(1));
});
// Nobody reads what is said of the work, as where a terminal was closed: that does not end it.
process.stderr.on('error', () => undefined);

const { stdin, stdout, stderr } = process;
process.exitCode = await run(process.argv.slice(2), {
  ...{ stdin, stdout, stderr, interrupt: controller.signal, environment: process.env },
  // Until somebody listens, the signal ends the process, as ever.
  onHangUp: (listener) => process.on('SIGHUP', listener),
});
if (controller.signal.aborted) process.exit();
