/**
 * Rescaling what is kept, sub-layer by sub-layer: the states of the dense and of the pruned model are carried side by side over the calibration
 * rows, and each sub-layer's scales make up for what was lost up to there. The formulas are in `prune/rescale.ts`.
 */
import { assert, type FloatTensor, float32, type ParameterTree, parameterOf, type Tensor } from '../base/index.ts';
import {
  attach,
  cast,
  dims,
  input,
  is,
  mul,
  type Node,
  product,
  quotient,
  reshape,
  type SiteHandler,
  siteOf,
  sitesOf,
  slice,
  sub,
} from '../graph/index.ts';
import { batchFeeds, closing } from '../infer/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, type TokenInputs, tokenInputs } from '../model/index.ts';
import { classifier, instancesOf, layerMasks, modelShapes } from '../mux/index.ts';
import {
  eachFamily,
  type HardGates,
  type Moments,
  momentsOf,
  type Parts,
  partsOf,
  type Rescaled,
  rescale,
  type Scales,
  sideBySide,
  unitScales,
} from '../prune/index.ts';
import { compile, type EmitOptions } from '../runtime/index.ts';
import { type Calibration, oneByOne } from './calibration.ts';

const DENSE = 'states.dense';
const PRUNED = 'states.pruned';
const SCALES = 'scales';
const COUNTED = 'rows.counted';

/** A sub-layer with the site where its input stands; none for the first, which starts from token ids. */
interface SubLayer {
  readonly parts: Parts;
  readonly after: string | undefined;
}

/** What a model computes in a sub-layer. */
interface Pass {
  /** Of its parts: [X·T, e] */
  readonly outputs: Node;
  /** What its norm reads, and gives: [X·T, D] */
  readonly sum: Node;
  readonly states: Node;
}

/** Outputs of parts times their scales: heads [X, H, T, K] x [H], or units [X·T, F] x [F]. */
function scaled(outputs: Node, scales: Node): Node {
  const inner = outputs.shape.length - 2;
  return mul(outputs, reshape(scales, [...scales.shape, ...new Array<number>(inner).fill(1)]));
}

/** A sub-layer of a model whose earlier states are given under a name, with scales for its parts where it is pruned. */
function passThrough(logits: Node, { parts, after }: SubLayer, states: string, scales?: Node): Pass {
  const start: SiteHandler = (name, x) => (name === after ? input(states, x.shape) : undefined);
  const scale: SiteHandler = (name, x) => (scales && name === parts.site ? scaled(x, scales) : undefined);
  const sites = sitesOf(attach([logits], [start, scale]));
  const normed = siteOf(sites, parts.norm);
  const norm = normed.inputs[0] as Node;
  assert(is(norm, 'layerNorm'), `a layer norm at its site, not ${norm.op}`);
  return { outputs: sideBySide(siteOf(sites, parts.site)), sum: norm.inputs[0] as Node, states: normed };
}

/** Positions of a sub-layer that count, of rows that count: [X·T, 1], or of its first positions where it computes no more. */
function countedPositions(inputs: TokenInputs, config: ModelConfig, { at }: Parts, sum: Node): Node {
  const { R } = dims(inputs.mask, 'R T');
  const real = mul(cast(inputs.mask, 'float32'), reshape(input(COUNTED, [R]), [R, 1]));
  const mask = layerMasks(real, config)[at] as Node;
  const { X } = dims(mask, 'X T');
  const [rows = 0] = sum.shape;
  const positions = quotient(rows, X);
  assert(positions !== undefined, `states of ${X} sequences`);
  return reshape(slice(mask, 1, 0, positions), [rows, 1]);
}

/** Graphs of a sub-layer for batches of any size: what is measured in it, and the pruned model's next states. */
function subLayerGraphs(config: ModelConfig, subLayer: SubLayer) {
  const { parts } = subLayer;
  const inputs = tokenInputs(product([instancesOf(config), 'B']), 'T');
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const logits = classifier(inputs, config, p);
  const dense = passThrough(logits, subLayer, DENSE);
  const pruned = passThrough(logits, subLayer, PRUNED, input(SCALES, [parts.count]));
  const moments = momentsOf({
    outputs: pruned.outputs,
    residual: sub(dense.sum, pruned.sum),
    counted: countedPositions(inputs, config, parts, pruned.sum),
    weight: p(parts.weight),
  });
  const sizes = Object.values(inputs); // what B and T are read from, where states are all that a graph reads
  return {
    measured: { outputs: { ...moments, dense: dense.states }, inputs: sizes },
    advanced: { outputs: { pruned: pruned.states }, inputs: sizes },
  };
}

