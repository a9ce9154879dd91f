/** What the scripts share: steps with their time, and installing what is missing. Needs nothing but Node. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

/** Runs a program of this project's `node_modules/.bin`, or of the system; ends the process where it fails. */
export function step(title, program, args, options = {}) {
  process.stderr.write(`\n▶ ${title}\n`);
  const start = performance.now();
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: ['inherit', 'inherit', 'inherit'],
    // There the others are scripts, which need a shell; that takes arguments apart at blanks, as those of the quickstart have.
    shell: process.platform === 'win32' && program !== process.execPath,
    ...options,
    env: { ...process.env, PATH: path },
  });
  if (result.status !== 0) {
    process.stderr.write(`✗ ${title}: ${result.error?.message ?? `exit code ${result.status ?? result.signal}`}\n`);
    process.exit(result.status ?? 1);
  }
  process.stderr.write(`✓ ${title} (${seconds(start)})\n`);
  return result.stdout;
}

const readJson = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8'));

/** Whether `node_modules` has every package of the lock file in its version; those for other systems may be missing. */
function isInstalled() {
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) return false;
  const installed = readJson('node_modules', '.package-lock.json').packages;
  return Object.entries(readJson('package-lock.json').packages)
    .filter(([place, { optional }]) => place !== '' && !optional)
    .every(([place, { version }]) => installed[place]?.version === version);
}

export function install() {
  if (!isInstalled()) step('install', 'npm', ['ci', '--no-audit', '--no-fund']);
}

export function build() {
  step('build', 'tsc', ['-p', 'tsconfig.build.json']);
}
