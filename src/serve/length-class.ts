/**
 * Classes of lengths: rows of about as many tokens wait together. Texts are tokenized later, in the workers, so their tokens are estimated by what
 * they are made of; a pass puts the rows that it has in the order of their true lengths.
 */

/** Powers of two, of so many tokens at least: few, so that passes are full. */
export const SHORTEST_CLASS = 16;

/**
 * What a character takes of a token, in fifths. English has about five characters to a token, blanks counted; marks are tokens, and so is each Chinese
 * character. Other alphabets are taken for English, of which a vocabulary like BERT's makes two or three times as many tokens of them.
 */
const LETTER = 1;
const DIGIT = 2;
const SIGN = 5;

/** Dashes, curly quotes, ellipses. */
const MARKS = { first: 0x2010, last: 0x206f };
/** Chinese characters, and what comes after them: kana, Hangul, and halves of emoji, which are counted as tokens though some are fewer. */
const FIRST_IDEOGRAPH = 0x2e80;
/** [CLS], and [SEP] after each text. */
const SPECIAL_TOKENS = 2;

/** The class of a row of these texts, of rows that have at most so many tokens. No more characters are looked at than that takes. */
export function lengthClassOf(
  { text, pair = '' }: { readonly text: string; readonly pair?: string },
  most: number,
): number {
  const own = fifthsOf(text, 5 * most);
  const tokens = SPECIAL_TOKENS + (pair === '' ? 0 : 1) + (own + fifthsOf(pair, 5 * most - own)) / 5;
  return Math.min(2 ** Math.ceil(Math.log2(Math.max(SHORTEST_CLASS, tokens))), most);
}

function fifthsOf(text: string, most: number): number {
  let fifths = 0;
  for (let at = 0; at < text.length && fifths < most; at++) fifths += weightOf(text.charCodeAt(at));
  return fifths;
}

function weightOf(code: number): number {
  if (code >= FIRST_IDEOGRAPH || (code >= MARKS.first && code <= MARKS.last)) return SIGN;
  if (code >= 128) return LETTER;
  if (code >= 48 && code < 58) return DIGIT;
  const isLetter = (code >= 97 && code < 123) || (code >= 65 && code < 91);
  return isLetter || code <= 32 ? LETTER : SIGN;
}
