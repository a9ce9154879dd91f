/**
 * The rooms of `src/` (docs/architecture.md): each imports only what its row names, through the other's `index.ts`, type imports included;
 * no imports go in a circle. Tests are exempt, as they look at everything.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** From the lowest to the highest; `type:` marks rooms that are known by the types of their results only. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  graph: ['base'],
  runtime: ['base', 'graph'],
  model: ['base', 'graph'],
  mux: ['base', 'graph', 'model'],
  prune: ['base', 'graph', 'model'],
  infer: ['base', 'graph', 'runtime', 'model', 'mux'],
  train: ['base', 'graph', 'runtime', 'model', 'mux', 'prune', 'infer'],
  auto: ['base', 'type:train'],
  serve: ['base', 'runtime', 'model', 'mux', 'infer'],
  queue: ['base', 'runtime', 'model', 'prune', 'train'],
  report: ['base', 'type:auto', 'type:train'],
  cli: ['base', 'graph', 'runtime', 'model', 'mux', 'prune', 'infer', 'train', 'auto', 'serve', 'queue', 'report'],
};

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const portable = (path: string): string => path.replaceAll('\\', '/');

/** Every source file but tests, as `room/file.ts`. */
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map(portable)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));

interface Import {
  readonly file: string;
  readonly to: string;
  readonly typesOnly: boolean;
}

/** `import … from './x.ts'`, `export … from './x.ts'`, `import('./x.ts')`. */
const IMPORT = /^(?:import|export)\s+([^;']*?)\s*from\s+'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'\s*\)/gm;

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  return Array.from(text.matchAll(IMPORT), ([, names = '', path, called]) => ({
    file,
    to: portable(relative(SRC, join(SRC, dirname(file), path ?? called ?? ''))),
    typesOnly: names.startsWith('type ') || /^\{(\s*type [^,}]+,?)+\s*\}$/.test(names),
  }));
}

const imports = files.flatMap(importsOf);
const roomOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '');

it('finds the imports', () => {
  expect(files.length).toBeGreaterThan(40);
  expect(imports.length).toBeGreaterThan(2 * files.length);
});

it('keeps every file in a room, but for the door of the whole', () => {
  expect(files.filter((file) => !(roomOf(file) in ROOMS))).toEqual(files.filter((file) => file === 'index.ts'));
});

it('has no drawer for odds and ends', () => {
  expect(files.filter((file) => /^(utils?|helpers?|types|common|misc)\.ts$/.test(basename(file)))).toEqual([]);
});

it('stands on lower rooms only', () => {
  const names = Object.keys(ROOMS);
  for (const [at, allowed] of Object.values(ROOMS).entries()) {
    expect(names.slice(0, at)).toEqual(expect.arrayContaining(allowed.map((name) => name.replace('type:', ''))));
  }
});

it('imports what its row names, through the door', () => {
  const wrong = imports.filter(({ file, to, typesOnly }) => {
    const [from, room] = [roomOf(file), roomOf(to)];
    if (from === '' || from === room) return false;
    const allowed = ROOMS[from]?.includes(room) || (typesOnly && ROOMS[from]?.includes(`type:${room}`));
    return !allowed || to !== `${room}/index.ts`;
  });
  expect(wrong).toEqual([]);
});

it('has no circles', () => {
  const targets = new Map(
    files.map((file) => [file, imports.filter((each) => each.file === file).map(({ to }) => to)]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file) || path.includes(file)) return;
    for (const next of targets.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  expect(circles).toEqual([]);
});
