/** The standard normal distribution. */

/** P(X <= x). By Numerical Recipes' erfc (Press et al. 1992, section 6.2), relative error below 1.2e-7. */
export function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + z / 2);
  const series = ERFC.reduceRight((sum, coefficient) => sum * t + coefficient, 0);
  const tail = (t * Math.exp(-z * z + series)) / 2;
  return x < 0 ? tail : 1 - tail;
}

const ERFC = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
  0.17087277,
] as const;

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
