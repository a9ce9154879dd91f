/**
 * What `pretrain.test.ts` kills: a multiplexed pretraining of two phases, which says on standard output which step of both together it has done.
 * Arguments: a text file, an output folder.
 */
import { cpu } from '../src/runtime/index.ts';
import { compressDefaults, pretrain, pretrainDefaults } from '../src/train/index.ts';

const [text = '', output = ''] = process.argv.slice(2);

const sizes = { encoder: 'tiny', vocabularySize: 200, rows: 4, maxTokens: 24 };
const [primeSteps, steps] = [20, 60];

await pretrain(
  {
    ...pretrainDefaults,
    ...sizes,
    steps,
    dropout: 0.1,
    multiplexed: { mux: { instances: 2, ...compressDefaults.mux }, primeSteps, retrieval: 0.1 },
  },
  {
    text: [text],
    output,
    seed: 4,
    placement: cpu(2),
    checkpointSeconds: 0.1,
    onStep({ phase, step }) {
      process.stdout.write(`${phase === 'mlm' ? primeSteps + step : step}/${primeSteps + steps}\n`);
    },
  },
);
