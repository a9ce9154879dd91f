/** Trials that prune on from one another: where they go, what they follow from, and that none is trained twice. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import type { GridPoint, Trial } from '../auto/index.ts';
import { pruningPath } from '../model/index.ts';
import { inProcessQueue, type TrialOrder } from '../queue/index.ts';
import { cpu } from '../runtime/index.ts';
import { type AskedRecipe, compressDefaults, openData } from '../train/index.ts';
import { tryShortly } from './candidates.ts';
import { denseTrial, detailsOf, fingerprintAt, type Laboratory, openLaboratory, trainTrial } from './trials.ts';

let folder: string;
const at = (...names: string[]): string => join(folder, ...names);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-trials-'));
  await writeModel(at('dense'), randomModel());
  const rows = Array.from({ length: 16 }, (_, row) => `a ${row % 2 === 0 ? 'fine' : 'poor'} story\t${row % 2}`);
  await writeFile(at('rows.tsv'), `sentence\tlabel\n${rows.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const recipe: AskedRecipe = {
  ...{ ...compressDefaults, instances: 1, groups: 8 },
  epochs: { multiplex: 1, prune: 2, recover: 1 },
};
const surroundings = { placement: cpu(1), onStep: () => undefined };

/** A laboratory as a run of `auto` opens it, and what it ordered. */
async function opened(data = 'rows.tsv'): Promise<{ laboratory: Laboratory; ordered: TrialOrder[] }> {
  const queue = inProcessQueue(surroundings);
  const ordered: TrialOrder[] = [];
  const source = { data: at(data), evaluation: at('rows.tsv') };
  const options = { ...surroundings, seed: 3, source };
  const laboratory = await openLaboratory(at('dense'), { settings: recipe, options }, async () => ({
    folder: at('run'),
    queue: {
      ...queue,
      train(order) {
        ordered.push(order);
        return queue.train(order);
      },
    },
  }));
  return { laboratory, ordered };
}

it('go without the rows that the dense model did not see, if it was trained on the same file', async () => {
  const rows = Array.from({ length: 16 }, (_, row) => `story ${row} is ${row % 2 === 0 ? 'fine' : 'poor'}\t${row % 2}`);
  await writeFile(at('many.tsv'), `sentence\tlabel\n${rows.join('\n')}\n`);
  await writeFile(at('few.tsv'), `sentence\tlabel\n${rows.slice(0, 3).join('\n')}\n`);
  const { train, aside } = await openData({ data: at('many.tsv'), evaluation: at('rows.tsv'), setAside: 3 });
  const record = at('dense', 'run.json');
  const before = await readFile(record);
  try {
    await writeFile(record, JSON.stringify({ command: 'train', setAside: 3, data: { train: train.checksum } }));
    const { laboratory } = await opened('many.tsv');
    expect(laboratory).toMatchObject({
      setAside: 3,
      data: { train: train.checksum },
      options: { source: { setAside: 3 } },
    });
    expect(laboratory.examples.examples.slice(16)).toEqual(aside?.examples);
    expect(laboratory.rows.choosing.slice(-3)).toEqual([16, 17, 18]);
    // Rows of one text are on one side, here more than half of all; the trials' data are the same again.
    const same = rows.map((row, at) => (at < 10 ? `one story\t${at % 2}` : row));
    await writeFile(at('same.tsv'), `sentence\tlabel\n${same.join('\n')}\n`);
    const seen = await openData({ data: at('same.tsv'), evaluation: at('rows.tsv'), setAside: 8 });
    await writeFile(record, JSON.stringify({ command: 'train', setAside: 8, data: { train: seen.train.checksum } }));
    const { options, setAside: more } = (await opened('same.tsv')).laboratory;
    expect(more).toBeGreaterThan(8);
    expect((await openData(options.source)).train).toEqual(seen.train);
    await writeFile(record, JSON.stringify({ command: 'train', setAside: 3, data: { train: train.checksum } }));
    // Of other files it cannot be told.
    for (const other of ['rows.tsv', 'few.tsv']) {
      const { setAside, rows, options } = (await opened(other)).laboratory;
      expect({ setAside, rows: rows.choosing.length + rows.final.length }).toEqual({ setAside: 0, rows: 16 });
      expect(options.source).not.toHaveProperty('setAside');
    }
  } finally {
    await writeFile(record, before);
  }
});

const evidenceOf = async (trial: Trial) => JSON.parse(await readFile(join(trial.folder, 'run.json'), 'utf8'));

