/** Models by name: from a folder, from a stand-in for the Hub on this machine, from the cache, and from nowhere. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { randomModel } from '../../test/model-folder.kit.ts';
import { CheckpointError, PRECISIONS } from '../base/index.ts';
import { toHuggingFace } from './config.ts';
import { resolveModel, resolveTokenizer } from './hub.ts';

const root = await mkdtemp(join(tmpdir(), 'prumux-hub-'));
const cacheDir = join(root, 'cache');
beforeEach(() => rm(cacheDir, { recursive: true, force: true }));
afterAll(() => rm(root, { recursive: true }));

const SHA = '0123456789abcdef0123456789abcdef01234567';
const FILES: Readonly<Record<string, string>> = {
  'config.json': '{"model_type":"bert"}',
  'model.safetensors': 'weights',
  'pytorch_model.bin': 'the same weights again',
  'vocab.txt': '[PAD]',
  'run.json': '{}',
  'onnx/model.onnx': 'exported',
  'onnx/model_quantized.onnx': 'in int8',
};
/** Of folders of ours, by the precision that they are meant to run in. */
const OWN_CONFIGS: Readonly<Record<string, string>> = Object.fromEntries(
  PRECISIONS.map((precision) => [precision, JSON.stringify(toHuggingFace(randomModel().config, precision))]),
);
const REPOSITORIES: Readonly<Record<string, readonly string[]>> = {
  model: ['config.json', 'model.safetensors', 'pytorch_model.bin'],
  words: ['vocab.txt', 'pytorch_model.bin'],
  both: ['config.json', 'model.safetensors', 'vocab.txt'],
  old: ['pytorch_model.bin'],
  fp32: ['config.json', 'model.safetensors', 'run.json', 'onnx/model.onnx', 'onnx/model_quantized.onnx'],
  int8: ['config.json', 'model.safetensors', 'run.json', 'onnx/model.onnx', 'onnx/model_quantized.onnx'],
};
const contentOf = (repository: string, path: string): string =>
  (path === 'config.json' && OWN_CONFIGS[repository]) || (FILES[path] ?? '');
const entryIn = (repository: string) => (path: string) => ({
  ...{ type: 'file', path, oid: `oid-${repository}-${path}`, size: contentOf(repository, path).length },
});

/** The five requests that `@huggingface/hub` makes for a snapshot. */
const answer: RequestListener = (request, response) => {
  const url = decodeURIComponent(request.url ?? '').split('?')[0] ?? '';
  const json = (content: unknown) =>
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(content));
  const [, repository = '', kind, path = ''] = /owner\/(\w+)\/(resolve|tree|paths-info)\/\w+\/?(.*)$/.exec(url) ?? [];
  const files = REPOSITORIES[repository] ?? [];
  if (kind === 'resolve' && files.includes(path)) {
    // A download that outlasts others that begin with it.
    const delayMs = path === 'vocab.txt' ? 200 : 0;
    return void setTimeout(() => respondFile(repository, path, request.headers.range, response), delayMs);
  }
  if (kind === 'tree') return json(files.map(entryIn(repository)));
  if (kind === 'paths-info') {
    return request
      .setEncoding('utf8')
      .on('data', (body: string) => json(JSON.parse(body).paths.map(entryIn(repository))));
  }
  if (url.startsWith('/api/models/owner/locked')) {
    return response.writeHead(401, { 'Content-Type': 'application/json' }).end('{"error":"Restricted"}');
  }
  if (url.startsWith('/api/models/owner/')) return json({ _id: '1', id: url.slice('/api/models/'.length), sha: SHA });
  return response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":"Repository not found"}');
};

