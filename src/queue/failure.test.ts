/** Errors that come back from a worker: of the same class and with the same facts as they were there. */
import { describe, expect, it } from 'vitest';
import { BackendError, CheckpointError, ConfigError, DataError, OverloadError, ShapeError } from '../base/index.ts';
import { errorOf, failureOf } from './failure.ts';

const facts = { expected: 'a number', got: '"x"', hint: 'Give one.' };
const errors = [ShapeError, ConfigError, CheckpointError, BackendError, OverloadError].map(
  (Kind) => new Kind('there', facts),
);

describe('an error of a worker', () => {
  for (const error of [...errors, new DataError({ file: 'a.tsv', line: 3, column: 'label' }, facts)]) {
    it(`comes back as ${error.name}, with the worker's name`, () => {
      const back = errorOf(failureOf(error, 'box-7'), 'n2-s0.6');
      expect(back).toBeInstanceOf(error.constructor);
      expect(back.message).toBe(`trial n2-s0.6 on box-7: ${error.message}`);
      expect(back).toMatchObject({ code: error.code, ...facts });
    });
  }

  it('is one of the backend where it is a defect', () => {
    const back = errorOf(failureOf(new TypeError('x is undefined'), 'box-7'), 'a');
    expect(back.message).toBe(
      'trial a on box-7: internal error: expected the trial to be trained, got x is undefined.',
    );
    expect(back).toBeInstanceOf(BackendError);
  });
});

it('says what the queue itself says', () => {
  expect(errorOf('job stalled more than allowable limit', 'a').message).toMatch(
    /^trial a: .* got job stalled more than/,
  );
});
