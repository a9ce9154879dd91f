/** Pruned vocabularies against the tokenizer they come from: the same tokens for known words, the same rows for the same tokens. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loudParameters, tinyConfig } from '../../test/tiny-bert.kit.ts';
import { float32, parameterOf } from '../base/index.ts';
import type { ModelFiles } from './folder.ts';
import { type Tokenizer, tokenizerOf } from './tokenizer.ts';
import { learnVocabulary, wordPieceTokenizer } from './vocabulary.ts';
import { pruneVocabulary } from './vocabulary-pruning.ts';

const LEARNED_FROM =
  'unhappily happy hippy happening unkind kindly kindness kind king sing singing singer ring ringing, ring.';
const WORDS = LEARNED_FROM.split(' ');
const TABLE = 'bert.embeddings.word_embeddings.weight';

function modelOf(json: object): ModelFiles {
  const tokenizer = tokenizerOf(json);
  const encoder = { ...tinyConfig.encoder, vocabularySize: tokenizer.vocabularySize };
  const config = { ...tinyConfig, encoder };
  return { config, tokenizer, parameters: loudParameters(config, 1) };
}

const model = modelOf(learnVocabulary([LEARNED_FROM, LEARNED_FROM], 120));

const usedIn = (tokenizer: Tokenizer, texts: readonly string[]): Set<number> =>
  new Set(texts.flatMap((text) => [...tokenizer.encode(text).ids]));

/** The row of each token of a text. */
function rowsOf({ parameters, tokenizer }: ModelFiles, text: string, pair?: string): number[][] {
  const { data, shape } = parameterOf(parameters, TABLE);
  const [, D = 0] = shape;
  return tokenizer.encode(text, pair).ids.map((id) => [...data.subarray(id * D, (id + 1) * D)]);
}

const anyText = (words: readonly string[]) =>
  fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((chosen) => chosen.join(' '));

const anyWords = fc.subarray(WORDS, { minLength: 1 });

describe('pruneVocabulary', () => {
  it('maps tokens one to one, and gives them their rows, in texts of words that were seen', () => {
    const property = fc.property(
      anyWords.chain((seen) => fc.tuple(fc.constant(seen), anyText(seen), anyText(seen))),
      ([seen, text, pair]) => {
        const pruned = pruneVocabulary(model, usedIn(model.tokenizer, seen));
        expect(pruned.tokenizer.vocabularySize).toBeLessThanOrEqual(model.tokenizer.vocabularySize);
        expect(rowsOf(pruned, text, pair)).toEqual(rowsOf(model, text, pair));
        const [before, after] = [model, pruned].map(({ tokenizer }) => tokenizer.encode(text, pair));
        expect(after?.types).toEqual(before?.types);
        const pairs = new Map(before?.ids.map((id, at) => [id, after?.ids[at]]));
        expect(new Set(pairs.values()).size).toBe(pairs.size);
        expect(before?.ids.map((id) => pairs.get(id))).toEqual(after?.ids);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  it('takes the bias of each word along, where there is a head over words', () => {
    const bias = float32(
      Array.from({ length: model.tokenizer.vocabularySize }, (_, id) => id),
      [model.tokenizer.vocabularySize],
    );
    const headed = { ...model, parameters: new Map([...model.parameters, ['cls.predictions.bias', bias] as const]) };
    const { parameters, tokenizer } = pruneVocabulary(headed, usedIn(model.tokenizer, ['king']));
    const kept = parameterOf(parameters, 'cls.predictions.bias');
    expect(kept.shape).toEqual([tokenizer.vocabularySize]);
    // Biases are the old ids.
    expect(tokenizer.encode('king').ids.map((id) => kept.data[id])).toEqual(model.tokenizer.encode('king').ids);
  });

  it('spells other words in shorter pieces instead of [UNK]', () => {
    const property = fc.property(anyWords, anyText(WORDS), (seen, text) => {
      const { tokenizer } = pruneVocabulary(model, usedIn(model.tokenizer, seen));
      expect(tokenizer.encode(text).ids).not.toContain(tokenizer.unknownId);
    });
    fc.assert(property, { numRuns: 60 });
  });

  it('may spell what was [UNK], where a character has no token of its own but is part of a longer one', () => {
    const json = wordPieceTokenizer(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'ab', '##b', '##bc']);
    const whole = modelOf(json);
    expect(whole.tokenizer.encode('abc').ids).toEqual([2, 1, 3]);
    const { tokenizer } = pruneVocabulary(whole, usedIn(whole.tokenizer, ['abc']));
    expect(tokenizer.encode('abc').ids).toEqual([2, 5, 7, 3]); // a and ##bc; ab is gone
  });

  it('keeps special tokens, characters, what was seen and nothing else, and renumbers them everywhere', () => {
    const json = wordPieceTokenizer([
      '[PAD]',
      'ab',
      '[UNK]',
      'a',
      '##b',
      'abb',
      '[CLS]',
      '##bb',
      '[SEP]',
      '[MASK]',
      '[unused]',
    ]);
    const { tokenizer, config } = pruneVocabulary(modelOf(json), new Set([5]));
    expect(tokenizer.json).toMatchObject({
      added_tokens: [{ id: 0 }, { id: 1 }, { id: 5 }, { id: 6 }, { id: 7 }],
      model: { vocab: { '[PAD]': 0, '[UNK]': 1, a: 2, '##b': 3, abb: 4, '[CLS]': 5, '[SEP]': 6, '[MASK]': 7 } },
      post_processor: { special_tokens: { '[CLS]': { ids: [5] }, '[SEP]': { ids: [6] } } },
    });
    expect(config.encoder.vocabularySize).toBe(9); // and [unused], as [ has no token of its own
    expect(tokenizer.encode('abb ab').ids).toEqual([5, 4, 2, 3, 6]);
  });

  it('renumbers what BertProcessing adds', () => {
    const json = { ...wordPieceTokenizer(['[PAD]', 'ab', '[UNK]', 'a', '##b', '[CLS]', '[SEP]', '[MASK]']) };
    const bert = { ...json, post_processor: { type: 'BertProcessing', sep: ['[SEP]', 6], cls: ['[CLS]', 5] } };
    const { tokenizer } = pruneVocabulary(modelOf(bert), new Set());
    expect(tokenizer.json).toMatchObject({ post_processor: { sep: ['[SEP]', 5], cls: ['[CLS]', 4] } });
    expect(tokenizer.encode('ab', 'a').ids).toEqual([4, 2, 3, 5, 2, 5]);
  });

  it('refuses a tokenizer of another kind', () => {
    const json = { ...model.tokenizer.json, model: { type: 'BPE', vocab: {}, merges: [] } };
    const other = { ...model, tokenizer: { ...model.tokenizer, json } };
    expect(() => pruneVocabulary(other, new Set())).toThrow(/tokenizer\.json: expected a WordPiece tokenizer/);
  });
});
