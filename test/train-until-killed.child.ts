/** What `resume.test.ts` kills: a training run that says on standard output which step it has done. Arguments: a TSV file, an output folder. */
import { cpu } from '../src/runtime/index.ts';
import { trainClassifier, trainDefaults } from '../src/train/index.ts';

const [data = '', output = ''] = process.argv.slice(2);

await trainClassifier(
  { ...trainDefaults, encoder: 'tiny', vocabularySize: 200, epochs: 6, rows: 8, maxTokens: 24, learningRate: 1e-3 },
  {
    source: { data, evaluation: data },
    output,
    seed: 4,
    placement: cpu(2),
    checkpointSeconds: 0.1,
    onStep: ({ step, steps }) => process.stdout.write(`${step}/${steps}\n`),
  },
);
