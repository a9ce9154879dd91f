/** The parts of a layer, its heads and its units: where each family stands in the graph, and which weights carry it back into the states. */
import { dims, type Node, product, reshape, transpose } from '../graph/index.ts';
import type { EncoderConfig } from '../model/index.ts';
import { uniformShape } from './uniform-shape.ts';

export const PART_FAMILIES = ['heads', 'intermediate'] as const;
export type PartFamily = (typeof PART_FAMILIES)[number];

/** One thing per family. */
export type LayerParts<T> = Readonly<Record<PartFamily, T>>;

/** One thing per family, made alike. */
export function eachFamily<T>(make: (family: PartFamily) => T): LayerParts<T> {
  return { heads: make('heads'), intermediate: make('intermediate') };
}

/** The parts of one sub-layer, n of them. */
export interface Parts {
  readonly family: PartFamily;
  /** The layer. */
  readonly at: number;
  /** n: H or F */
  readonly count: number;
  /** Outputs of a part: K of a head, 1 of a unit. */
  readonly width: number;
  /** The site where gates multiply: heads [X, H, T, K], units [X·T, F], of X sequences. */
  readonly site: string;
  /** The site of the norm that ends the sub-layer. */
  readonly norm: string;
  /** Name of the weight that reads them: [D, n·width] */
  readonly weight: string;
}

/** The parts of every sub-layer, in the order of the forward pass. Throws ConfigError for an encoder whose layers differ. */
export function partsOf(config: EncoderConfig): Parts[] {
  const { H, K, F } = uniformShape(config);
  return config.layers.flatMap((_, at): Parts[] => {
    const [layer, sites] = [`bert.encoder.layer.${at}`, `layer.${at}`];
    const heads = { site: `${sites}.heads`, norm: `${sites}.attention.norm` };
    const units = { site: `${sites}.ffn.units`, norm: `${sites}.ffn.norm` };
    return [
      { family: 'heads', at, count: H, width: K, ...heads, weight: `${layer}.attention.output.dense.weight` },
      { family: 'intermediate', at, count: F, width: 1, ...units, weight: `${layer}.output.dense.weight` },
    ];
  });
}

/** Outputs of parts side by side, as the weight reads them: of heads [X, H, T, K] -> [X·T, H·K]; of units [X·T, F], as they are. */
export function sideBySide(outputs: Node): Node {
  if (outputs.shape.length === 2) return outputs;
  const { X, H, T, K } = dims(outputs, 'X H T K');
  return reshape(transpose(outputs, [0, 2, 1, 3]), [product([X, T]), product([H, K])]);
}
