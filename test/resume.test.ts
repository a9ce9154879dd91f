/** A training run that is killed twice, with SIGKILL, in the middle of its steps, against one that nobody disturbs: the same bits. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { random } from '../src/base/index.ts';
import { expectSameBits } from './killed-run.kit.ts';

let folder: string;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-resume-'));
  data = join(folder, 'rows.tsv');
  await writeFile(data, `sentence\tlabel\n${sentences(160).join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Sentences of 3 to 20 words, so that there are several bucket sizes; the first word is the label. */
function sentences(count: number): string[] {
  const draws = random(1, 'resume');
  const words = ['red', 'green', 'blue', 'river', 'mountain', 'road', 'old', 'tall', 'quiet', 'winter'];
  return Array.from({ length: count }, (_, row) => {
    const label = words[row % 3] as string;
    const rest = Array.from({ length: 2 + draws.integer(18) }, () => draws.pick(words.slice(3)));
    return `${[label, ...rest].join(' ')}\t${label}`;
  });
}

it('ends with the bits of an undisturbed run', async () => {
  const files = ['model.safetensors', 'onnx/model.onnx', 'tokenizer.json'];
  await expectSameBits({ child: 'train-until-killed.child.ts', data, phases: [{ name: 'fine-tune' }], files }, folder);
}, 180_000);
