/** The version of this program, for records and `--version`. */
import { existsSync, readFileSync } from 'node:fs';
import { BackendError } from './errors.ts';

const FILE = new URL('../../package.json', import.meta.url);

/** A bundle of a service has that service's at its place, or none; it would lack the files of the workers, too. */
function versionIn(file: URL): string {
  const told = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  if (told.name === 'prumux') return told.version;
  throw new BackendError('prumux', {
    expected: 'to run from its own package',
    got: 'a bundle',
    hint: 'Name prumux as external to the bundler.',
  });
}

export const VERSION: string = versionIn(FILE);
