/**
 * `npm run quickstart`: the main job on the built-in data set, from nothing to a fast classifier with its report. The settings are those of
 * `recipes/quickstart-*.json`, made for a few minutes on two cores.
 */
import { join } from 'node:path';
import { build, install, step } from './setup.mjs';

const [dense, fast] = [join('quickstart', 'dense'), join('quickstart', 'fast')];

const SENTENCES = [
  'please cancel my blue kettle order.',
  'do not return the old lamp, but track my garden sofa.',
  'i was going to cancel the large tent, but now i want to repeat the phone order.',
];

/** Runs a command of the program with its progress in sight; gives its document. */
function prumux(title, ...args) {
  const argv = [join('dist', 'cli', 'main.js'), ...args];
  return step(title, process.execPath, argv, { stdio: ['inherit', 'pipe', 'inherit'], encoding: 'utf8' });
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function row([name, ...cells]) {
  return name.padEnd(30) + cells.map((cell) => cell.padStart(12)).join('');
}

function rowOf(title, { accuracy, examplesPerSecond, ratio, parameters }) {
  const rate = examplesPerSecond.toFixed(0);
  return row([title, percent(accuracy), rate, `${ratio.toFixed(1)}x`, parameters.toLocaleString('en')]);
}

function nameOf({ name, point }) {
  return name === 'dense' ? 'dense' : `N=${point.instances}, sparsity ${point.sparsity}`;
}

const start = performance.now();
install();
build();
const data = ['--data', 'builtin', '--eval', 'builtin'];
prumux(
  'train a dense classifier',
  'train',
  ...data,
  '--config',
  join('recipes', 'quickstart-train.json'),
  '-o',
  dense,
  '--progress',
);
const auto = ['auto', dense, ...data, '--config', join('recipes', 'quickstart-auto.json'), '-o', fast];
const found = JSON.parse(prumux('find the fastest one within the budget', ...auto, '--progress', '--json'));
const answers = prumux('classify three sentences', 'predict', fast, ...SENTENCES)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const { dense: teacher, chosen } = found;
process.stdout.write(`
${row(['model', 'accuracy', 'examples/s', 'ratio', 'parameters'])}
${rowOf('dense', teacher)}
${rowOf(`chosen: ${nameOf(chosen)}`, chosen)}
(${found.verdict})

${answers.map(({ text, label, score }) => `${label.padEnd(8)} ${percent(score).padStart(7)}  ${text}`).join('\n')}

report  ${found.report}
model   ${found.folder}
took    ${Math.round((performance.now() - start) / 1000)} s
`);
