/** The program seen from outside, short of training: help, mistakes of the user, bad input; what it says, its exit code, and what it leaves alone. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { program } from '../../test/program.kit.ts';
import { Interruption } from './interruption.ts';
import { COMMANDS } from './run.ts';

/** By command, the flags of most others from which nothing follows there. */
const UNHEEDED: Readonly<Record<string, readonly string[]>> = {
  worker: ['--seed'],
  predict: ['--seed', '--progress'],
  bench: ['--seed'],
  serve: ['--seed', '--progress'],
  report: ['--seed', '--device', '--threads', '--progress'],
  doctor: ['--seed', '--device', '--progress'],
};

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-cli-'));
  await writeModel(at('model'), randomModel());
  await writeFile(at('good.tsv'), 'sentence\tlabel\ngreat film\t1\nawful film\t0\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('help', () => {
  it('lists the commands', async () => {
    const { code, out } = await program(['--help']);
    expect(code).toBe(0);
    for (const name of Object.keys(COMMANDS)) expect(out).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  });

  it('is what a call without a command gets, as a mistake', async () => {
    const { code, out } = await program([]);
    expect(code).toBe(2);
    expect(out).toContain('COMMANDS');
  });

  it.each(Object.keys(COMMANDS))('of %s describes every flag and has an example', async (name) => {
    const { code, out, err } = await program([name, '--help']);
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toContain(`EXAMPLE\n\n  prumux ${name} `);
    const flags = out.split('\n').filter((line) => /^ +(-\w, )?--/.test(line));
    for (const line of flags) expect(line, 'a flag with a description').toMatch(/--[\w-]+(=<.+?>)? {2,}\S+ \S+/);
    for (const flag of ['--json', '--config', '--help']) expect(out).toContain(flag);
  });

  it.each(Object.keys(COMMANDS))('of %s has no flags that it would not heed', async (name) => {
    const unheeded = UNHEEDED[name] ?? [];
    const { out } = await program([name, '--help']);
    for (const flag of ['--seed', '--device', '--threads', '--progress']) {
      expect(new RegExp(`^ +${flag}\\b`, 'm').test(out), flag).toBe(!unheeded.includes(flag));
    }
    for (const flag of unheeded) {
      const { code, err } = await program([name, 'models/any', flag, '1']);
      expect({ code, err }).toEqual({
        code: 2,
        err: expect.stringContaining(`prumux: ${flag}: expected a known flag`),
      });
    }
  });

  it('of eval says how many groupings a spread takes, fewer of which are only faster', async () => {
    expect((await program(['eval', '--help'])).out).toMatch(/--groupings.* a spread to quote takes at least 5 /);
  });

  it('of serve names the variables that do something', async () => {
    const { out } = await program(['serve', '--help']);
    expect(out).toContain('(PRUMUX_API_KEY)');
    expect(out).toContain('--help');
    expect(out).not.toContain('PRUMUX_HELP');
  });

  it.each(['--version', '-v'])('gives the version at %s', async (flag) => {
    expect((await program([flag])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('of a command comes by its name, too', async () => {
    expect(await program(['help', 'train'])).toEqual(await program(['train', '--help']));
    expect(await program(['help', 'trian'])).toMatchObject({ code: 2, err: expect.stringContaining('as train') });
  });
});

describe('mistakes on the command line end with 2 and one line that names them', () => {
  it.each([
    [['trian'], 'trian: expected a command, as train'],
    [['train', '--epoch', '3', '-o', 'x'], '--epoch: expected a known flag, as --epochs'],
    [['train'], '--output: expected DIR, got nothing'],
    [['train', '-o', 'x', '--data', 'a.tsv'], '--eval: expected a FILE'],
    [['train', '-o', 'x', '--device', 'tpu'], '--device: expected one of cpu, webgpu, cuda'],
    [['train', '-o', 'x', '--threads', '0'], '--threads: expected a whole number, 1 or more'],
    [['train', 'surplus', '-o', 'x'], 'surplus: expected flags only'],
    [['train', '-o', 'x', '--columns', 'body'], '--columns: expected text=NAME'],
    [['compress', '-o', 'x'], 'MODEL: expected folder or Hub id'],
    [['compress', 'a', 'b', '-o', 'x'], 'b: expected one MODEL'],
    [['compress', 'm', '-o', 'x', '--instances', '0'], '--instances: expected a whole number, 1 or more, got 0'],
    [['compress', 'm', '-o', 'x', '--sparsity', '1'], '--sparsity: expected a number, 0 or more, below 1, got 1'],
    [
      ['pretrain', '--text', 'x', '-o', 'x', '--vocabulary-size', '9'],
      '--vocabulary-size: expected a whole number, 10',
    ],
    [['serve', 'm', '--api-key', 'A', '--api-key', 'B'], '--api-key: expected the flag once, got it again. Give'],
    [['serve', 'm', '--port', '99999'], '--port: expected a whole number, 0 or more, below 65536, got 99999'],
    [['auto', 'm', '-o', 'x', '--max-drop', '-1'], '--max-drop: expected a number, 0 or more, got -1'],
    [['auto', 'm', '-o', 'x', '--sparsities', '0,1'], '--sparsities: expected a number, 0 or more, below 1, got 1'],
  ])('%j', async (argv, message) => {
    const { code, out, err } = await program(argv);
    expect(err).toContain(`prumux: ${message}`);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });
});

describe('bad data ends with 1, and names file and line', () => {
  it.each([
    ['unknown column', 'a.tsv', 'body\tmark\ngood\t1\n', /a\.tsv.*sentence/],
    ['empty file', 'b.tsv', '', /b\.tsv/],
    ['one class only', 'c.tsv', 'sentence\tlabel\ngood\t1\nfine\t1\n', /c\.tsv: expected at least two classes/],
    ['wrong number of fields', 'd.tsv', 'sentence\tlabel\ngood\t1\nbad\n', /d\.tsv:3/],
    ['invalid UTF-8', 'e.tsv', Buffer.from('sentence\tlabel\ngood\t1\nb\xe4d\t0\n', 'latin1'), /e\.tsv:3/],
  ])('%s', async (_, name, content, message) => {
    await writeFile(at(name), content);
    const argv = ['train', '--data', at(name), '--eval', at('good.tsv'), '-o', at('never'), '--json'];
    const { code, out, err } = await program(argv);
    expect(err).toMatch(message);
    expect({ code, out }).toEqual({ code: 1, out: '' });
  });

  it('a label that training has not seen', async () => {
    await writeFile(at('unseen.tsv'), 'sentence\tlabel\ngood\t1\nodd\t7\n');
    const argv = ['train', '--data', at('good.tsv'), '--eval', at('unseen.tsv'), '-o', at('never')];
    const { code, err } = await program(argv);
    expect(err).toMatch(/unseen\.tsv:3.*7/);
    expect(code).toBe(1);
  });

  it('a line that is no pair where pairs are asked for', async () => {
    const { code, out, err } = await program(['predict', at('model'), '--pairs'], { stdin: 'a\tb\nc\n' });
    expect(err).toBe('prumux: standard input:2: expected a tab between the texts of a pair, got none.\n');
    expect({ code, out }).toEqual({ code: 1, out: '' });
  });

  it('a file that is not there', async () => {
    const { code, err } = await program(['eval', at('model'), '--data', at('nowhere.tsv')]);
    expect(err).toContain('nowhere.tsv');
    expect(code).toBe(1);
  });
});

describe('bad models end with 1, and leave an earlier output alone', () => {
  it('a folder that is not there', async () => {
    const { code, err } = await program(['eval', at('nowhere'), '--data', 'builtin']);
    expect(err).toContain(`prumux: ${at('nowhere')}: expected a model folder`);
    expect(code).toBe(1);
  });

  it('weights that were cut off', async () => {
    await cp(at('model'), at('cut'), { recursive: true });
    await truncate(join(at('cut'), 'model.safetensors'), 5000);
    const before = await readFile(join(at('model'), 'run.json'), 'utf8');
    const { code, err } = await program(['compress', at('cut'), '-o', at('model')]);
    expect(err).toMatch(/cut\/model\.safetensors .*got 672 bytes of data/);
    expect(code).toBe(1);
    expect(await readFile(join(at('model'), 'run.json'), 'utf8')).toBe(before);
  });

  it('an output that is something else', async () => {
    await mkdir(at('project'));
    await writeFile(join(at('project'), 'README.md'), 'mine');
    const { code, err } = await program(['train', '-o', at('project')]);
    expect(err).toContain('expected a new folder or an earlier model folder');
    expect(code).toBe(1);
    expect(await readFile(join(at('project'), 'README.md'), 'utf8')).toBe('mine');
  });

  it('a report of what auto did not write', async () => {
    const { code, err } = await program(['report', at('model')]);
    expect(err).toContain('run.json: expected the record of an auto run');
    expect(code).toBe(1);
  });

  it('a disk that is full when the model is to be saved', async ({ skip }) => {
    const disk = at('disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (error) {
      skip(`no file system can be mounted here (${error})`);
    }
    try {
      await cp(at('model'), join(disk, 'model'), { recursive: true });
      const argv = ['train', '--data', at('good.tsv'), '--eval', at('good.tsv'), '--encoder', 'tiny', '--epochs', '1'];
      const { code, err } = await program([...argv, '-o', join(disk, 'model')]);
      expect(err).toContain('disk full (ENOSPC)');
      expect(code).toBe(1);
      const after = await readFile(join(disk, 'model', 'run.json'), 'utf8');
      expect(after).toBe(await readFile(join(at('model'), 'run.json'), 'utf8'));
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('an interruption', () => {
  it('ends with 130 and leaves a checkpoint, from which the same command goes on', async () => {
    const controller = new AbortController();
    controller.abort(new Interruption('SIGINT'));
    const argv = ['train', '--data', at('good.tsv'), '--eval', at('good.tsv'), '--encoder', 'tiny', '--epochs', '3'];
    argv.push('--rows', '1', '-o', at('resumed'));
    const { code, err } = await program(argv, { interrupt: controller.signal });
    expect(code).toBe(130);
    expect(err).toContain('the same command goes on from what is saved');
    const checkpoint = await readFile(join(`${at('resumed')}.run`, 'fine-tune.checkpoint.safetensors'));
    expect(checkpoint.length).toBeGreaterThan(0);
    expect((await program(argv)).code).toBe(0);
    expect(await readFile(join(at('resumed'), 'README.md'), 'utf8')).toContain('trained on good.tsv\n');
  });

  it('stops at once what has nothing to lose', async () => {
    const controller = new AbortController();
    controller.abort(new Interruption('SIGTERM'));
    const { code } = await program(['eval', at('model'), '--data', 'builtin'], { interrupt: controller.signal });
    expect(code).toBe(143);
  });
});
