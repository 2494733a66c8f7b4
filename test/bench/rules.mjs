// What the rules cost: 2,000 alarms and 200 control charts at 2,000 readings a second, on the compiled program. The
// share of one core is printed; above 10 % it fails.

import { Fields } from '../../dist/src/core/reading.js';
import { SPC_DEFAULTS } from '../../dist/src/core/spc.js';
import { createRuleSet } from '../../dist/src/rules/rule-set.js';

const ALARMS = 2000;
const CHARTS = 200;
const SECONDS = 60;
const MOST = 0.1;

const alarm = (index) => ({
  id: `a${index}`,
  tag: `d${index % 100}/t${Math.floor(index / 100)}`,
  condition: { kind: 'above', limit: 80 },
  unit: undefined,
  deadband: 2,
  onDelayMs: 5000,
  offDelayMs: 5000,
  priority: 'medium',
  latch: false,
  ack: true,
  message: undefined,
  while: undefined,
  set: undefined,
  maxShelveMs: 28_800_000,
});
const chart = (index) => ({
  id: `c${index}`,
  tag: alarm(index).tag,
  chart: 'xbar-r',
  subgroup: { by: 'count', size: 5 },
  inspected: undefined,
  limits: { from: 'given', center: 50, sigma: 10 },
  rules: ['N1', 'N2', 'N3', 'N4', 'N5', 'N6', 'N7', 'N8'],
  spec: { lsl: 10, target: 50, usl: 90 },
  priority: 'medium',
  ...SPC_DEFAULTS,
});
const config = {
  alarms: Array.from({ length: ALARMS }, (_, index) => alarm(index)),
  spc: Array.from({ length: CHARTS }, (_, index) => chart(index)),
  derived: [],
  maintenance: [],
  counters: new Set(),
  policies: new Map(),
};

let seed = 1;
function noise() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}

/** One second: 100 devices give 20 tags each; four sums of noise make it bell-shaped. */
function secondOf(second) {
  const at = { wallMs: 1.76e12 + second * 1000, monoMs: second * 1000 };
  return Array.from({ length: 100 }, (_, device) => ({
    device: `d${device}`,
    at,
    clockKnown: true,
    simulated: false,
    fields: Fields.of(
      Array.from({ length: 20 }, (_, tag) => ({
        name: `t${tag}`,
        quality: 'good',
        value: 50 + 17 * (noise() + noise() + noise() + noise() - 2),
      })),
    ),
  }));
}

const { pipeline } = createRuleSet(config, new Map());
const seconds = Array.from({ length: SECONDS + 10 }, (_, second) => secondOf(second));
let events = 0;
let stateBytes = 0;
let cpu = 0;
for (const [second, records] of seconds.entries()) {
  const before = process.cpuUsage();
  const states = new Map();
  for (const record of records) {
    const judged = pipeline.accept(record);
    events += judged.findings.length;
    for (const [key, state] of judged.states) states.set(key, state);
  }
  // As the committer does once a second.
  for (const state of states.values()) stateBytes += JSON.stringify(state).length;
  const { user, system } = process.cpuUsage(before);
  // The first ten seconds warm the compiler up.
  if (second >= 10) cpu += user + system;
}
const share = cpu / 1e6 / SECONDS;
const perSecond = ALARMS;
console.log(
  `${ALARMS} alarms (and as many of their instruments), ${CHARTS} charts, ${perSecond} readings/s, ${SECONDS} s:`,
);
console.log(
  `${(share * 100).toFixed(2)} % of one core, ${events} events, ${(stateBytes / (SECONDS + 10) / 1000).toFixed(1)} kB of states a second before compression`,
);
process.exit(share < MOST ? 0 : 1);
