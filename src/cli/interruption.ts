/** The user pressed Ctrl-C, or the system asked the process to end. */
import { aborted, assert } from '../base/index.ts';

export class Interruption extends Error {
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`interrupted by ${signal}`);
    this.exitCode = signal === 'SIGINT' ? 130 : 143;
  }
}

/** Fails with the reason as soon as the signal is aborted. */
export async function untilAborted(signal: AbortSignal): Promise<never> {
  await aborted(signal);
  assert(signal.reason instanceof Interruption, 'an Interruption as the reason');
  throw signal.reason;
}
