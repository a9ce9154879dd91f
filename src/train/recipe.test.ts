import { describe, expect, it } from 'vitest';
import { ConfigError } from '../base/index.ts';
import {
  type AskedRecipe,
  checkCompressRecipe,
  checkTrainRecipe,
  compressDefaults,
  recipeAt,
  recipeTo,
  trainDefaults,
} from './recipe.ts';

describe('recipes', () => {
  it('are fine as they come', () => {
    expect(() => checkTrainRecipe(trainDefaults)).not.toThrow();
    expect(() => checkCompressRecipe(compressDefaults)).not.toThrow();
  });

  it.each([
    ['epochs', { epochs: Number.POSITIVE_INFINITY }],
    ['dropout', { dropout: 1 }],
    ['warmup', { warmup: -1 }],
    ['rows', { rows: 2.5 }],
    ['maxTokens', { maxTokens: 2 }],
    ['learningRate', { learningRate: Number.NaN }],
  ])('of training are refused for %s', (field, change) => {
    const refused = () => checkTrainRecipe({ ...trainDefaults, ...change });
    expect(refused).toThrow(ConfigError);
    expect(refused).toThrow(new RegExp(`^${field}: expected`));
  });

  it.each([
    ['instances', { instances: 0 }],
    ['sparsity', { target: { measure: 'sparsity' as const, levels: [0.5, 1] } }],
    ['sparsity', { target: { measure: 'sparsity' as const, levels: [] } }],
    ['sparsity', { target: { measure: 'sparsity' as const, levels: [0.8, 0.6] } }],
    ['sparsity', { target: { measure: 'sparsity' as const, levels: [0.123456, 0.1234561] } }], // both s12.3456
    ['speedup', { target: { measure: 'speedup' as const, levels: [0] } }],
    ['groups', { groups: 0 }],
    ['multiplexer', { mux: { ...compressDefaults.mux, multiplexer: 'sum' } }],
    ['demultiplexer', { mux: { ...compressDefaults.mux, demultiplexer: 'none' } }],
    ['mux.prefillLayers', { mux: { ...compressDefaults.mux, prefillLayers: 0.5 } }],
    ['epochs.prune', { epochs: { ...compressDefaults.epochs, prune: -1 } }],
    ['learningRate.recover', { learningRate: { ...compressDefaults.learningRate, recover: 0 } }],
    ['losses.labels', { losses: { ...compressDefaults.losses, labels: Number.NaN } }],
    ['losses.consistency', { losses: { ...compressDefaults.losses, consistency: -1 } }],
    ['losses.temperature', { losses: { ...compressDefaults.losses, temperature: 0 } }],
    ['losses.consistency', { instances: 1, losses: { ...compressDefaults.losses, consistency: 1 } }],
  ])('of compression are refused for %s', (field, change) => {
    const refused = () => checkCompressRecipe({ ...compressDefaults, ...change });
    expect(refused).toThrow(ConfigError);
    expect(refused).toThrow(new RegExp(`^${field.replace('.', '\\.')}: expected`));
  });

  it.each([
    [1, 64, 3],
    [2, 32, 3],
    [5, 16, 5],
    [10, 16, 10],
  ])(
    'of %i inputs per pass have batches of %i groups and learn to take so many for %i epochs',
    (N, groups, multiplex) => {
      const { groups: _, epochs, ...settings } = compressDefaults;
      const { prune, recover } = epochs;
      const recipe = recipeTo({ ...settings, epochs: { prune, recover } }, { instances: N, target: settings.target });
      expect(recipe).toMatchObject({ instances: N, groups, epochs: { multiplex, prune, recover } });
      expect(() => checkCompressRecipe(recipe)).not.toThrow();
    },
  );

  it('have as many groups and epochs as were asked for, whatever the inputs', () => {
    const asked = { ...compressDefaults, groups: 7, epochs: { multiplex: 1, prune: 2, recover: 3 } };
    expect(recipeTo(asked, { instances: 10, target: asked.target })).toEqual({ ...asked, instances: 10 });
  });

  it('at a point of a grid ask for consistency only where there are neighbours', () => {
    const recipe: AskedRecipe = { ...compressDefaults, losses: { ...compressDefaults.losses, consistency: 2 } };
    const unpruned = { measure: 'sparsity', levels: [0] };
    expect(recipeAt(recipe, { instances: 4, sparsity: 0 })).toEqual({ ...recipe, instances: 4, target: unpruned });
    const alone = recipeAt(recipe, { instances: 1, sparsity: 0.5 });
    expect(alone).toMatchObject({ instances: 1, target: { levels: [0.5] }, losses: { consistency: 0, labels: 0.5 } });
    expect(() => checkCompressRecipe(alone)).not.toThrow();
  });
});
