/** What `resume.test.ts` kills: a compression that says on standard output which step of pruning it has done. Arguments: a model, a TSV file, an output folder. */
import { cpu } from '../src/runtime/index.ts';
import { compressClassifier, compressDefaults } from '../src/train/index.ts';

const [model = '', data = '', output = ''] = process.argv.slice(2);

await compressClassifier(
  model,
  { ...compressDefaults, epochs: { multiplex: 0.5, prune: 5, recover: 0.5 }, groups: 8, maxTokens: 24 },
  {
    source: { data, evaluation: data },
    output,
    seed: 4,
    placement: cpu(2),
    checkpointSeconds: 0.1,
    onStep({ phase, step, steps }) {
      if (phase === 'prune') process.stdout.write(`${step}/${steps}\n`);
    },
  },
);
