/** Each option of a compression against the field of the recipe that it is about. */
import { expect, it } from 'vitest';
import type { CompressSettings } from '../train/index.ts';
import { parseOptions } from './parse-options.ts';
import { COMPRESSION, compressSettingsOf } from './recipe-options.ts';

const settingsOf = (...argv: string[]): CompressSettings => compressSettingsOf(parseOptions(argv, COMPRESSION).values);

/** No value is a default, and no two options of numbers have the same. */
const fields: readonly [flag: string, value: string, field: string, expected: string | number][] = [
  ['multiplexer', 'subspace', 'mux.multiplexer', 'subspace'],
  ['demultiplexer', 'rsa', 'mux.demultiplexer', 'rsa'],
  ['prefill-layers', '1', 'mux.prefillLayers', 1],
  ['multiplex-epochs', '31', 'epochs.multiplex', 31],
  ['prune-epochs', '32', 'epochs.prune', 32],
  ['recover-epochs', '33', 'epochs.recover', 33],
  ['multiplex-learning-rate', '0.041', 'learningRate.multiplex', 0.041],
  ['prune-learning-rate', '0.042', 'learningRate.prune', 0.042],
  ['recover-learning-rate', '0.043', 'learningRate.recover', 0.043],
  ['labels-weight', '0.51', 'losses.labels', 0.51],
  ['logits-weight', '0.52', 'losses.logits', 0.52],
  ['layers-weight', '0.53', 'losses.layers', 0.53],
  ['consistency', '0.54', 'losses.consistency', 0.54],
  ['retrieval', '0.55', 'losses.retrieval', 0.55],
  ['temperature', '0.56', 'losses.temperature', 0.56],
  ['layer-matching', 'same', 'losses.matching', 'same'],
  ['teacher', 'multiplexed', 'teacher', 'multiplexed'],
  ['groups', '61', 'groups', 61],
  ['sparsity-warmup', '0.71', 'sparsityWarmup', 0.71],
  ['max-tokens', '72', 'maxTokens', 72],
  ['warmup', '0.73', 'warmup', 0.73],
  ['weight-decay', '0.74', 'weightDecay', 0.74],
  ['dropout', '0.75', 'dropout', 0.75],
];

/** The fields of a recipe by their paths. */
function flat(value: unknown, path = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return { [path]: value };
  const entries = Object.entries(value).map(([name, inner]) => flat(inner, path === '' ? name : `${path}.${name}`));
  return Object.assign({}, ...entries);
}

it.each(fields)('--%s %s changes %s, and nothing else', (flag, value, field, expected) => {
  const usual = flat(settingsOf());
  expect(usual[field]).not.toBe(expected);
  expect(flat(settingsOf(`--${flag}`, value))).toEqual({ ...usual, [field]: expected });
});

it('the table has every option', () => {
  expect(fields).toHaveLength(Object.keys(COMPRESSION).length);
});
