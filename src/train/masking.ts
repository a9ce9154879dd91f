/**
 * Dynamic masking for masked-language modelling (BERT, Devlin et al. 2019, section 3.1; drawn anew at every visit as in RoBERTa, Liu et al. 2019,
 * section 4.1): a share of the tokens of a row, 15 % there, are to be predicted; of these 80 % are hidden behind [MASK], 10 % become a random word, 10 % stay.
 */
import { float32, int64, type Random, type Tensor } from '../base/index.ts';
import { type Encoding, padBatch, type Tokenizer } from '../model/index.ts';

export const MASKED_SHARE = 0.15;
const HIDDEN_SHARE = 0.8;
const REPLACED_SHARE = 0.1;

/** How much is masked, and what masking needs to know of the vocabulary. */
export interface Masking {
  /** Of the tokens of a row. */
  readonly share: number;
  readonly padId: number;
  readonly maskId: number;
  readonly vocabularySize: number;
  /** [CLS] and [SEP], which are never predicted. */
  readonly specialIds: ReadonlySet<number>;
}

/** [CLS] and [SEP], which every row has. */
export function specialIdsOf(tokenizer: Tokenizer): ReadonlySet<number> {
  return new Set(tokenizer.encode('').ids);
}

/** With BERT's share. */
export function maskingOf(tokenizer: Tokenizer): Masking {
  const { padId, maskId, vocabularySize } = tokenizer;
  return { share: MASKED_SHARE, padId, maskId, vocabularySize, specialIds: specialIdsOf(tokenizer) };
}

/** How many of so many tokens are predicted: a fixed number, so that shapes are; at least one. */
export function maskedCount(tokens: number, { share }: Pick<Masking, 'share'>): number {
  return Math.min(tokens, Math.max(1, Math.round(share * tokens)));
}

/** A row with some tokens masked, where they are in it, and what they were. */
export interface MaskedRow {
  readonly ids: readonly number[];
  readonly positions: readonly number[];
  readonly targets: readonly number[];
}

export function maskRow(ids: readonly number[], masking: Masking, draws: Random): MaskedRow {
  const candidates = ids.flatMap((id, position) => (masking.specialIds.has(id) ? [] : [position]));
  const positions = draws.shuffle(candidates).slice(0, maskedCount(candidates.length, masking));
  const masked = [...ids];
  for (const position of positions) masked[position] = maskedId(ids[position] as number, masking, draws);
  return { ids: masked, positions, targets: positions.map((position) => ids[position] as number) };
}

function maskedId(id: number, { maskId, vocabularySize }: Masking, draws: Random): number {
  const draw = draws.uniform();
  if (draw < HIDDEN_SHARE) return maskId;
  return draw < HIDDEN_SHARE + REPLACED_SHARE ? draws.integer(vocabularySize) : id;
}

/** Masked rows as one batch of R rows and T tokens, with M positions to predict; ids are those of the vocabulary. */
export interface MaskedBatch {
  readonly rows: number;
  readonly tokens: number;
  /** [R, T] each */
  readonly ids: Tensor<'int64'>;
  /** What the ids were before masking. */
  readonly original: Tensor<'int64'>;
  readonly mask: Tensor<'int64'>;
  readonly types: Tensor<'int64'>;
  /** Places in the R·T positions of the batch: [M] */
  readonly positions: Tensor<'int64'>;
  /** The words there: [M] */
  readonly targets: Tensor<'int64'>;
  /** 1, or 0 where a row is too short to have so many: [M] */
  readonly weights: Tensor<'float32'>;
}

/** The special tokens of a row: [CLS] and [SEP]. */
const SPECIAL_TOKENS = 2;

export function maskBatch(
  encodings: readonly Encoding[],
  tokens: number,
  masking: Masking,
  draws: Random,
): MaskedBatch {
  const masked = encodings.map(({ ids }) => maskRow(ids, masking, draws));
  const padded = padBatch(encodings, masking.padId, tokens);
  const slots = maskedCount(tokens - SPECIAL_TOKENS, masking);
  // A slot that is not needed points at the first token, with a weight of 0.
  const filled = masked.flatMap(({ positions, targets }, row) =>
    Array.from({ length: slots }, (_, slot) => ({
      position: row * tokens + (positions[slot] ?? 0),
      target: targets[slot] ?? (masked[0]?.ids[0] as number),
      weight: slot < positions.length ? 1 : 0,
    })),
  );
  const shape = [padded.rows, tokens];
  const hidden = padded.ids.slice();
  masked.forEach(({ ids }, row) => {
    hidden.set(ids.map(BigInt), row * tokens);
  });
  const perSlot = (read: (slot: (typeof filled)[number]) => number): number[] => filled.map(read);
  return {
    rows: padded.rows,
    tokens,
    ids: { dtype: 'int64', shape, data: hidden },
    original: { dtype: 'int64', shape, data: padded.ids },
    mask: { dtype: 'int64', shape, data: padded.mask },
    types: { dtype: 'int64', shape, data: padded.types },
    positions: int64(
      perSlot(({ position }) => position),
      [filled.length],
    ),
    targets: int64(
      perSlot(({ target }) => target),
      [filled.length],
    ),
    weights: float32(
      perSlot(({ weight }) => weight),
      [filled.length],
    ),
  };
}
