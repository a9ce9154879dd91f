/**
 * The words of a text with their places in it, split as BERT's basic tokenizer does (Devlin et al. 2019, `BasicTokenizer`): at white space, every
 * punctuation mark and every Chinese character a word of its own. Case and accents stay, as the words point into the text.
 */

/** `text.slice(start, end)`, in UTF-16 units. */
export interface PlacedWord {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const SPACE = '\\t\\n\\r\\p{Zs}\\u2028\\u2029';
/** All of ASCII that is neither letter, digit nor blank counts, as in BERT. */
const PUNCTUATION = '!-\\/:-@\\[-`\\{-~\\p{P}';
/** The blocks of Chinese characters that BERT names, which leave out Hiragana, Katakana and Hangul. */
const CHINESE =
  '\\u4E00-\\u9FFF\\u3400-\\u4DBF\\u{20000}-\\u{2A6DF}\\u{2A700}-\\u{2CEAF}\\uF900-\\uFAFF\\u{2F800}-\\u{2FA1F}';

const WORD = new RegExp(`[${PUNCTUATION}${CHINESE}]|[^${SPACE}${PUNCTUATION}${CHINESE}]+`, 'gu');

/** Marks and controls alone: normalisation leaves nothing of them. */
const INVISIBLE = /^[\p{C}\p{Mn}\uFFFD]*$/u;

export function wordsIn(text: string): readonly PlacedWord[] {
  return Array.from(text.matchAll(WORD), ({ 0: word, index }) => ({
    text: word,
    start: index,
    end: index + word.length,
  })).filter((word) => !INVISIBLE.test(word.text));
}
