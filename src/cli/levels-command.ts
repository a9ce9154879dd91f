/** What `auto` found, as levels of one server. */
import { type Exploration, frontierOf } from '../auto/index.ts';
import { precisionIn } from '../model/index.ts';
import { quoted } from './command.ts';

/**
 * The command that serves the delivered choice, and before it the models of the frontier that are slower and more accurate, if there are any: of those that
 * have a folder, as the trials in fp32. `maxTokens` is what all were measured with, if that was asked for.
 */
export async function levelsCommand(
  { dense, trials, chosen }: Exploration,
  output: string,
  maxTokens?: number,
): Promise<string | undefined> {
  const inFolders = [dense, ...trials].filter(({ name, precision }) => precision === 'fp32' || name === chosen.name);
  const slower = frontierOf(inFolders).filter(({ examplesPerSecond }) => examplesPerSecond < chosen.examplesPerSecond);
  if (slower.length === 0) return undefined;
  const levels: string[] = [];
  for (const { folder } of slower) levels.push((await precisionIn(folder)) === 'fp32' ? folder : `${folder}:fp32`);
  const flags = maxTokens === undefined ? [] : ['--max-tokens', String(maxTokens)];
  return ['prumux', 'serve', ...levels, output, ...flags].map(quoted).join(' ');
}
