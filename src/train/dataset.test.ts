/** Data sets: classes come from the training rows, every other file is read in their terms. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError, messageOf } from '../base/index.ts';
import {
  checkSchemes,
  datasetOf,
  joinSets,
  type LabelledSet,
  labelsOf,
  setAside,
  taggedDatasetOf,
  tagsOf,
  withNames,
} from './dataset.ts';
import type { Rows } from './read-rows.ts';

/** Rows of a file with a header: the first stands on line 2. */
const rowsWith = (labels: readonly (string | undefined)[]): Rows => ({
  file: 'some.tsv',
  rows: labels.map((label, index) => ({
    text: `text ${index}`,
    ...(label === undefined ? {} : { label }),
    line: index + 2,
  })),
  checksum: 'c0ffee',
});

function failureOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

describe('tagsOf', () => {
  const tagged = (tags: readonly string[]) => ({
    file: 'some.conll',
    sentences: [{ words: tags.map(() => 'a'), tags, lines: tags.map((_, at) => at + 1) }],
    checksum: 'c0ffee',
  });

  it('takes the tags of any scheme, the one outside of entities first', () => {
    expect(() => checkSchemes(tagged(['U-x', 'O', 'B_y', 'L_y']))).not.toThrow();
    expect(tagsOf(tagged(['U-x', 'O', 'B_y', 'L_y']))).toEqual(['O', 'B_y', 'L_y', 'U-x']);
  });

  it.each([
    [
      'person',
      'some.conll:2: expected a tag: O, or a prefix B, I, E, S, L or U with a type, as B-person, got "person".',
    ],
    ['B-', 'got "B-"'],
    ['3', 'got "3". Write the tags by their names'],
  ])('of no scheme are refused: %s', (tag, message) => {
    const failure = failureOf(() => checkSchemes(tagged(['O', tag])));
    expect(failure).toBeInstanceOf(DataError);
    expect(messageOf(failure)).toContain(message);
  });

  it('of a model are taken as they are: it knows what they mean', () => {
    const labels = ['NOUN', 'VERB'];
    expect(taggedDatasetOf(tagged(['VERB', 'NOUN']), labels).examples).toMatchObject([{ labels: [1, 0] }]);
    expect(() => taggedDatasetOf(tagged(['3']), labels)).toThrow('got "3". Write the tags by their names');
  });
});

describe('labelsOf', () => {
  it('orders whole numbers as numbers and everything else as words', () => {
    expect(labelsOf(rowsWith(['10', '9', '-1', '9']))).toEqual(['-1', '9', '10']);
    expect(labelsOf(rowsWith(['10', '9', 'b', 'B']))).toEqual(['10', '9', 'B', 'b']);
  });

  it('does not depend on the order of the rows', () => {
    const labels = fc.array(fc.constantFrom('0', '1', '2', '10', 'yes', 'no'), { minLength: 1 });
    fc.assert(
      fc.property(labels, (some) => {
        const all = ['1', '2', ...some];
        expect(labelsOf(rowsWith([...all].reverse()))).toEqual(labelsOf(rowsWith(all)));
      }),
      { seed: 1 },
    );
  });

  it('refuses one class, and no class', () => {
    const one = failureOf(() => labelsOf(rowsWith(['1', '1'])));
    expect(one).toBeInstanceOf(DataError);
    expect(messageOf(one)).toBe('some.tsv: expected at least two classes, got "1" in every row.');
    expect(failureOf(() => labelsOf(rowsWith([])))).toMatchObject({ file: 'some.tsv', got: 'no rows' });
  });
});

describe('classes by their numbers', () => {
  const names = ['NEGATIVE', 'POSITIVE'];
  const labelsIn = ({ rows }: Rows) => rows.map(({ label }) => label);

  it('get their names where the names of a model are no numbers and a file has nothing else', () => {
    expect(labelsIn(withNames(rowsWith(['1', '0', undefined, '1']), names))).toEqual([
      ...['POSITIVE', 'NEGATIVE', undefined, 'POSITIVE'],
    ]);
  });

  it.each([
    ['one of them beside names', ['1', 'NEGATIVE'], names],
    ['one too large', ['1', '2'], names],
    ['classes that are called by other numbers', ['0', '1'], ['1', '2']],
  ])('stay as they are for %s', (_, labels, known) => {
    expect(withNames(rowsWith(labels), known)).toEqual(rowsWith(labels));
  });

  it('are refused where nobody has said what they mean, with what to do', () => {
    expect(messageOf(failureOf(() => datasetOf(rowsWith(['1', '0']), names)))).toBe(
      'some.tsv:2: expected a label known from training (NEGATIVE, POSITIVE), got "1". Write its name: which class a number means is known of models made elsewhere only.',
    );
  });
});

