/** What the gates of an encoder are laid out over: they stand in one matrix per family, so every layer must be alike. */
import { ConfigError } from '../base/index.ts';
import type { EncoderConfig } from '../model/index.ts';

/** Sizes under their letters: hidden size, heads and units per layer, head size, layers. */
export interface UniformShape {
  readonly D: number;
  readonly H: number;
  readonly K: number;
  readonly F: number;
  readonly L: number;
}

/** The shape that all layers share. Throws ConfigError for an encoder that pruning has made uneven already. */
export function uniformShape({ hiddenSize, headSize, layers }: EncoderConfig): UniformShape {
  const [first] = layers;
  const alike = layers.every((l) => l.heads === first?.heads && l.intermediateSize === first.intermediateSize);
  if (first === undefined || first.heads === 0 || first.intermediateSize === 0 || !alike) {
    throw new ConfigError('prune', {
      expected: 'an encoder whose layers all have the same heads and feed-forward units, at least one of each',
      got: `heads/units ${layers.map((l) => `${l.heads}/${l.intermediateSize}`).join(' ') || 'of no layer'}`,
      hint: 'Start from the model before it was pruned.',
    });
  }
  return { D: hiddenSize, H: first.heads, K: headSize, F: first.intermediateSize, L: layers.length };
}