it('go where their start tells them from others, and say what they started from', async () => {
  const gentle: GridPoint = { instances: 1, sparsity: 0.5 };
  const harder: GridPoint = { instances: 1, sparsity: 0.7 };
  const { laboratory, ordered } = await opened();
  const first = await trainTrial(gentle, undefined, laboratory);
  const warm = await trainTrial(harder, first, laboratory);
  const cold = await trainTrial(harder, undefined, laboratory);

  const { fingerprint } = (await evidenceOf(first)).pruning;
  expect(ordered).toMatchObject([
    { output: at('run', 'n1-s0.5'), recipe: { epochs: { prune: 2 } } },
    {
      output: expect.stringMatching(/n1-s0\.7-from-[0-9a-f]{8}$/),
      recipe: { epochs: { prune: 1 } },
      from: { fingerprint },
    },
    { output: at('run', 'n1-s0.7'), recipe: { epochs: { prune: 2 } } },
  ]);
  expect(warm.from).toEqual({ name: 'n1-s0.5', folder: first.folder, fingerprint });
  expect((await evidenceOf(warm)).from).toEqual({ measure: 'sparsity', level: 0.5, fingerprint });
  expect(await evidenceOf(cold)).not.toHaveProperty('from');
  const fingerprints = [first, warm, cold].map((trial) => fingerprintAt(trial, laboratory));
  expect(new Set(fingerprints).size).toBe(3);

  // The next run finds all of them.
  const again = await opened();
  expect(await trainTrial(gentle, undefined, again.laboratory)).toEqual(first);
  expect(await trainTrial(harder, first, again.laboratory)).toEqual(warm);
  expect(await trainTrial(harder, undefined, again.laboratory)).toEqual(cold);
  expect(again.ordered).toEqual([]);

  // Without what it was sliced from a trial is none that others can go on from: it is trained again, to the same bits.
  await rm(pruningPath(first.folder));
  expect(await trainTrial(gentle, undefined, again.laboratory)).toEqual(first);
  expect((await evidenceOf(first)).pruning.fingerprint).toBe(fingerprint);
  expect(await trainTrial(harder, first, again.laboratory)).toEqual(warm);
  expect(again.ordered.map(({ name }) => name)).toEqual(['n1-s0.5']);
}, 180_000);

it('are refused where the rows have changed since the search began', async () => {
  const point: GridPoint = { instances: 1, sparsity: 0.3 };
  await writeFile(at('grows.tsv'), await readFile(at('rows.tsv')));
  const { laboratory, ordered } = await opened('grows.tsv');
  await appendFile(at('grows.tsv'), 'one more\t0\n');
  const said = `${at('grows.tsv')}: expected it and the evaluation file to be as they were when this run began, got other rows.`;
  await expect(trainTrial(point, undefined, laboratory)).rejects.toThrow(said);
  expect(ordered).toEqual([]);
});

it('try a multiplexed model shortly in a folder of its own, once', async () => {
  const point: GridPoint = { instances: 2, sparsity: 0 };
  const { laboratory, ordered } = await opened();
  const guess = await tryShortly(point, 0.9, laboratory);
  expect(guess).toMatchObject({ point, by: 'short run', drop: { points: expect.any(Number) } });
  expect(ordered).toMatchObject([
    { name: 'n2-s0-short', output: at('run', 'n2-s0-short'), recipe: { epochs: { multiplex: 0.125 } } },
  ]);
  expect(await tryShortly(point, 0.9, (await opened()).laboratory)).toEqual(guess);
  await trainTrial(point, undefined, laboratory);
  expect(ordered.at(-1)).toMatchObject({ output: at('run', 'n2-s0'), recipe: { epochs: { multiplex: 1 } } });
  expect(ordered.length).toBe(2);
});

it('need no record of how the dense model was trained, but show what it has', async () => {
  const record = at('dense', 'run.json');
  const before = await readFile(record);
  const curvesBeside = async (told: object): Promise<object> => {
    await writeFile(record, JSON.stringify(told));
    const { laboratory } = await opened();
    return (await detailsOf(denseTrial(laboratory))).curves;
  };
  try {
    const curves = { train: [{ step: 1, values: { loss: 0.5 } }] };
    expect(await curvesBeside({ command: 'quantize', data: { evaluation: 'x' }, quantization: {} })).toEqual({});
    expect(await curvesBeside({ of: 'another program', curves: 3 })).toEqual({});
    expect(await curvesBeside({ command: 'train', curves })).toEqual(curves);
    // What cannot be read at all is told before anything is trained.
    await writeFile(record, '{');
    await expect(opened()).rejects.toThrow(/run.json: expected the record of a finished run/);
  } finally {
    await writeFile(record, before);
  }
});
