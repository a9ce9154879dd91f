/** The user's mistake on the command line or in a `--config` file, as opposed to a run that failed: exit code 2 instead of 1. */
import { ConfigError } from '../base/index.ts';

export class UsageError extends ConfigError {}
