/** How well an encoder tells words of held-out text from all others of the vocabulary. */
import type { ParameterTree, Tensor } from '../base/index.ts';
import { closing } from '../infer/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs, wordDecoder } from '../model/index.ts';
import { features, instancesOf } from '../mux/index.ts';
import { compile, type Placement, type Session } from '../runtime/index.ts';
import { maskedFeeds, tellMasked } from './masked-language.ts';
import type { MaskedBatch } from './masking.ts';
import { languageModelShapes } from './word-prediction.ts';

/** Of masked words; and of the same words when nothing is masked, which of several instances must be told apart to know. */
export interface LanguageEvaluation {
  /** Mean cross-entropy of masked words, in nats. */
  readonly loss: number;
  /** Share of masked words that are told right. */
  readonly accuracy: number;
  /** Positions that each figure is the mean of. */
  readonly positions: number;
  /** Share of words that are told right when they are there to be read; null of texts alone. */
  readonly retrievalAccuracy: number | null;
  /** The same for the rows of each slot: [N] */
  readonly retrievalAccuracyBySlot: readonly number[] | null;
}

/** Sums over positions of the rows in one slot. */
interface Sums {
  loss: number;
  hits: number;
  count: number;
}

const total = (slots: readonly Sums[], field: keyof Sums): number => slots.reduce((sum, slot) => sum + slot[field], 0);

/** The full softmax, without dropout, over batches of one shape. */
export async function evaluateLanguage(
  config: ModelConfig,
  parameters: ParameterTree,
  batches: readonly [MaskedBatch, ...MaskedBatch[]],
  placement: Placement,
): Promise<LanguageEvaluation> {
  const weights = Object.fromEntries(parameters);
  const [masked, read] = await closing(await openReader(config, batches[0], placement), async (session) => {
    const measure = (idsOf: (batch: MaskedBatch) => Tensor): Promise<Sums[]> =>
      sumOver(batches, instancesOf(config), (batch) =>
        session.run({ ...weights, ...tokenFeeds(batch, idsOf(batch)), ...maskedFeeds(batch, batch) }),
      );
    const sums = await measure(({ ids }) => ids);
    return [sums, config.mux && (await measure(({ original }) => original))] as const;
  });
  const positions = total(masked, 'count');
  return {
    loss: total(masked, 'loss') / positions,
    accuracy: total(masked, 'hits') / positions,
    positions,
    retrievalAccuracy: read ? total(read, 'hits') / total(read, 'count') : null,
    retrievalAccuracyBySlot: read?.map(({ hits, count }) => hits / count) ?? null,
  };
}

/** The model over batches of that shape: losses and hits of the positions that are asked. */
function openReader(config: ModelConfig, { rows, tokens }: MaskedBatch, placement: Placement): Promise<Session> {
  const p = parametersFrom(parameterInputs(languageModelShapes(config)));
  const told = tellMasked({
    features: features(tokenInputs(rows, tokens), config, p, 'all'),
    decoder: wordDecoder(p),
    ...{ encoder: config.encoder, p },
  });
  return compile({ outputs: { ...told } }, placement);
}

function tokenFeeds({ mask, types }: MaskedBatch, ids: Tensor): Record<string, Tensor> {
  return { input_ids: ids, attention_mask: mask, token_type_ids: types };
}

/** Sums by slot; every row asks as many positions, those of no weight included. */
async function sumOver(
  batches: readonly MaskedBatch[],
  instances: number,
  run: (batch: MaskedBatch) => Promise<Readonly<Record<string, Tensor>>>,
): Promise<Sums[]> {
  const slots = Array.from({ length: instances }, (): Sums => ({ loss: 0, hits: 0, count: 0 }));
  for (const batch of batches) {
    const { losses, hits } = await run(batch);
    const perRow = batch.positions.data.length / batch.rows;
    batch.weights.data.forEach((weight, at) => {
      const sums = slots[Math.floor(at / perRow) % instances] as Sums;
      sums.loss += weight * Number(losses?.data[at]);
      sums.hits += weight * Number(hits?.data[at]);
      sums.count += weight;
    });
  }
  return slots;
}
