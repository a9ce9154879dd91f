/** Numbers against test/parity/prune.json: PyTorch, papers.md 2.4 and 5.4. */
import { describe, expect, it } from 'vitest';
import parity from '../../test/parity/prune.json' with { type: 'json' };
import { float32, int64 } from '../base/index.ts';
import { concat, constant, gradients, mul, type Node } from '../graph/index.ts';
import { parametersFrom } from '../model/index.ts';
import { compile, cpu } from '../runtime/index.ts';
import { logitDistillation } from './distillation.ts';
import {
  initialProjection,
  type LayerStretch,
  layerDistillation,
  MATCHINGS,
  type MatchingName,
  teachingLayers,
} from './matching.ts';

const { logits, layer } = parity.distillation;

async function valuesOf(outputs: Readonly<Record<string, Node>>): Promise<Record<string, number[]>> {
  const session = await compile({ outputs }, cpu(1));
  const results = await session.run({});
  await session.close();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
}

function expectClose(got: readonly number[] | undefined, expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length);
  expected.forEach((value, at) => {
    expect(got?.[at]).toBeCloseTo(value, 5);
  });
}

const tensor = ({ data, shape }: { data: number[]; shape: number[] }): Node => constant(float32(data, shape));

describe('logits', () => {
  const student = tensor(logits.student);
  const teacher = tensor(logits.teacher);

  it('agree with PyTorch, with their gradient', async () => {
    const weights = constant(float32([1, 1, 1, 1], [4]));
    const loss = logitDistillation({ student, teacher, weights, temperature: logits.temperature });
    const [gradient] = gradients(loss, [student]) as [Node];
    const got = await valuesOf({ loss, gradient });
    expectClose(got.loss, [logits.loss]);
    expectClose(got.gradient, logits.studentGradient.data);
  });

  it('ignore rows of no weight', async () => {
    const weights = constant(float32([1, 1, 1, 1, 0], [5]));
    const filler = constant(float32([9, -9, 3], [1, 3]));
    const loss = logitDistillation({
      student: concat([student, filler], 0),
      teacher: concat([teacher, mul(filler, -1)], 0),
      weights,
      temperature: logits.temperature,
    });
    expectClose((await valuesOf({ loss })).loss, [logits.loss]);
  });
});

describe('layers', () => {
  const [weight, bias, student, teacher] = [layer.weight, layer.bias, layer.student, layer.teacher].map(tensor) as [
    Node,
    Node,
    Node,
    Node,
  ];
  const [B, T, D] = layer.student.shape as [number, number, number];
  const p = parametersFrom(
    new Map([...initialProjection(D).keys()].map((name, at) => [name, [weight, bias][at] as Node])),
  );
  const everywhere = constant(int64(new Array(B * T).fill(1), [B, T]));

  const stretch = (one: Partial<LayerStretch>, layers = 1): LayerStretch => ({
    layers: [...Array(layers).keys()],
    teaching: [...Array(layers).keys()],
    teacher: new Array(layers).fill(teacher),
    student: new Array(layers).fill(student),
    alive: new Array(layers).fill(constant(float32([1], [1]))),
    mask: everywhere,
    ...one,
  });

  describe.each(Object.keys(MATCHINGS) as MatchingName[])('matched as %s', (matching) => {
    it('agree with PyTorch, with their gradients', async () => {
      const loss = layerDistillation(stretch({}), matching, p);
      const [ofStudent, ofWeight, ofBias] = gradients(loss, [student, weight, bias]) as [Node, Node, Node];
      const got = await valuesOf({ loss, ofStudent, ofWeight, ofBias });
      expectClose(got.loss, [layer.loss]);
      expectClose(got.ofStudent, layer.gradients.student.data);
      expectClose(got.ofWeight, layer.gradients.weight.data);
      expectClose(got.ofBias, layer.gradients.bias.data);
    });

    it('add up', async () => {
      expectClose((await valuesOf({ loss: layerDistillation(stretch({}, 2), matching, p) })).loss, [2 * layer.loss]);
    });

    it('do not see padding', async () => {
      const padding = constant(float32(new Array(B * D).fill(7), [B, 1, D]));
      const real = Array.from({ length: B * (T + 1) }, (_, at) => (at % (T + 1) < T ? 1 : 0));
      const padded = {
        teacher: [concat([teacher, mul(padding, -1)], 1)],
        student: [concat([student, padding], 1)],
        mask: constant(int64(real, [B, T + 1])),
      };
      const loss = layerDistillation(stretch(padded), matching, p);
      expectClose((await valuesOf({ loss })).loss, [layer.loss]);
    });

    it('start from the identity', async () => {
      const start = parametersFrom(
        new Map(Array.from(initialProjection(D), ([name, value]) => [name, constant(value)])),
      );
      const loss = layerDistillation(stretch({ student: [teacher] }), matching, start);
      expect((await valuesOf({ loss })).loss).toEqual([0]);
    });
  });

  it.each([
    [12, [2, 5, 8, 11]], // as published
    [4, [0, 1, 2, 3]],
    [2, [0, 1]],
    [6, [1, 2, 4, 5]],
  ])('of %i are taken at even distances', (layers, expected) => {
    expect(teachingLayers(layers)).toEqual(expected);
  });
});
