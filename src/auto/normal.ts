/** The standard normal distribution. */

/** P(X <= x) = 1/2 + φ(x) (x + x³/3 + x⁵/(3·5) + …), Marsaglia 2004, to rounding; beyond the widest there is nothing left to tell. */
export function normalCdf(x: number): number {
  if (Math.abs(x) > WIDEST) return x < 0 ? 0 : 1;
  let [sum, term] = [x, x];
  for (let odd = 3; Math.abs(term) > Number.EPSILON * Math.abs(sum); odd += 2) {
    term *= (x * x) / odd;
    sum += term;
  }
  const p = 0.5 + (sum * Math.exp(-(x * x) / 2)) / Math.sqrt(2 * Math.PI);
  return Math.min(1, Math.max(0, p)); // rounding
}

const WIDEST = 9;
const HALVINGS = 60;

/** The x with P(X <= x) = p, 0 < p < 1; by bisection. */
export function normalQuantile(p: number): number {
  let [low, high] = [-WIDEST, WIDEST];
  for (let round = 0; round < HALVINGS; round++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
