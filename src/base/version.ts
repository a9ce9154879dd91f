/** The version of this program, for records and `--version`. */
import { readFileSync } from 'node:fs';
import { BackendError } from './errors.ts';

/** A bundle of a service has that service's at its place, or none; it would lack the files of the workers, too. */
function ownVersion(): string {
  const told = readPackage();
  if (told.name === 'prumux') return told.version;
  throw new BackendError('prumux', {
    expected: 'to run from its own package',
    got: 'a bundle',
    hint: 'Name prumux as external to the bundler.',
  });
}

function readPackage() {
  try {
    return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  } catch {
    return {};
  }
}

export const VERSION: string = ownVersion();
