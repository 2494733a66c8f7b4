// Prints how often each of the nine charts signals on a polled process in control for 30 days, beside theory. Run after `npm run build`.
import { spcRule } from '../dist/src/rules/spc/rule.js';

const PARTS = Number(process.argv[2] ?? 259_200); // a part each 10 s
const POLLS = 5;
let seed = 12_345;
const uniform = () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return (seed + 0.5) / 2 ** 32;
};
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const poisson = (mean) => {
  let count = 0;
  for (let product = uniform(), least = Math.exp(-mean); product > least; product *= uniform()) count++;
  return count;
};
const binomial = (n, p) => Array.from({ length: n }, () => Number(uniform() < p)).reduce((a, b) => a + b, 0);

/** The probability that a count with these probabilities lies beyond its limits. */
const outside = (probability, center, sigma) => {
  let sum = 0;
  for (let count = 0, value = probability(0); count < 200; count++, value = probability(count))
    if (count > center + 3 * sigma || count < center - 3 * sigma) sum += value;
  return sum;
};
const logFactorial = (n) => Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0);
const poissonAt = (mean) => (k) => Math.exp(k * Math.log(mean) - mean - logFactorial(k));
const binomialAt = (n, p) => (k) =>
  k > n
    ? 0
    : Math.exp(logFactorial(n) - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log(1 - p));

const THREE_SIGMA = 0.0026998;
const binomialTail = outside(binomialAt(50, 0.1), 5, Math.sqrt(4.5));
const given = (center, sigma) => ({ from: 'given', center, sigma });
const size = { by: 'size', size: 50 };
const charts = [
  { chart: 'i-mr', limits: given(0, 1), draw: normal, theory: THREE_SIGMA, signal: ['N1'] },
  { chart: 'xbar-r', limits: given(0, 1), draw: normal, each: true, theory: THREE_SIGMA, signal: ['N1'] },
  { chart: 'xbar-s', limits: given(0, 1), draw: normal, each: true, theory: THREE_SIGMA, signal: ['N1'] },
  { chart: 'ewma', limits: given(0, 1), draw: normal, theory: 1 / 559.9, signal: ['EWMA'] },
  { chart: 'cusum', limits: given(0, 1), draw: normal, theory: 1 / 465.4, signal: ['CUSUM+', 'CUSUM-'] },
  {
    chart: 'p',
    limits: given(0.1),
    inspected: size,
    draw: () => binomial(50, 0.1),
    theory: binomialTail,
    signal: ['N1'],
  },
  {
    chart: 'np',
    limits: given(5),
    inspected: size,
    draw: () => binomial(50, 0.1),
    theory: binomialTail,
    signal: ['N1'],
  },
  {
    chart: 'c',
    limits: given(8),
    inspected: { by: 'size', size: 1 },
    draw: () => poisson(8),
    theory: outside(poissonAt(8), 8, Math.sqrt(8)),
    signal: ['N1'],
  },
  {
    chart: 'u',
    limits: given(0.16),
    inspected: size,
    draw: () => poisson(8),
    theory: outside(poissonAt(8), 8, Math.sqrt(8)),
    signal: ['N1'],
  },
];

for (const { draw, each, theory, signal, chart, limits, inspected } of charts) {
  const hasRules = chart !== 'ewma' && chart !== 'cusum';
  const rule = spcRule({
    ...{ id: chart, tag: 'press/value', chart, subgroup: { by: 'trigger', tag: 'press/parts' }, inspected, limits },
    ...{
      rules: hasRules ? ['N1'] : [],
      spec: undefined,
      priority: 'low',
      lambda: 0.2,
      width: 3,
      slack: 0.5,
      decision: 5,
      headStart: 0,
    },
  });
  let state = rule.initial;
  let signals = 0;
  let monoMs = 0;
  const give = (tag, value) => {
    const step = rule.step(state, { tag, wallMs: monoMs, monoMs, quality: 'good', value });
    state = step.state;
    if (!step.findings.some(({ body }) => signal.includes(body?.rule))) return;
    signals++;
    // A run length counts from a chart that begins anew: EWMA and CUSUM do after a signal, as after a mended cause.
    if (!hasRules) state = { ...state, chart: rule.initial.chart };
  };
  for (let part = 0; part < PARTS; part++) {
    let value = draw();
    for (let poll = 0; poll < POLLS; poll++, monoMs += 2000) {
      if (each && poll > 0) value = draw();
      give('press/value', value);
    }
    give('press/parts', part);
  }
  const wanted = theory * PARTS;
  const off = (100 * (signals / wanted - 1)).toFixed(1);
  console.log(
    `${chart.padEnd(8)} ${String(state.point).padStart(7)} points  ${String(signals).padStart(5)} signals  theory ${wanted.toFixed(0).padStart(5)}  ${off} %`,
  );
}
