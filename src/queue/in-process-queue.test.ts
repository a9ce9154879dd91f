/** Trials at once in threads of this process, against the same trials one after the other: the same bits, and none is lost when all are stopped. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { CheckpointError } from '../base/index.ts';
import { readSafetensors } from '../model/index.ts';
import { cpu } from '../runtime/index.ts';
import { compressDefaults } from '../train/index.ts';
import { inProcessQueue, threadedQueue } from './in-process-queue.ts';
import type { TrialProgress } from './trial-job.ts';
import type { TrialOrder } from './trial-order.ts';

let folder: string;
const at = (...names: string[]): string => join(folder, ...names);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-lanes-'));
  await writeModel(at('dense'), randomModel());
  const rows = Array.from({ length: 32 }, (_, row) => `a ${row % 2 === 0 ? 'fine' : 'poor'} story\t${row % 2}`);
  await writeFile(at('rows.tsv'), `sentence\tlabel\n${rows.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function orderOf(root: string, name: string, pruneEpochs: number, model = 'dense'): TrialOrder {
  const epochs = { multiplex: 1, prune: pruneEpochs, recover: 1 };
  const recipe = { ...compressDefaults, instances: 1, groups: 16, maxTokens: 24, epochs };
  const source = { data: at('rows.tsv'), evaluation: at('rows.tsv') };
  return { name, recipe, model: at(model), seed: 4, source, output: at(root, name) };
}

const weightsOf = (root: string, name: string): Promise<Buffer> => readFile(at(root, name, 'model.safetensors'));

it('trains as many at once as it says, to the bits of one after the other; a failure is only its own', async () => {
  const told: TrialProgress[] = [];
  const options = { concurrency: 2, placement: cpu(2), interrupt: new AbortController().signal };
  const both = threadedQueue({ ...options, onTrial: (report) => told.push(report) });
  expect(await both.capacity()).toBe(2);
  const trained = ['a', 'b'].map((name) => both.train(orderOf('both', name, 20)));
  await expect(both.train(orderOf('both', 'lost', 1, 'nowhere'))).rejects.toThrow(at('nowhere'));
  await Promise.all(trained);
  await both.close();
  expect(new Set(told.map(({ trial }) => trial))).toEqual(new Set(['a', 'b']));

  const alone = inProcessQueue({ placement: cpu(1), onStep: () => undefined });
  expect(await alone.capacity()).toBe(1);
  await Promise.all(['a', 'b'].map((name) => alone.train(orderOf('alone', name, 20))));
  for (const name of ['a', 'b'])
    expect((await weightsOf('both', name)).equals(await weightsOf('alone', name))).toBe(true);
}, 120_000);

it('ends when all that were interrupted have saved their checkpoints', async () => {
  const stopping = new AbortController();
  const reason = new CheckpointError('test', { expected: 'time', got: 'an interrupt' });
  const begun = new Set<string>();
  const names = ['c', 'd'];
  const queue = threadedQueue({
    ...{ concurrency: 2, placement: cpu(2), interrupt: stopping.signal },
    onTrial({ trial }) {
      begun.add(trial);
      if (begun.size === names.length) stopping.abort(reason);
    },
  });
  const trials = names.map((name) => queue.train(orderOf('stopped', name, 100_000)));
  await expect(Promise.all(trials)).rejects.toThrow('an interrupt');
  await queue.close();
  for (const name of names) {
    const checkpoint = at('stopped', `${name}.run`, 'prune.checkpoint.safetensors');
    expect(existsSync(checkpoint)).toBe(true);
    expect(Number((await readSafetensors(checkpoint)).metadata.done)).toBeGreaterThan(0);
  }
}, 120_000);
