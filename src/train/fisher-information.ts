/** Measures the Fisher information of a trained model's gates on labelled rows; the formulas are in `prune/fisher.ts`. */
import { assert, type FloatTensor, float32, type ParameterTree, sizeOf } from '../base/index.ts';
import { add, clip, crossEntropy, div, input, mul, type Node, reduceSum } from '../graph/index.ts';
import { batchFeeds } from '../infer/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../model/index.ts';
import { classifier, instancesOf, modelShapes } from '../mux/index.ts';
import { eachFamily, type Fisher, fisherBlocks, type Parts, partsOf } from '../prune/index.ts';
import { compile, type Placement, type Session } from '../runtime/index.ts';
import { type Calibration, oneByOne } from './calibration.ts';
import { trainingFeeds } from './encoded-set.ts';

const blockName = ({ at, family }: Pick<Parts, 'at' | 'family'>): string => `fisher.${at}.${family}`;

const afterBatch = (name: string): string => `${name}/next`;

/**
 * Σ over rows of the cross-entropy with the label; of a sentence the mean over its words, so that rows count alike: [R, C], [R], [R] -> [],
 * or [R, T, C], [R, T], [R, T] -> [].
 */
function summedLoss(logits: Node, labels: Node, weights: Node): Node {
  const losses = mul(crossEntropy(logits, labels), weights);
  if (weights.shape.length === 1) return reduceSum(losses, [0]);
  const words = clip(reduceSum(weights, [1]), 1, Number.MAX_SAFE_INTEGER); // a filler has none
  return reduceSum(div(reduceSum(losses, [1]), words), [0]);
}

/** What one batch adds to the blocks, as a graph for that many tokens. */
function compileBatch(
  config: ModelConfig,
  labelled: readonly number[],
  tokens: number,
  placement: Placement,
): Promise<Session> {
  const [R = 0] = labelled;
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const logits = classifier(tokenInputs(R, tokens), config, p);
  const loss = summedLoss(logits, input('batch.labels', labelled, 'int64'), input('batch.weights', labelled));
  const blocks = fisherBlocks(loss, config.encoder, R / instancesOf(config));
  const sums = partsOf(config.encoder).map((parts, at): [string, Node] => {
    const block = blocks[at] as Node;
    return [afterBatch(blockName(parts)), add(input(blockName(parts), block.shape), block)];
  });
  return compile({ outputs: Object.fromEntries(sums) }, placement);
}

function zeroBlocks(config: ModelConfig): Record<string, FloatTensor> {
  const blocks = partsOf(config.encoder).map((parts): [string, FloatTensor] => {
    const shape = [parts.count, parts.count];
    return [blockName(parts), float32(new Float32Array(sizeOf(shape)), shape)];
  });
  return Object.fromEntries(blocks);
}

/** The Fisher information of a model's heads and units over the calibration rows, from one forward and backward pass of each. */
export async function measureFisher(
  { config, parameters }: { readonly config: ModelConfig; readonly parameters: ParameterTree },
  calibration: Calibration,
): Promise<Fisher> {
  const { set, batches, placement } = calibration;
  const sessions = new Map<number, Session>();
  let blocks = zeroBlocks(config);
  try {
    await oneByOne('Fisher information', batches, calibration, async (plan) => {
      const feeds = { ...trainingFeeds(set, plan), ...batchFeeds(set.encodings, plan, set.padId) }; // ids of the whole vocabulary
      const labelled = feeds['batch.labels']?.shape ?? [];
      const session = sessions.get(plan.tokens) ?? (await compileBatch(config, labelled, plan.tokens, placement));
      sessions.set(plan.tokens, session);
      const results = await session.run({ ...feeds, ...Object.fromEntries(parameters), ...blocks });
      blocks = Object.fromEntries(Object.keys(blocks).map((name) => [name, results[afterBatch(name)] as FloatTensor]));
    });
  } finally {
    for (const session of sessions.values()) await session.close();
  }
  return config.encoder.layers.map((_, at) =>
    eachFamily((family) => {
      const block = blocks[blockName({ at, family })];
      assert(block !== undefined, `the block of ${family} of layer ${at}`);
      return block;
    }),
  );
}
