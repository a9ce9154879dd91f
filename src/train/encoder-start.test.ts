/** What a training starts from, where it is not there. */
import { afterEach, expect, it, vi } from 'vitest';
import { startEncoder } from './encoder-start.ts';

afterEach(() => vi.unstubAllEnvs());

it('names the presets beside the other places where an encoder of that name was looked for', async () => {
  vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9'); // nothing listens on the discard port
  const start = (encoder: string) => startEncoder({ encoder, vocabularySize: 100 }, () => []);
  await expect(start('tyni')).rejects.toThrow(
    'tyni: expected a model folder or the id of a model on the Hub, or tiny, mini, small, base, got no such folder, and the Hub',
  );
  await expect(start('./tyni')).rejects.toThrow('expected a model folder or the id of a model on the Hub, got');
});
