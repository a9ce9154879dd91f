/** `--ensemble`: answers averaged over all slots, for commands that ask a model. */
import type { ModelConfig } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { type Option, option, toggle } from './option.ts';
import type { Terminal } from './terminal.ts';

export const ENSEMBLE: Option<boolean> = option(
  'average the answers that every text gets in every slot: N times the work',
  toggle,
  false,
);

/** Says so where averaging changes nothing. */
export function remarkOnEnsemble(isWanted: boolean, config: ModelConfig, { stderr }: Terminal): void {
  if (isWanted && instancesOf(config) === 1) {
    stderr.write('--ensemble changes nothing: the model takes one text per pass.\n');
  }
}
