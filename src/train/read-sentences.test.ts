/** Reading tagged sentences: what is written is read back in every format, and what is wrong is named with its place. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, messageOf } from '../base/index.ts';
import { readSentences } from './read-sentences.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-sentences-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function sentencesIn(name: string, content: string | Uint8Array) {
  const file = join(folder, name);
  await writeFile(file, content);
  return (await readSentences(file)).sentences;
}

interface Tagged {
  readonly words: readonly string[];
  readonly tags: readonly string[];
}

const withoutLines = (sentences: readonly Tagged[]): Tagged[] => sentences.map(({ words, tags }) => ({ words, tags }));

const word = fc.stringMatching(/^[^\s]{1,8}$/u).filter((text) => text !== '-DOCSTART-');
const tag = fc.constantFrom('O', 'B-person', 'I-person', 'E-creative-work', 'S-x');
const anySentences = fc.array(
  fc
    .array(fc.tuple(word, tag), { minLength: 1, maxLength: 6 })
    .map((pairs) => ({ words: pairs.map(([text]) => text), tags: pairs.map(([, label]) => label) })),
  { minLength: 1, maxLength: 5 },
);

const lines = (sentences: readonly Tagged[], between: string): string =>
  sentences.map(({ words, tags }) => words.map((text, at) => `${text}${between}${tags[at]}\n`).join('')).join('\n');

/** The formats' own rules, written here anew. */
const writers: Readonly<Record<string, (sentences: readonly Tagged[]) => string | Uint8Array>> = {
  conll: (sentences) => lines(sentences, '\t'),
  bio: (sentences) => lines(sentences, ' NNP  '),
  txt: (sentences) => lines(sentences, '\tx\t').replaceAll('\n', '\r\n'),
  jsonl: (sentences) => sentences.map(({ words, tags }) => `${JSON.stringify({ tokens: words, tags })}\n`).join(''),
  parquet: (sentences) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'tokens', data: sentences.map(({ words }) => [...words]), type: 'JSON' },
          { name: 'ner_tags', data: sentences.map(({ tags }) => [...tags]), type: 'JSON' },
        ],
      }),
    ),
};

describe('readSentences', () => {
  it.each(Object.keys(writers))('reads what is written as .%s', async (ending) => {
    await fc.assert(
      fc.asyncProperty(anySentences, async (sentences) => {
        const content = writers[ending]?.(sentences) ?? '';
        expect(withoutLines(await sentencesIn(`some.${ending}`, content))).toEqual(sentences);
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  it('begins a sentence after blank lines and document marks, and knows the line of each word', async () => {
    const content = '-DOCSTART- -X- O\n\nEU NNP B-ORG\n\t\n \n-DOCSTART- -X- O\nrejects VBZ O\n. . O\n';
    expect(await sentencesIn('some.conll', content)).toEqual([
      { words: ['EU'], tags: ['B-ORG'], lines: [3] },
      { words: ['rejects', '.'], tags: ['O', 'O'], lines: [7, 8] },
    ]);
  });

  it.each([
    ['a word alone', 'a\tO\nb\n', ':2: expected a word and its tag, got 1 field'],
    ['another number of fields', 'a\tO\nb\tx\tO\n', ':2: expected 2 fields, as in the first line, got 3 fields'],
    ['no word', 'a\tO\n\tO\n', ':2: expected a word, got an empty one'],
    ['bytes that are not UTF-8', Uint8Array.of(0x61, 0x09, 0x4f, 0x0a, 0xff), ':2: expected UTF-8'],
    ['an empty file', '', 'expected tagged sentences, got an empty file'],
    ['no sentence', '\n-DOCSTART- O\n\n', 'expected at least one sentence, got none'],
  ])('refuses %s', async (_, content, message) => {
    const failure = await sentencesIn('some.conll', content).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DataError);
    expect(messageOf(failure)).toContain(message);
  });

  it.each([
    ['{"tokens": ["a", "b"], "tags": ["O"]}', ':1: expected a tag for each of 2 words, got 1'],
    ['{"tokens": "a", "tags": ["O"]}', ':1 (column tokens): expected a list'],
    ['{"tokens": [3], "tags": ["O"]}', ':1 (column tokens): expected a string that is not blank, got 3'],
    ['{"text": "a", "tags": ["O"]}', 'expected a column tokens or words, got the columns "text", "tags"'],
    ['{"tokens": ["a"], "ner_tags": [3]}', 'got 3. Write the tags by their names'],
  ])('refuses the row %s', async (row, message) => {
    const failure = await sentencesIn('some.jsonl', row).catch((error: unknown) => error);
    expect(messageOf(failure)).toContain(message);
  });

  it('refuses a column of pairs, which sentences do not have', async () => {
    const file = join(folder, 'pairs.jsonl');
    await writeFile(file, '{"tokens": ["a"], "tags": ["O"], "other": ["b"]}\n');
    await expect(readSentences(file, { pair: 'other' })).rejects.toThrow(
      'whose sentences have no pairs, got pair=other',
    );
  });
});
