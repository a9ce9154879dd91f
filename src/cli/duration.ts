/** Times as people write them: `90s`, `45m`, `2h`, `1h30m`. */
import { ConfigError } from '../base/index.ts';

const SECONDS = { h: 3600, m: 60, s: 1 } as const;

/** In seconds. */
export function parseDuration(text: string): number {
  const found = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text);
  if (found === null || text === '') {
    throw new ConfigError('time', { expected: 'hours, minutes or seconds, as 2h, 90m or 1h30m', got: `"${text}"` });
  }
  const [, hours = '0', minutes = '0', seconds = '0'] = found;
  return Number(hours) * SECONDS.h + Number(minutes) * SECONDS.m + Number(seconds) * SECONDS.s;
}