describe('datasetOf', () => {
  it('numbers every label by its place among the classes', () => {
    const labels = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1 });
    fc.assert(
      fc.property(labels, (some) => {
        const set = datasetOf(rowsWith(some), ['c', 'a', 'b']);
        expect(set.examples.map(({ label }) => set.labels[label])).toEqual(some);
      }),
      { seed: 1 },
    );
  });

  it('keeps texts, pairs, the name and the checksum', () => {
    const rows: Rows = { ...rowsWith([]), rows: [{ text: 'a', pair: 'b', label: 'x', line: 2 }] };
    const examples = [{ text: 'a', pair: 'b', label: 1 }];
    expect(datasetOf(rows, ['w', 'x'])).toEqual({
      task: 'sequence',
      name: 'some.tsv',
      labels: ['w', 'x'],
      examples,
      checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('names file, line and the known labels when one was not seen in training', () => {
    const error = failureOf(() => datasetOf(rowsWith(['a', 'b', 'z']), ['a', 'b']));
    expect(error).toBeInstanceOf(DataError);
    expect(error).toMatchObject({ file: 'some.tsv', line: 4 });
    expect(messageOf(error)).toBe('some.tsv:4: expected a label known from training (a, b), got "z".');
  });

  it('lists ten of many known labels and counts the rest', () => {
    const known = Array.from({ length: 77 }, (_, index) => `class-${index}`);
    expect(messageOf(failureOf(() => datasetOf(rowsWith(['z']), known)))).toContain('class-9 and 67 more)');
  });

  it('refuses a row without a label, with its line', () => {
    const error = failureOf(() => datasetOf(rowsWith(['a', undefined]), ['a', 'b']));
    expect(error).toMatchObject({ code: 'DATA', file: 'some.tsv', line: 3 });
  });
});

describe('setAside', () => {
  const textsOf = ({ examples }: LabelledSet): string[] =>
    examples.map((example) => ('text' in example ? example.text : example.words.join(' ')));
  const sets = fc
    .array(fc.record({ text: fc.string({ maxLength: 3 }), label: fc.constantFrom('a', 'b') }), {
      minLength: 2,
      maxLength: 60,
    })
    .map((rows): Rows => ({ file: 'some.tsv', rows: rows.map((row, line) => ({ ...row, line })), checksum: 'c0ffee' }));

  it('has every row on one side, as many aside as were asked or a few more, and the same text never on both', () => {
    fc.assert(
      fc.property(sets, fc.double({ min: 0, max: 0.5, noNaN: true }), (rows, share) => {
        const set = datasetOf(rows, ['a', 'b']);
        const count = Math.floor(share * set.examples.length);
        const { rest, aside } = setAside(set, count);
        expect([...textsOf(rest), ...textsOf(aside)].toSorted()).toEqual(textsOf(set).toSorted());
        expect(aside.examples.length).toBeGreaterThanOrEqual(count);
        const [last] = textsOf(aside).filter((text) => textsOf(rest).includes(text));
        expect(last).toBeUndefined();
        // Another order of the file is the same division, and what was found aside is found again by its own number.
        const shuffled = datasetOf({ ...rows, rows: rows.rows.toReversed() }, ['a', 'b']);
        expect(textsOf(setAside(shuffled, count).aside).toSorted()).toEqual(textsOf(aside).toSorted());
        if (aside.examples.length <= set.examples.length / 2)
          expect(setAside(set, aside.examples.length)).toEqual({ rest, aside });
        expect(joinSets(rest, aside).examples).toEqual([...rest.examples, ...aside.examples]);
      }),
    );
  });

  it('divides sentences as well', () => {
    const sentences = ['x', 'y', 'z', 'x'].map((word, line) => ({ words: [word], tags: ['B-a'], lines: [line + 1] }));
    const set = taggedDatasetOf({ file: 'some.conll', sentences, checksum: '' }, ['O', 'B-a']);
    const { rest, aside } = setAside(set, 1);
    expect(rest.examples.length + aside.examples.length).toBe(4);
    expect(rest.checksum).not.toBe(set.checksum);
    expect(setAside(set, 0).rest).toEqual(set);
  });

  it('refuses more than half of the rows', () => {
    const set = datasetOf(rowsWith(['a', 'b', 'a', 'b']), ['a', 'b']);
    expect(() => setAside(set, 3)).toThrow('set aside: expected at most half of the rows of some.tsv, 2, got 3');
  });
});

describe('tagged sentences', () => {
  const sentencesWith = (...tags: readonly string[]) => ({
    file: 'some.conll',
    sentences: [{ words: tags.map((_, at) => `word${at}`), tags, lines: tags.map((_, at) => at + 4) }],
    checksum: 'c0ffee',
  });

  it('have the outside tag first, also where the file has none of it', () => {
    expect(tagsOf(sentencesWith('I-b', 'O', 'B-b', 'B-a', 'O'))).toEqual(['O', 'B-a', 'B-b', 'I-b']);
    expect(tagsOf(sentencesWith('B-a'))).toEqual(['O', 'B-a']);
    expect(() => tagsOf(sentencesWith('O', 'O'))).toThrow('some.conll: expected tags of entities, got O at every word');
  });

  it('are numbered by the place of their tags', () => {
    const { task, examples } = taggedDatasetOf(sentencesWith('O', 'B-b', 'I-b'), ['O', 'B-b', 'I-b']);
    expect({ task, examples }).toEqual({
      task: 'tokens',
      examples: [{ words: ['word0', 'word1', 'word2'], labels: [0, 1, 2] }],
    });
  });

  it('are refused with the line of a tag that was not seen in training', () => {
    const failure = failureOf(() => taggedDatasetOf(sentencesWith('O', 'B-c'), ['O', 'B-b']));
    expect(failure).toBeInstanceOf(DataError);
    expect(messageOf(failure)).toBe('some.conll:5: expected a label known from training (O, B-b), got "B-c".');
  });
});
