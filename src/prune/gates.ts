/**
 * Gates: one number in [0, 1] per hidden dimension, attention sub-layer, head, feed-forward sub-layer and feed-forward unit. While
 * pruning they are random, hard-concrete (Louizos et al. 2018), and what is learned is their `logAlpha`.
 * Paper: Structured Pruning Learns Compact and Accurate Models (CoFi; Xia et al. 2022), section 3.1 and appendix A - https://arxiv.org/abs/2204.00408
 */
import { type FloatTensor, float32, type ParameterTree, type Random, random, sizeOf } from '../base/index.ts';
import { add, clip, log, mul, type Node, sigmoid, sub } from '../graph/index.ts';
import type { EncoderConfig, ParameterShapes, Parameters } from '../model/index.ts';
import { uniformShape } from './uniform-shape.ts';

/** The five families (the paper's z): hidden [D], attention [L], heads [L, H], ffn [L], intermediate [L, F]. */
export const GATE_FAMILIES = ['hidden', 'attention', 'heads', 'ffn', 'intermediate'] as const;
export type GateFamily = (typeof GATE_FAMILIES)[number];

/** A node per family: of logAlpha, of noise, or of gates. */
export type GateNodes = Readonly<Record<GateFamily, Node>>;

/** What a tree of gates holds, and the prefix of its names: the learned logAlpha, a step's noise, or gates decided as 0 or 1. */
export const GATE_TREES = { logAlpha: 'gates', noise: 'gates.noise', hard: 'gates.hard' } as const;
export type GateTree = keyof typeof GATE_TREES;

/** β; the interval that y ∈ (0, 1) is stretched to; and how near noise comes to 0 and 1. */
export const HARD_CONCRETE = { temperature: 2 / 3, low: -0.1, high: 1.1, epsilon: 1e-6 } as const;

/** logAlpha is held within ± this after every step, where a gate opens with probability 0.998 and 0.047. */
export const LOG_ALPHA_LIMIT = Math.log(100);

/** Where P(z > 0) is one half: β log(-low / high). */
const THRESHOLD = HARD_CONCRETE.temperature * Math.log(-HARD_CONCRETE.low / HARD_CONCRETE.high);

export const gateName = (family: GateFamily, tree: GateTree = 'logAlpha'): string => `${GATE_TREES[tree]}.${family}`;

/** Names and shapes of the five families. Throws ConfigError for an encoder whose layers differ. */
export function gateShapes(config: EncoderConfig, tree: GateTree = 'logAlpha'): ParameterShapes {
  const { D, H, F, L } = uniformShape(config);
  const shapes = { hidden: [D], attention: [L], heads: [L, H], ffn: [L], intermediate: [L, F] };
  return new Map(GATE_FAMILIES.map((family) => [gateName(family, tree), shapes[family]]));
}

/** One thing per family. */
function each<T>(make: (family: GateFamily) => T): Record<GateFamily, T> {
  const entries = GATE_FAMILIES.map((family) => [family, make(family)] as const);
  return Object.fromEntries(entries) as Record<GateFamily, T>;
}

/** The five nodes of a tree, by name. */
export function gateNodes(p: Parameters, tree: GateTree = 'logAlpha'): GateNodes {
  return each((family) => p(gateName(family, tree)));
}

/** z = clip(y (high - low) + low, 0, 1),  y = σ((log u - log(1 - u) + logAlpha) / β): [...], [...] -> [...] */
export function sampleGate(logAlpha: Node, uniform: Node): Node {
  const { temperature, low, high } = HARD_CONCRETE;
  const noise = sub(log(uniform), log(sub(1, uniform)));
  const y = sigmoid(mul(add(noise, logAlpha), 1 / temperature));
  return clip(add(mul(y, high - low), low), 0, 1);
}

export function sampleGates(logAlpha: GateNodes, uniform: GateNodes): GateNodes {
  return each((family) => sampleGate(logAlpha[family], uniform[family]));
}

/** P(z > 0) = σ(logAlpha - β log(-low / high)): [...] -> [...] */
export function keepProbability(logAlpha: Node): Node {
  return sigmoid(sub(logAlpha, THRESHOLD));
}

/** P(z > 0) of one gate, on the host. */
export function keepProbabilityOf(logAlpha: number): number {
  return 1 / (1 + Math.exp(THRESHOLD - logAlpha));
}

const clamped = (logAlpha: number): number => Math.max(-LOG_ALPHA_LIMIT, Math.min(LOG_ALPHA_LIMIT, logAlpha));

/** Holds the gates among parameters within their limits, in place: after the optimiser's update. */
export function clampLogAlpha(parameters: ParameterTree): void {
  for (const family of GATE_FAMILIES) {
    const data = parameters.get(gateName(family))?.data;
    data?.forEach((value, at) => {
      data[at] = clamped(value);
    });
  }
}

/** The numbers that `sampleGate` wants for one step: uniform in (ε, 1 - ε). */
export function gateNoise(config: EncoderConfig, draws: Random): ParameterTree {
  const { epsilon } = HARD_CONCRETE;
  return filled(gateShapes(config, 'noise'), () => epsilon + (1 - 2 * epsilon) * draws.uniform());
}

export interface GateStart {
  /**
   * Whether feed-forward units start open, as all else does. The published code starts them at logAlpha 0 (P(z > 0) = 0.83), so
   * that the expected sparsity of BERT-base starts at 11 % and not at 0; its author calls that "mostly a typo" without much effect.
   */
  readonly openUnits: boolean;
}

/**
 * The published start: logAlpha ~ N(10, 0.01²), for feed-forward units N(0, 0.01²).
 * Departs from the paper's code: clamped at once and not only after the first step, so that the first step is like all others.
 */
export function initialLogAlpha(
  config: EncoderConfig,
  seed: number,
  { openUnits }: GateStart = { openUnits: false },
): ParameterTree {
  const draws = random(seed, 'gates');
  const units = gateName('intermediate');
  return filled(gateShapes(config), (name) => {
    const mean = name === units && !openUnits ? 0 : 10;
    return clamped(mean + 0.01 * draws.normal());
  });
}

function filled(shapes: ParameterShapes, draw: (name: string) => number): ParameterTree {
  return new Map(
    Array.from(shapes, ([name, shape]): [string, FloatTensor] => {
      const values = Float32Array.from({ length: sizeOf(shape) }, () => draw(name));
      return [name, float32(values, shape)];
    }),
  );
}
