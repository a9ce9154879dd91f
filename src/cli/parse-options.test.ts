/** Flags and config files: what is read, which wins, and what is refused with which words. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { keys, number, numbers, option, optional, required, text, texts, toggle, whole } from './option.ts';
import { nearest, parseOptions } from './parse-options.ts';

const options = {
  config: optional('a file', text('FILE')),
  output: required('a folder', text('DIR'), 'o'),
  instances: option('how many', whole(), 2),
  learningRate: option('how fast', number({ above: 0 }, 'RATE'), 0.1),
  grid: option('several', numbers({ least: 0, below: 1 }, 'S,S'), [0, 0.5]),
  json: option('as JSON', toggle, false),
};

const folder = mkdtempSync(join(tmpdir(), 'prumux-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

function configFile(content: string): string {
  const path = join(folder, 'config.json');
  writeFileSync(path, content);
  return path;
}

const parse = (...argv: string[]) => parseOptions(argv, options).values;

it('has defaults', () => {
  expect(parse('-o', 'out')).toEqual({
    ...{ config: undefined, output: 'out', instances: 2, learningRate: 0.1, grid: [0, 0.5], json: false },
  });
});

it('reads flags with a space, with =, and by alias', () => {
  const values = parse('--output=out', '--learning-rate', '3e-4', '--grid', '0,0.8', '--json', '--instances=4');
  expect(values).toMatchObject({ output: 'out', learningRate: 3e-4, grid: [0, 0.8], json: true, instances: 4 });
});

it('reads all words up to the next flag where an option takes a list', () => {
  const lists = { ...options, text: required('files', texts('FILE…')) };
  const read = (...argv: string[]) => parseOptions(argv, lists);
  expect(read('--text', 'a', 'b', '-o', 'out', 'operand').values.text).toEqual(['a', 'b']);
  expect(read('--text', 'a', 'b', '-o', 'out', 'operand').operands).toEqual(['operand']);
  expect(read('--text=a=1', '-o', 'out', '--text', 'b').values.text).toEqual(['a=1', 'b']);
  const file = configFile('{ "text": ["a", "b"], "output": "out" }');
  expect(read('--config', file).values.text).toEqual(['a', 'b']);
  expect(() => read('--text', '-o', 'out')).toThrow('--text: expected FILE…, got nothing');
});

it('reads a switch whose name begins with no', () => {
  const switched = { ...options, noTrain: option('without training', toggle, false) };
  expect(parseOptions(['--no-train', '-o', 'out'], switched).values.noTrain).toBe(true);
  expect(() => parseOptions(['--no-train=true', '-o', 'out'], switched)).toThrow(
    '--no-train: expected the flag alone, got --no-train=true',
  );
  expect(parseOptions(['-o', 'out'], switched).values.noTrain).toBe(false);
  const file = configFile('{ "noTrain": true, "output": "out" }');
  expect(parseOptions(['--config', file], switched).values.noTrain).toBe(true);
});

it('leaves words without a flag as operands', () => {
  expect(parseOptions(['model', '-o', 'out', 'text'], options).operands).toEqual(['model', 'text']);
  expect(parseOptions(['model', '-o', 'out', '--', '--not-a-flag'], options).operands).toEqual([
    'model',
    '--not-a-flag',
  ]);
});

it('takes a config file with a byte order mark', () => {
  const file = configFile('\uFEFF{ "output": "out" }');
  expect(parseOptions(['--config', file], options).values.output).toBe('out');
});

it('takes options from a config file, and flags over it', () => {
  const file = configFile('{"output": "there", "learningRate": 0.5, "instances": 8, "grid": [0.6], "json": true}');
  expect(parse('--config', file)).toMatchObject({ output: 'there', learningRate: 0.5, instances: 8, grid: [0.6] });
  expect(parse('--config', file, '--instances', '3')).toMatchObject({ instances: 3, json: true });
  expect(parse('--config', configFile('{"output": "x", "learning-rate": 0.7}'))).toMatchObject({ learningRate: 0.7 });
});

it.each([
  [['-o', 'x', '--output=y'], '--output: expected the flag once, got it again.'],
  [['-o', 'x', '--json', '--json'], '--json: expected the flag once, got it again.'],
  [['-o', 'x', '--grid', '0', '--grid', '0.5'], 'Give several values with commas between: --grid S,S.'],
  [['--instance', '3', '-o', 'x'], '--instance: expected a known flag, as --instances'],
  [['-x', '-o', 'x'], '-x: expected a known flag'],
  [[], '--output: expected DIR, got nothing'],
  [['-o'], '-o: expected DIR, got nothing'],
  [['-o=x'], '-o: expected a blank between, as -o DIR, got -o=x'],
  [['-o', 'x', '--instances', '0'], '--instances: expected a whole number, 1 or more, got 0'],
  [['-o', 'x', '--instances', 'two'], '--instances: expected a whole number, 1 or more, got two'],
  [['-o', 'x', '--instances='], '--instances: expected a whole number, 1 or more, got nothing'],
  [['-o', 'x', '--learning-rate', '0'], '--learning-rate: expected a number, above 0, got 0'],
  [['-o', 'x', '--learning-rate', '-1'], '--learning-rate: expected a number, above 0, got -1'],
  [['-o', 'x', '--grid', '0,1'], '--grid: expected a number, 0 or more, below 1, got 1'],
  [['-o', 'x', '--config', '/nowhere.json'], '--config /nowhere.json: expected a readable JSON file'],
])('refuses %j', (argv, message) => {
  expect(() => parse(...argv)).toThrow(message);
});

it.each([
  ['{"instance": 3}', 'instance: expected a known key, as instances'],
  ['{"config": "other.json"}', 'config: expected a known key'],
  ['{"help": true}', 'help: expected a known key'],
  ['{"learningRate": 0.5, "learning-rate": 0.7}', 'learning-rate: expected one key of that name, got two'],
  ['{"grid": []}', 'grid: expected at least one value, got an empty list'],
  ['{"instances": "many"}', 'instances: expected a whole number, 1 or more, got many'],
  ['{"instances": null}', 'instances: expected a whole number, 1 or more, got null'],
  ['{"json": "yes"}', 'json: expected true or false, got "yes"'],
  ['[1]', 'expected a JSON object, got [1]'],
  ['{', 'expected a readable JSON file'],
])('refuses the config file %s', (content, message) => {
  expect(() => parse('-o', 'x', '--config', configFile(content))).toThrow(message);
});

it('knows the nearest names', () => {
  expect(nearest('--epoch', ['--eval', '--epochs', '--seed'])[0]).toBe('--epochs');
});

it('reads variables of the environment, which flags overrule and which overrule a config file', () => {
  const file = configFile('{ "instances": 5, "grid": [0.5], "output": "out" }');
  const environment = { PRUMUX_INSTANCES: '6', PRUMUX_LEARNING_RATE: '3', PRUMUX_JSON: 'true', PRUMUX_OUTPUT: '' };
  const { values } = parseOptions(['--config', file, '--learning-rate', '4'], options, environment);
  expect(values).toMatchObject({ instances: 6, grid: [0.5], learningRate: 4, json: true, output: 'out' });
  expect(parseOptions([], options, { PRUMUX_CONFIG: file }).values.instances).toBe(5);
  expect(parseOptions(['-o', 'out'], options, { PRUMUX_CONFIG: '' }).values.output).toBe('out'); // empty: none
  expect(() => parseOptions(['-o', 'out'], options, { PRUMUX_JSON: 'perhaps' })).toThrow(
    'PRUMUX_JSON: expected true or false, got "perhaps"',
  );
  expect(parseOptions(['-o', 'out'], options).values.instances).toBe(2);
});

it('refuses keys that are empty, from a variable too, where other empty variables count as none', () => {
  const locked = { apiKey: optional('who may ask', keys('KEY,KEY')), name: optional('a name', text('NAME')) };
  const read = (argv: readonly string[], environment = {}) => parseOptions(argv, locked, environment).values;
  expect(read([]).apiKey).toBeUndefined();
  expect(read(['--api-key', 'a, b']).apiKey).toEqual(['a', 'b']);
  expect(read([], { PRUMUX_API_KEY: 'a\n', PRUMUX_NAME: '' })).toEqual({ apiKey: ['a'], name: undefined });
  for (const given of [',', 'a,', ' ', 'a,,b']) {
    expect(() => read([`--api-key=${given}`])).toThrow('--api-key: expected KEY,KEY, got');
    expect(() => read([], { PRUMUX_API_KEY: given })).toThrow('PRUMUX_API_KEY: expected KEY,KEY, got');
  }
  expect(() => read([], { PRUMUX_API_KEY: '' })).toThrow(
    'PRUMUX_API_KEY: expected KEY,KEY, got nothing. Leave it out if nobody needs a key.',
  );
  const file = configFile('{ "apiKey": 7 }');
  expect(() => parseOptions(['--config', file], { ...locked, config: options.config })).toThrow('got number');
});