const MOMENTS = ['outputs', 'residual', 'squares'] as const satisfies readonly (keyof Moments<unknown>)[];

/** Sums over batches, in float64. */
function addMoments(sums: Map<string, Float64Array>, results: Readonly<Record<string, Tensor>>): void {
  for (const name of MOMENTS) {
    const { data } = results[name] as FloatTensor;
    const sum = sums.get(name) ?? new Float64Array(data.length);
    for (let at = 0; at < data.length; at++) sum[at] = (sum[at] as number) + (data[at] as number);
    sums.set(name, sum);
  }
}

/** The calibration rows on their way through both models. */
class Walk {
  private readonly config: ModelConfig;
  private readonly parameters: ParameterTree;
  private readonly calibration: Calibration;
  /** The states that both models have reached in each batch, by name. */
  private readonly states: Record<string, Tensor>[];

  constructor({ config, parameters }: DenseModel, calibration: Calibration) {
    this.config = config;
    this.parameters = parameters;
    this.calibration = calibration;
    this.states = calibration.batches.map(() => ({}));
  }

  /** Takes all batches through a sub-layer of which those parts are kept, with the scales that suit them best. */
  async pass(subLayer: SubLayer, kept: readonly number[]): Promise<Rescaled> {
    const { parts } = subLayer;
    const { measured, advanced } = subLayerGraphs(this.config, subLayer);
    const sums = new Map<string, Float64Array>();
    const dense: Tensor[] = [];
    await this.run(measured, unitScales(kept, parts.count), (results, at) => {
      addMoments(sums, results);
      dense[at] = results.dense as Tensor;
    });
    const [outputs, residual, squares] = MOMENTS.map((name) => sums.get(name)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const rescaled = rescale({ outputs, residual, squares }, parameterOf(this.parameters, parts.weight), kept, parts);
    await this.run(advanced, rescaled.scales, ({ pruned }, at) => {
      this.states[at] = { [DENSE]: dense[at] as Tensor, [PRUNED]: pruned as Tensor };
    });
    return rescaled;
  }

  private async run(
    graph: EmitOptions,
    scales: Float64Array,
    use: (results: Readonly<Record<string, Tensor>>, at: number) => void,
  ): Promise<void> {
    const { set, batches, placement } = this.calibration;
    const shared = {
      ...Object.fromEntries(this.parameters),
      [SCALES]: float32(Float32Array.from(scales), [scales.length]),
    };
    const session = await compile(graph, placement);
    await closing(session, async () => {
      for (const [at, plan] of batches.entries()) {
        const rows = { [COUNTED]: float32(plan.weights, [plan.weights.length]) };
        const feeds = { ...batchFeeds(set.encodings, plan, set.padId), ...rows, ...this.states[at] };
        use(await session.run({ ...shared, ...feeds }), at);
      }
    });
  }
}

interface DenseModel {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
}

/** The scales of all parts, 0 for those that are not kept: those under which the pruned model's states stay nearest to the dense one's. */
export async function rescaleParts(model: DenseModel, kept: HardGates, calibration: Calibration): Promise<Scales> {
  const all = partsOf(model.config.encoder);
  const walk = new Walk(model, calibration);
  const found = new Map<Parts, Float64Array>();
  await oneByOne('rescaling', all, calibration, async (parts) => {
    const indices = kept.layers[parts.at]?.[parts.family] ?? [];
    const { scales } = await walk.pass({ parts, after: all[all.indexOf(parts) - 1]?.norm }, indices);
    found.set(parts, scales);
  });
  return model.config.encoder.layers.map((_, layer) =>
    eachFamily((family) => {
      const parts = all.find((each) => each.at === layer && each.family === family);
      return found.get(parts as Parts) as Float64Array;
    }),
  );
}
