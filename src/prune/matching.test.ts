/** Which layers are matched, against plain loops in float64 that try the candidates one by one. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32, int64, random } from '../base/index.ts';
import { constant, gradients, input, type Node, reshape, slice } from '../graph/index.ts';
import { parametersFrom, presetConfig } from '../model/index.ts';
import { compile, cpu, type Session } from '../runtime/index.ts';
import { layersAlive } from './attach.ts';
import type { GateNodes } from './gates.ts';
import { initialProjection, layerDistillation } from './matching.ts';

const [L, B, T, D] = [6, 2, 3, 4];
const TEACHING = [1, 3, 5];
const n = B * T * D;
const real = [1, 1, 0, 1, 0, 0];

/** The states of one layer, [B, T, D], out of those of all, [L, n]. */
const stateOf = (all: Node, at: number): Node => reshape(slice(all, 0, at, at + 1), [B, T, D]);

let session: Session;

beforeAll(async () => {
  const [teacher, student] = [input('teacher', [L, n]), input('student', [L, n])];
  const alive = input('alive', [L]);
  const layers = [...Array(L).keys()];
  const start = new Map(Array.from(initialProjection(D), ([name, value]) => [name, constant(value)]));
  const stretch = {
    layers,
    teaching: TEACHING,
    teacher: layers.map((at) => stateOf(teacher, at)),
    student: layers.map((at) => stateOf(student, at)),
    alive: layers.map((at) => slice(alive, 0, at, at + 1)),
    mask: constant(int64(real, [B, T])),
  };
  const loss = layerDistillation(stretch, 'nearest', parametersFrom(start));
  const [ofStudent] = gradients(loss, [student]) as [Node];
  session = await compile({ outputs: { loss, ofStudent } }, cpu(1));
});
afterAll(() => session.close());

/** Mean of (t - s)² over real positions. */
function distance(teacher: ArrayLike<number>, student: ArrayLike<number>): number {
  let [sum, count] = [0, 0];
  for (let at = 0; at < n; at++) {
    if (real[Math.floor(at / D)] !== 1) continue;
    sum += ((teacher[at] ?? Number.NaN) - (student[at] ?? Number.NaN)) ** 2;
    count++;
  }
  return sum / count;
}

/** From the top down, the nearest that is alive and not above the last one; undefined where there is none. */
function matchesOf(distances: readonly (readonly number[])[], alive: readonly number[]): (number | undefined)[] {
  const matches: (number | undefined)[] = [];
  let highest = L - 1;
  for (const row of distances.toReversed()) {
    const allowed = [...row.keys()].filter((at) => at <= highest && alive[at] === 1);
    const nearest = allowed.toSorted((a, b) => (row[a] ?? 0) - (row[b] ?? 0))[0];
    highest = nearest ?? highest;
    matches.unshift(nearest);
  }
  return matches;
}

const rowsOf = (seed: number, name: string): Float32Array[] => {
  const draws = random(seed, name);
  return Array.from({ length: L }, () => Float32Array.from({ length: n }, () => draws.normal()));
};

const joined = (rows: readonly Float32Array[]) =>
  float32(
    rows.flatMap((row) => [...row]),
    [L, n],
  );

describe('the nearest layer', () => {
  it('is found among those alive, in order, and only it learns', async () => {
    const aliveBits = fc.array(fc.constantFrom(0, 1), { minLength: L, maxLength: L });
    const property = fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), aliveBits, async (seed, alive) => {
      const [teacher, student] = [rowsOf(seed, 'teacher'), rowsOf(seed, 'student')];
      const distances = TEACHING.map((at) => student.map((row) => distance(teacher[at] ?? [], row)));
      const matches = matchesOf(distances, alive);
      const expected = matches.reduce<number>((sum, match, k) => sum + (distances[k]?.[match ?? -1] ?? 0), 0);
      const feeds = { teacher: joined(teacher), student: joined(student), alive: float32(alive, [L]) };
      const { loss, ofStudent } = await session.run(feeds);
      expect(Number(loss?.data[0])).toBeCloseTo(expected, 5);
      for (let at = 0; at < L; at++) {
        const slope = Array.from(ofStudent?.data.slice(at * n, (at + 1) * n) ?? [], Number);
        expect(slope.some((value) => value !== 0)).toBe(matches.includes(at));
      }
    });
    await fc.assert(property, { numRuns: 50, seed: 3 });
  });

  it('is nothing, and nothing is learned, where no layer is left', async () => {
    const feeds = {
      teacher: joined(rowsOf(1, 'a')),
      student: joined(rowsOf(1, 'b')),
      alive: float32(new Float32Array(L), [L]),
    };
    const { loss, ofStudent } = await session.run(feeds);
    expect([Number(loss?.data[0]), ...Array.from(ofStudent?.data ?? [], Number)].every((value) => value === 0)).toBe(
      true,
    );
  });
});

it('counts a layer as alive while one of its sub-layers is: a gate and a part of it are open', async () => {
  const encoder = {
    ...presetConfig('tiny'),
    layers: Array.from({ length: 4 }, () => ({ heads: 2, intermediateSize: 3 })),
  };
  const gates: GateNodes = {
    hidden: constant(float32([1], [1])),
    attention: constant(float32([0.5, 0, 1, 0], [4])),
    heads: constant(float32([1, 0, 1, 1, 0, 0, 1, 1], [4, 2])),
    ffn: constant(float32([0, 0.1, 1, 0], [4])),
    intermediate: constant(float32([1, 1, 1, 0, 0, 0.2, 0, 0, 0, 1, 1, 1], [4, 3])),
  };
  const alive = layersAlive(encoder, gates);
  const open = await compile({ outputs: Object.fromEntries(alive.map((node, at) => [`layer ${at}`, node])) }, cpu(1));
  const got = await open.run({});
  await open.close();
  // by attention alone; by feed-forward alone; by neither, as all parts are shut; by neither, as both gates are
  expect(alive.map((_, at) => Number(got[`layer ${at}`]?.data[0]))).toEqual([1, 1, 0, 0]);
});
