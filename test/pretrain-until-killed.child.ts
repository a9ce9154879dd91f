/** What `pretrain.test.ts` kills: a pretraining that says on standard output which step it has done. Arguments: a text file, an output folder. */
import { cpu } from '../src/runtime/index.ts';
import { pretrain, pretrainDefaults } from '../src/train/index.ts';

const [text = '', output = ''] = process.argv.slice(2);

await pretrain(
  { ...pretrainDefaults, encoder: 'tiny', vocabularySize: 200, steps: 40, rows: 8, maxTokens: 24, dropout: 0.1 },
  {
    text: [text],
    output,
    seed: 4,
    placement: cpu(2),
    checkpointSeconds: 0.1,
    onStep: ({ step, steps }) => process.stdout.write(`${step}/${steps}\n`),
  },
);
