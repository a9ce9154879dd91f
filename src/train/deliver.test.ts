/** What a delivery that fails leaves: nothing open, and nothing written. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { loudParameters, tinyConfig, tinySet } from '../../test/tiny-bert.kit.ts';
import { learnVocabulary, tokenizerOf } from '../model/index.ts';
import { cpu, loadRuntime } from '../runtime/index.ts';
import { deliver } from './deliver.ts';

it('a delivery whose model does not run leaves no session open: there is none to release', async () => {
  const set = tinySet();
  const beyond = set.encodings.map(({ ids, types }) => ({ ids: ids.map(() => 999), types }));
  const model = {
    config: tinyConfig,
    parameters: loudParameters(tinyConfig, 1),
    tokenizer: tokenizerOf(learnVocabulary([], 20)),
  };
  const folder = join(tmpdir(), 'prumux-never-written');
  const options = { folder, maxTokens: 6, seed: 1, placement: cpu(1), evidence: {}, title: 'A model' };
  const opened = vi.spyOn(loadRuntime().InferenceSession, 'create');
  await expect(deliver(model, { ...options, evaluationSet: { ...set, encodings: beyond } })).rejects.toThrow(
    'expected the model to run',
  );
  const sessions = opened.mock.results.map(({ value }) => value as ReturnType<typeof opened>);
  opened.mockRestore();
  expect(sessions.length).toBeGreaterThan(0);
  for (const session of sessions) await expect((await session).release()).rejects.toThrow('disposed');
  expect(existsSync(folder)).toBe(false);
});
