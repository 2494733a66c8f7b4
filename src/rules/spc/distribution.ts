/** The distributions that confidence intervals of capability need: normal, chi-square and gamma. */

/** Lanczos coefficients (g = 7, 9 terms; Godfrey 2001): relative error below 1e-15. */
const LANCZOS = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];

/** More terms than any sum below needs for full precision. */
const MAX_TERMS = 10_000;

/** The logarithm of Γ(x), x > 0. */
export function logGamma(x: number): number {
  const shifted = x - 1;
  const base = shifted + 7.5;
  const sum = LANCZOS.reduce(
    (total, coefficient, term) => total + (term === 0 ? coefficient : coefficient / (shifted + term)),
    0,
  );
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

/**
 * Both tails of the gamma distribution with shape `shape` > 0 at `x` ≥ 0: P(shape, x) and Q = 1 − P, each without
 * cancellation (Abramowitz and Stegun 6.5.29, 6.5.31).
 */
function gammaTails(shape: number, x: number): { readonly lower: number; readonly upper: number } {
  if (x <= 0) return { lower: 0, upper: 1 };
  const scale = Math.exp(shape * Math.log(x) - x - logGamma(shape));
  if (x < shape + 1) {
    let term = 1 / shape;
    let sum = term;
    for (let index = 1; index < MAX_TERMS && term > sum * 1e-17; index++) {
      term *= x / (shape + index);
      sum += term;
    }
    const lower = Math.min(1, sum * scale);
    return { lower, upper: 1 - lower };
  }
  const upper = Math.min(1, scale * upperFraction(shape, x));
  return { lower: 1 - upper, upper };
}

/** The continued fraction of the upper tail, by Lentz's method. */
function upperFraction(shape: number, x: number): number {
  let b = x + 1 - shape;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let index = 1; index < MAX_TERMS; index++) {
    const a = -index * (index - shape);
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    const factor = c * d;
    fraction *= factor;
    if (Math.abs(factor - 1) < 1e-16) break;
  }
  return fraction;
}

/** The probability that a standard normal variable is below `z`. */
export function normalCdf(z: number): number {
  const { lower, upper } = gammaTails(0.5, (z * z) / 2);
  return z < 0 ? upper / 2 : 0.5 + lower / 2;
}

/** The z with `normalCdf(z) = probability`, probability in (0, 1). */
export function normalQuantile(probability: number): number {
  return bisect((z) => normalCdf(z) < probability, -40, 40);
}

/** The value below which a chi-square variable with `degrees` > 0 (not necessarily whole) lies with `probability` in (0, 1). */
export function chiSquareQuantile(probability: number, degrees: number): number {
  const isBelow = (x: number) => gammaTails(degrees / 2, x / 2).lower < probability;
  let high = degrees + 10;
  while (isBelow(high)) high *= 2;
  return bisect(isBelow, 0, high);
}

/** The point between `low` and `high` where `isBelow` turns false, to the last bit. */
function bisect(isBelow: (x: number) => boolean, low: number, high: number): number {
  let [from, to] = [low, high];
  for (;;) {
    const middle = from + (to - from) / 2;
    if (middle <= from || middle >= to) return middle;
    if (isBelow(middle)) from = middle;
    else to = middle;
  }
}
