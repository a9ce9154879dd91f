/**
 * Classes of lengths: rows of about as many tokens wait together. Texts are tokenized later, in the workers, so their tokens are estimated by what
 * they are made of; a pass puts the rows that it has in the order of their true lengths.
 */

/** Powers of two, of so many tokens at least: few, so that passes are full. */
export const SHORTEST_CLASS = 16;

/** What a character takes of a token, in fifths: English words have about five to a token, with blanks; signs of their own are a token each. */
const LETTER = 1;
const DIGIT = 2;
const SIGN = 5;

/** From here on come the scripts whose signs are tokens: Chinese, Japanese and Korean; and emoji. */
const FIRST_SIGN = 0x2e80;
/** Of a text, [CLS] and [SEP]. */
const SPECIAL_TOKENS = 2;

/** The class of a row of these texts, of rows that have at most so many tokens. No more characters are looked at than that takes. */
export function lengthClassOf(
  { text, pair = '' }: { readonly text: string; readonly pair?: string },
  most: number,
): number {
  const own = fifthsOf(text, 5 * most);
  const tokens = SPECIAL_TOKENS + (own + fifthsOf(pair, 5 * most - own)) / 5;
  return Math.min(2 ** Math.ceil(Math.log2(Math.max(SHORTEST_CLASS, tokens))), most);
}

function fifthsOf(text: string, most: number): number {
  let fifths = 0;
  for (let at = 0; at < text.length && fifths < most; at++) fifths += weightOf(text.charCodeAt(at));
  return fifths;
}

function weightOf(code: number): number {
  if (code >= FIRST_SIGN) return SIGN;
  if (code >= 128) return LETTER;
  if (code >= 48 && code < 58) return DIGIT;
  const isLetter = (code >= 97 && code < 123) || (code >= 65 && code < 91);
  return isLetter || code <= 32 ? LETTER : SIGN;
}
