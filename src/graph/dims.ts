/**
 * Sizes of axes: numbers, or products of named symbols that are bound when a model runs. One letter key for the whole project:
 *
 * **B** groups in a batch · **N** instances multiplexed together · **T** tokens · **D** hidden size · **H** heads ·
 * **K** size of a head · **F** feed-forward size · **L** layers · **V** vocabulary · **C** classes · **P** positions of a prefix ·
 * **S** positions that are read · **E** width of an instance.
 *
 * Rows are groups times instances, so a batch of texts has the size `5*B` in a model of five instances. A letter has one
 * meaning everywhere; configs use words (`hiddenSize`), shapes use letters.
 */
import { ShapeError } from '../base/index.ts';

/** A size: a number, a symbol (`B`), a sum of a symbol and a number (`(T+3)`), or a product of these in canonical form (`5*B*T`: factor first, symbols sorted). */
export type Dim = number | string;
export type Shape = readonly Dim[];

interface Product {
  readonly factor: number;
  readonly symbols: readonly string[];
}

function parse(dim: Dim): Product {
  if (typeof dim === 'number') return { factor: dim, symbols: [] };
  const parts = dim.split('*');
  const factor = Number(parts[0]);
  return Number.isNaN(factor) ? { factor: 1, symbols: parts } : { factor, symbols: parts.slice(1) };
}

function format({ factor, symbols }: Product): Dim {
  if (symbols.length === 0 || factor === 0) return factor;
  const sorted = [...symbols].sort().join('*');
  return factor === 1 ? sorted : `${factor}*${sorted}`;
}

/** The symbols a size is made of; none for a number. */
export function symbolsOf(dim: Dim): readonly string[] {
  return parse(dim).symbols;
}

/** The product of sizes. */
export function product(sizes: readonly Dim[]): Dim {
  let factor = 1;
  const symbols: string[] = [];
  for (const size of sizes) {
    const part = parse(size);
    factor *= part.factor;
    symbols.push(...part.symbols);
  }
  return format({ factor, symbols });
}

/** `total / part`, where it comes out even; otherwise undefined. */
export function quotient(total: Dim, part: Dim): Dim | undefined {
  const whole = parse(total);
  const divisor = parse(part);
  const symbols = [...whole.symbols];
  for (const symbol of divisor.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  const factor = whole.factor / divisor.factor;
  return Number.isInteger(factor) ? format({ factor, symbols }) : undefined;
}

const SUM = /^\((.+)\+(\d+)\)$/;

/** The parts of a sum; undefined for a symbol that is none. */
export function sumOf(symbol: Dim): { readonly base: string; readonly count: number } | undefined {
  const [, base, count] = SUM.exec(String(symbol)) ?? [];
  return base === undefined ? undefined : { base, count: Number(count) };
}

/** A size and a number; the number may be negative as long as the sum of a symbol is not less than the symbol: `T`, 3 -> `(T+3)`. */
export function plus(dim: Dim, count: number): Dim {
  if (typeof dim === 'number') return dim + count;
  if (count === 0) return dim;
  const { base, count: before } = sumOf(dim) ?? { base: dim, count: 0 };
  const total = before + count;
  if (base.includes('*') || total < 0) {
    throw new ShapeError('plus', { expected: 'a symbol, or a sum that is not below it', got: `${dim} and ${count}` });
  }
  return total === 0 ? base : `(${base}+${total})`;
}

/** The least that a size can be: a batch has a row, a row has a token. */
export function least(dim: Dim): number {
  const { factor, symbols } = parse(dim);
  return symbols.reduce((smallest, symbol) => smallest * (1 + (sumOf(symbol)?.count ?? 0)), factor);
}

export function sameShape(left: Shape, right: Shape): boolean {
  return left.length === right.length && left.every((dim, axis) => dim === right[axis]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** The shape of an elementwise result (NumPy's rule): sizes are equal, or one of them is 1. */
export function broadcast(where: string, left: Shape, right: Shape): Shape {
  const rank = Math.max(left.length, right.length);
  return Array.from({ length: rank }, (_, axis) => {
    const a = left[axis - rank + left.length] ?? 1;
    const b = right[axis - rank + right.length] ?? 1;
    if (a === b || b === 1) return a;
    if (a === 1) return b;
    throw new ShapeError(where, {
      expected: 'shapes that broadcast',
      got: `${formatShape(left)} and ${formatShape(right)}`,
    });
  });
}

/** A size that must be a number, because the graph is built from it. */
export function fixed(where: string, dim: Dim | undefined): number {
  if (typeof dim === 'number') return dim;
  throw new ShapeError(where, { expected: 'a size that is a number', got: String(dim) });
}

type Letters<Names extends string> = Names extends `${infer Head} ${infer Tail}` ? Head | Letters<Tail> : Names;

/**
 * Names, checks and destructures the shape of a tensor: `const { B, T, D } = dims(x, 'B T D')`. A letter given twice must have
 * one size. Throws ShapeError when the rank differs.
 */
export function dims<Names extends string>(x: { readonly shape: Shape }, names: Names): Record<Letters<Names>, Dim> {
  const letters = names.split(' ');
  const result: Record<string, Dim> = {};
  letters.forEach((letter, axis) => {
    const size = x.shape[axis];
    if (size === undefined || letters.length !== x.shape.length || (result[letter] ?? size) !== size) {
      throw new ShapeError('dims', { expected: `[${letters.join(', ')}]`, got: formatShape(x.shape) });
    }
    result[letter] = size;
  });
  return result as Record<Letters<Names>, Dim>;
}
