import { describe, expect, it } from 'vitest';
import { float32 } from '../base/index.ts';
import { predictions, qualityOf, spreadOf } from './metrics.ts';

describe('metrics', () => {
  it('predict the largest logit, the first of equals', () => {
    expect(predictions(float32([0, 2, 1, 3, 3, -1], [2, 3]))).toEqual([1, 0]);
  });

  it('predict nothing from logits that are no numbers, of which the first would pass for the largest', () => {
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => predictions(float32([0, 2, broken, 1], [2, 2]))).toThrow(
        /logits: expected finite numbers, got (NaN|Infinity), 1/,
      );
    }
  });

  it('agree with scikit-learn on its own example of f1_score', () => {
    // sklearn.metrics.f1_score([0,1,2,0,1,2], [0,2,1,0,0,1], average='macro') = 0.2666…; accuracy 2/6.
    const { accuracy, macroF1 } = qualityOf([0, 2, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2], 3);
    expect(accuracy).toBeCloseTo(1 / 3, 12);
    expect(macroF1).toBeCloseTo(0.26666666, 7);
  });

  it('leave out a class that neither occurs nor is predicted', () => {
    expect(qualityOf([0, 1], [0, 1], 5)).toEqual({ accuracy: 1, macroF1: 1 });
  });

  it('give the sample standard deviation, 0 of one value', () => {
    expect(spreadOf([2, 4, 4, 4, 5, 5, 7, 9]).std).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(spreadOf([3])).toEqual({ mean: 3, std: 0 });
  });
});
