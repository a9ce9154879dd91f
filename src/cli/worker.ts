/** `prumux worker`: trains trials that `prumux auto --queue` puts into a queue, until it is told to stop. */
import { messageOf } from '../base/index.ts';
import { addressOf, type Outcome, placementOfEach, serveTrials } from '../queue/index.ts';
import { command } from './command.ts';
import { number, option, required, whole } from './option.ts';
import { ARTEFACTS, checkConcurrency, QUEUE_URL } from './queue-options.ts';
import { oneLine } from './result-lines.ts';

export default command({
  name: 'worker',
  description: 'Train trials of auto on this machine, from a queue on a Redis server.',
  example: '--queue redis://queue.lan:6379 --artefacts /mnt/shared/prumux',
  options: {
    queue: required('Redis server that auto is given, too', QUEUE_URL),
    artefacts: required('folder that this machine shares with the one of auto', ARTEFACTS),
    concurrency: option('trials at a time, which share the threads', whole(), 1),
    lostAfter: option('seconds of silence after which the trial of a worker goes to another', number({ least: 1 }), 30),
  },
  unheeded: ['seed'], // trials bring theirs
  isResumable: true,
  async run({ queue, artefacts, concurrency, lostAfter }, _, { placement, progress, terminal }) {
    checkConcurrency(concurrency, placement);
    const ended: Partial<Record<Outcome, number>> = {};
    const say = (text: string): void => {
      progress.stop();
      terminal.stderr.write(`prumux: ${text}\n`);
    };
    await serveTrials({
      ...{ url: queue, artefacts, concurrency, lostAfterSeconds: lostAfter, interrupt: terminal.interrupt },
      placement: placementOfEach(placement, concurrency),
      onReady: (name) => say(`worker ${name} takes trials from ${addressOf(queue)}`),
      onTrial: progress.trial,
      onEnd(trial, outcome, error) {
        say(`${trial} ${outcome}${error === undefined ? '' : `: ${oneLine(messageOf(error))}`}`);
        ended[outcome] = (ended[outcome] ?? 0) + 1;
      },
    });
    return { ended };
  },
  print: ({ ended }) =>
    `trials      ${
      Object.entries(ended)
        .map(([outcome, count]) => `${count} ${outcome}`)
        .join(', ') || 'none'
    }\n`,
});
