/**
 * Pretraining speed: steps of masked-language modelling as `prumux pretrain` takes them, reading, tokenizing and masking included: 4 layers x 256,
 * BERT's vocabulary, batch 32 x 128 tokens. Claim: >= 4,000 tokens/s on two quiet cores.
 *
 *   npx tsx bench/pretrain.ts TEXT TOKENIZER [--steps 10] [--threads 2]
 *
 * TEXT is a text file, TOKENIZER a folder with BERT's uncased vocabulary.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { median } from '../src/base/index.ts';
import { loadTokenizer, type ModelConfig, presetConfig } from '../src/model/index.ts';
import { initialModel } from '../src/mux/index.ts';
import { cpu } from '../src/runtime/index.ts';
import {
  CLIP_NORM,
  fit,
  languageModelShapes,
  maskedBatches,
  maskingOf,
  openTextFile,
  pretrainObjective,
  startState,
  TextCorpus,
  TextRows,
  weightGroups,
} from '../src/train/index.ts';

const [rows, tokens] = [32, 128];
const WARM_UP = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '10' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});
const [text = '', folder = ''] = positionals;
const tokenizer = await loadTokenizer(folder);
const encoder = presetConfig('mini', tokenizer.vocabularySize);
const config: ModelConfig = { encoder, labels: [], featureSize: encoder.hiddenSize };
const textRows = new TextRows(new TextCorpus([openTextFile(text)], tokens), tokenizer, tokens);
const steps = WARM_UP + Number(values.steps);
const { vocabularySize } = encoder;
const batches = maskedBatches(textRows, { rows, tokens, steps, masking: maskingOf(tokenizer), vocabularySize });

const source = batches(1);
const start = performance.now();
const sizes: number[] = [];
for (let step = 1; step <= steps; step++) sizes.push((await source.batch(step)).feeds['batch.words']?.data.length ?? 0);
const reading = (performance.now() - start) / steps;

const phase = {
  ...{ name: 'mlm', batches, warmup: 0, dropout: 0, clipNorm: CLIP_NORM, frozen: new Map() },
  parameterGroups: weightGroups(1e-3, 0.01),
  objective: pretrainObjective(config, { masked: 1, retrieval: 0 }),
};
const state = startState(initialModel(config, 1, new Map(), languageModelShapes(config)));
const seconds: number[] = [];
for await (const report of fit(phase, state, { seed: 1, placement: cpu(Number(values.threads)) })) {
  if (report.step > WARM_UP) seconds.push(report.seconds);
}
console.log(`reading, tokenizing, masking  ${reading.toFixed(1)} ms a step`);
console.log(`candidates                    ${median(sizes)} of ${vocabularySize}`);
console.log(`step                          ${(1000 * median(seconds)).toFixed(0)} ms`);
console.log(`speed                         ${Math.round((rows * tokens) / median(seconds))} tokens/s (bar 4000)`);
console.log(`peak resident memory          ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB`);
