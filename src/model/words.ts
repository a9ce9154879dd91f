/**
 * The words of a text with their places in it, as tagged files have them: runs without white space, off whose ends punctuation is cut. Marks within
 * a word stay (`can't`, `x.y/z`), as does what begins a name or ends an abbreviation (`@user`, `U.S.`); case and accents, too. A model is
 * trained on the first piece of such a word alone: cut at every mark, words would be tagged at pieces that were never trained.
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
/** Long dashes and the ellipsis stand between words, also without blanks. */
const BREAKS = '\\u2014\\u2015\\u2026';
const RUN = new RegExp(`[${BREAKS}]+|[^${SPACE}${BREAKS}]+`, 'gu');
/** A mark, again and again (`!!!`), or what is between marks. */
const PIECE = new RegExp(`([${PUNCTUATION}])\\1*|[^${PUNCTUATION}]+`, 'gu');

/** The blocks of Chinese characters that BERT names, which leave out Hiragana, Katakana and Hangul. */
const CHINESE =
  '\\u4E00-\\u9FFF\\u3400-\\u4DBF\\u{20000}-\\u{2A6DF}\\u{2A700}-\\u{2CEAF}\\uF900-\\uFAFF\\u{2F800}-\\u{2FA1F}';
/** Of scripts that are written without spaces, and their marks, some of which have a width of their own. */
const UNSPACED_SCRIPTS = ['Han', 'Hira', 'Kana', 'Bopo', 'Yiii', 'Thai', 'Laoo', 'Khmr', 'Mymr', 'Tibt'];
const UNSPACED = new RegExp(
  `[${CHINESE}\\u3000-\\u303F\\uFF00-\\uFFEF${UNSPACED_SCRIPTS.map((name) => `\\p{sc=${name}}`).join('')}]`,
  'u',
);
/** What BERT's basic tokenizer splits at (Devlin et al. 2019, `BasicTokenizer`): every mark and every Chinese character is a word. */
const BASIC = new RegExp(`[${PUNCTUATION}${CHINESE}]|[^${PUNCTUATION}${CHINESE}]+`, 'gu');

/** Marks and controls alone: normalisation leaves nothing of them. */
const INVISIBLE = /^[\p{C}\p{Mn}\uFFFD]*$/u;

export function wordsIn(text: string): readonly PlacedWord[] {
  return placesOf(RUN, text).flatMap((run) => {
    const isUnspaced = UNSPACED.test(run.text);
    const pieces = placesOf(isUnspaced ? BASIC : PIECE, run.text, run.start).filter(
      (each) => !INVISIBLE.test(each.text),
    );
    return isUnspaced ? pieces : joined(pieces, text);
  });
}

function placesOf(pattern: RegExp, text: string, offset = 0): PlacedWord[] {
  return Array.from(text.matchAll(pattern), ({ 0: found, index }) => ({
    text: found,
    start: offset + index,
    end: offset + index + found.length,
  }));
}

const MARK = new RegExp(`^[${PUNCTUATION}]`, 'u');
/** Letters with full stops after one or two each, at least twice: `U.S.`, `Ph.D.`, but no `example.com.` */
const ABBREVIATION = /^(?:(?:\p{L}\p{M}*){1,2}\.){2,}$/u;

/** The pieces of a run with all that is between its ends as one word. */
function joined(pieces: readonly PlacedWord[], text: string): readonly PlacedWord[] {
  const from = pieces.findIndex((piece, at) => !MARK.test(piece.text) || beginsName(piece, pieces[at + 1]));
  const [first, last] = [pieces[from], pieces.findLastIndex((piece) => !MARK.test(piece.text))];
  if (first === undefined) return pieces;
  const wordTo = (at: number): string => text.slice(first.start, pieces[at]?.end);
  const to = pieces[last + 1]?.text === '.' && ABBREVIATION.test(wordTo(last + 1)) ? last + 1 : last;
  const word = { text: wordTo(to), start: first.start, end: pieces[to]?.end as number };
  return [...pieces.slice(0, from), word, ...pieces.slice(to + 1)];
}

function beginsName({ text }: PlacedWord, next: PlacedWord | undefined): boolean {
  return (text === '@' || text === '#') && /^[\p{L}\p{N}]/u.test(next?.text ?? '');
}