function respondFile(
  repository: string,
  path: string,
  range: string | undefined,
  response: Parameters<RequestListener>[1],
) {
  const body = contentOf(repository, path);
  response.setHeader('ETag', `"oid-${repository}-${path}"`);
  if (range === undefined) return response.end(body);
  const [start = 0, end = body.length - 1] = (range.match(/\d+/g) ?? []).map(Number);
  response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${body.length}` });
  return response.end(body.slice(start, end + 1));
}

async function withHub<T>(use: (hubUrl: string) => Promise<T>): Promise<T> {
  const server: Server = createServer(answer);
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Nothing listens on the discard port of this machine. */
const NOWHERE = 'http://127.0.0.1:9';

describe('resolveModel', () => {
  it('takes a folder as it is, without asking anyone', async () => {
    expect(await resolveModel(root, { hubUrl: NOWHERE })).toBe(root);
  });

  it('fetches an id once, what is needed of it only, and says nothing on standard output', async () => {
    const printed = vi.spyOn(process.stdout, 'write');
    await withHub(async (hubUrl) => {
      const folder = await resolveModel('owner/model', { hubUrl, cacheDir });
      expect((await readdir(folder)).sort()).toEqual(['config.json', 'model.safetensors']);
      expect(await readFile(join(folder, 'model.safetensors'), 'utf8')).toBe('weights');
      expect(await resolveModel('owner/model', { hubUrl, cacheDir })).toBe(folder);
    });
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  it('fetches of our own folders what they are served by, too, and the int8 model where that is what runs', async () => {
    await withHub(async (hubUrl) => {
      const filesOf = async (id: string) => {
        const folder = await resolveModel(id, { hubUrl, cacheDir });
        return (await readdir(folder, { recursive: true })).map((path) => path.replaceAll('\\', '/')).sort();
      };
      const always = ['config.json', 'model.safetensors', 'run.json'];
      expect(await filesOf('owner/fp32')).toEqual(always);
      expect(await filesOf('owner/int8')).toEqual([
        'config.json',
        'model.safetensors',
        'onnx',
        'onnx/model_quantized.onnx',
        'run.json',
      ]);
    });
    const folder = await resolveModel('owner/int8', { hubUrl: NOWHERE, cacheDir });
    expect(await readFile(join(folder, 'onnx', 'model_quantized.onnx'), 'utf8')).toBe('in int8');
  });

  it('finds a model in the cache where there is no network', async () => {
    const folder = await withHub((hubUrl) => resolveModel('owner/model', { hubUrl, cacheDir }));
    expect(await resolveModel('owner/model', { hubUrl: NOWHERE, cacheDir })).toBe(folder);
  });

  it('does not take from the cache what the Hub refuses', async () => {
    const snapshot = join(cacheDir, 'models--owner--locked', 'snapshots', SHA);
    await mkdir(snapshot, { recursive: true });
    await mkdir(join(cacheDir, 'models--owner--locked', 'refs'));
    await writeFile(join(cacheDir, 'models--owner--locked', 'refs', 'main'), SHA);
    for (const file of ['config.json', 'model.safetensors']) await writeFile(join(snapshot, file), '');
    await withHub(async (hubUrl) => {
      await expect(resolveModel('owner/locked', { hubUrl, cacheDir })).rejects.toThrow(
        'no such folder, and the Hub answered 401 (Restricted). The Hub says this of models that do not exist, too; for private and gated ones set HF_TOKEN.',
      );
    });
    expect(await resolveModel('owner/locked', { hubUrl: NOWHERE, cacheDir })).toBe(snapshot);
  });

  it('says what a repository has in the place of weights that can be read', async () => {
    await withHub(async (hubUrl) => {
      await expect(resolveModel('owner/old', { hubUrl, cacheDir })).rejects.toThrow(
        'owner/old: expected model.safetensors in the repository, got only pytorch_model.bin',
      );
    });
  });

  it('leaves standard output to others again after downloads at the same time', async () => {
    const debugOf = ({ debug }: Console) => debug;
    const before = debugOf(console);
    await withHub(async (hubUrl) => {
      const places = { hubUrl, cacheDir };
      await Promise.all([resolveModel('owner/model', places), resolveTokenizer('owner/words', places)]);
    });
    expect(debugOf(console)).toBe(before);
  });

  it('says that the folder does not exist and that the Hub could not be reached', async () => {
    const error = await resolveModel('owner/model', { hubUrl: NOWHERE, cacheDir }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({ message: expect.stringMatching(/no such folder, and the Hub could not be reached/) });
    expect(existsSync(cacheDir)).toBe(false);
  });

  it('says what the Hub answered', async () => {
    await withHub(async (hubUrl) => {
      await expect(resolveModel('nobody/other', { hubUrl, cacheDir })).rejects.toThrow('the Hub answered 404');
    });
  });

  it.each(['./missing', '/missing/folder', 'a/b/c', '../no-such-folder', ''])(
    'does not ask the Hub for %j',
    async (path) => {
      await expect(resolveModel(path, { hubUrl: NOWHERE })).rejects.toThrow('got no such folder.');
    },
  );

  it('refuses a file', async () => {
    await expect(resolveModel(import.meta.filename)).rejects.toThrow('expected a model folder, got a file');
  });
});

describe('resolveTokenizer', () => {
  it('fetches no weights, needs none, and is found in the cache', async () => {
    await withHub(async (hubUrl) => {
      const folder = await resolveTokenizer('owner/words', { hubUrl, cacheDir });
      expect(await readdir(folder)).toEqual(['vocab.txt']);
      expect(await resolveTokenizer('owner/words', { hubUrl: NOWHERE, cacheDir })).toBe(folder);
      // The cache has a tokenizer by that name, not a model.
      await expect(resolveModel('owner/words', { hubUrl: NOWHERE, cacheDir })).rejects.toThrow('could not be reached');
    });
  });

  it('does not stand in the cache for a model that was fetched before the repository changed', async () => {
    const kept = join(cacheDir, 'models--owner--both', 'snapshots', 'earlier');
    await withHub(async (hubUrl) => {
      await rename(await resolveModel('owner/both', { hubUrl, cacheDir }), kept);
      await writeFile(join(cacheDir, 'models--owner--both', 'refs', 'main'), 'earlier');
      expect(await readdir(await resolveTokenizer('owner/both', { hubUrl, cacheDir }))).toEqual([
        'config.json',
        'vocab.txt',
      ]);
    });
    expect(await resolveModel('owner/both', { hubUrl: NOWHERE, cacheDir })).toBe(kept);
  });

  it('says what a repository has in the place of one', async () => {
    await withHub(async (hubUrl) => {
      await expect(resolveTokenizer('owner/old', { hubUrl, cacheDir })).rejects.toThrow(
        'owner/old: expected tokenizer.json or vocab.txt in the repository, got only pytorch_model.bin',
      );
    });
  });
});
