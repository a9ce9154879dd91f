/** What of a model is trained, and what is not. */
import type { ParameterTree } from '../base/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { frozenNames } from '../mux/index.ts';

/** Parameters that are trained, and those that never are. */
export function divide(
  config: ModelConfig,
  parameters: ParameterTree,
): { trained: ParameterTree; frozen: ParameterTree } {
  const never = frozenNames(config);
  const entries = Array.from(parameters);
  return {
    trained: new Map(entries.filter(([name]) => !never.has(name))),
    frozen: new Map(entries.filter(([name]) => never.has(name))),
  };
}
