/** Runs of `train` and `compress` that are killed twice, with SIGKILL, in the middle of their steps, against one that nobody disturbs: the same bits. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { random } from '../src/base/index.ts';
import { expectSameBits } from './killed-run.kit.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';

let folder: string;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-resume-'));
  data = join(folder, 'rows.tsv');
  await writeFile(data, `sentence\tlabel\n${sentences(160).join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const COLOURS = ['red', 'green', 'blue'];

/** Sentences of 3 to 20 words, so that there are several bucket sizes; the first word is the label. */
function sentences(count: number): string[] {
  const draws = random(1, 'resume');
  const words = ['river', 'mountain', 'road', 'old', 'tall', 'quiet', 'winter'];
  return Array.from({ length: count }, (_, row) => {
    const label = COLOURS[row % 3] as string;
    const rest = Array.from({ length: 2 + draws.integer(18) }, () => draws.pick(words));
    return `${[label, ...rest].join(' ')}\t${label}`;
  });
}

const files = ['model.safetensors', 'onnx/model.onnx', 'tokenizer.json'];

it('train ends with the bits of an undisturbed run', async () => {
  const killable = {
    child: 'train-until-killed.child.ts',
    given: [data],
    phases: [{ name: 'fine-tune' }] as const,
    files,
  };
  await expectSameBits(killable, join(folder, 'train'));
}, 400_000);

it('compress ends with the bits of an undisturbed run, killed while it prunes', async () => {
  const teacher = join(folder, 'teacher');
  await writeModel(teacher, randomModel(COLOURS));
  const killable = {
    child: 'compress-until-killed.child.ts',
    given: [teacher, data],
    phases: [{ name: 'prune' }] as const,
    files,
  };
  await expectSameBits(killable, join(folder, 'compress'));
}, 400_000);
