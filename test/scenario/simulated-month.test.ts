/**
 * A month of the demo's press whose stops have known causes: how much of the stop time the rules of its file classify by
 * themselves, and whether they are right. One day here; MILLGATE_DAYS=30 for the month, whose report is then printed.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { runBacktest } from '../../src/backtest/run.ts';
import { reportLines } from '../../src/cli/oee/oee-text.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ProductionReport } from '../../src/core/production/production.ts';
import { seededRandom } from '../../src/core/random.ts';
import { type DeviceRecord, Fields, type Value } from '../../src/core/reading.ts';
import { ruleConfigOf } from '../../src/gateway/rule-config.ts';
import { contextOf } from '../double/command-line.ts';

const DAYS = Number(process.env.MILLGATE_DAYS ?? 1);
const SEED = Number(process.env.MILLGATE_SEED ?? 4);
const MIN = 60_000;
const DAY = 1440 * MIN;
const EVERY_MS = 5000;
/** Monday 2026-11-02, 06:00 in London. */
const START = Date.UTC(2026, 10, 2, 6);

/** Why the press stands: how often, how long (minutes), and what its controller says of it, and how late. */
interface Cause {
  readonly reason: string;
  readonly everyMin: number;
  readonly lasts: readonly [least: number, most: number];
  /** Undefined: it has no code for that. */
  readonly code: number | undefined;
  /** How often the code is given, and how late at most, s. */
  readonly coded: number;
  readonly lateS: number;
  /** The fault bit, which raises the alarm. */
  readonly fault: boolean;
}

const CAUSES: readonly Cause[] = [
  { reason: 'jam', everyMin: 75, lasts: [2, 11], code: 10, coded: 0.97, lateS: 5, fault: false },
  { reason: 'changeover', everyMin: 360, lasts: [16, 34], code: 20, coded: 0.95, lateS: 90, fault: false },
  { reason: 'no material', everyMin: 300, lasts: [5, 28], code: 30, coded: 0.9, lateS: 120, fault: false },
  { reason: 'spindle bearing', everyMin: 7 * 1440, lasts: [50, 140], code: 40, coded: 0.5, lateS: 30, fault: true },
  // Nobody at the machine: no code, no alarm.
  { reason: 'nobody there', everyMin: 330, lasts: [3, 14], code: undefined, coded: 0, lateS: 0, fault: false },
];

interface Stop {
  readonly cause: Cause;
  readonly fromMs: number;
  readonly toMs: number;
  readonly codeFromMs: number;
}

/** Whether anything happens within a step is chance; the machine does nothing else while it stands. */
function stopsOf(random: () => number): Stop[] {
  const stops: Stop[] = [];
  for (let at = START; at < START + DAYS * DAY; at += EVERY_MS) {
    const cause = CAUSES.find(({ everyMin }) => random() < EVERY_MS / (everyMin * MIN));
    if (!cause) continue;
    const lastsMs = (cause.lasts[0] + random() * (cause.lasts[1] - cause.lasts[0])) * MIN;
    const codeFromMs = random() < cause.coded ? at + random() * cause.lateS * 1000 : Number.POSITIVE_INFINITY;
    stops.push({ cause, fromMs: at, toMs: at + lastsMs, codeFromMs });
    at += lastsMs;
  }
  return stops;
}

/** What the gateway reads of the press, every five seconds but for an outage a week. */
function* readings(stops: readonly Stop[], random: () => number): Generator<DeviceRecord> {
  let [parts, rejects, wear, next] = [120_000, 900, 0, 0];
  for (let at = START; at <= START + DAYS * DAY; at += EVERY_MS) {
    while (stops[next] && stops[next]!.toMs <= at) next++;
    const stop = stops[next] && stops[next]!.fromMs <= at ? stops[next] : undefined;
    const isMicro = stop === undefined && random() < 0.004;
    const running = !stop && !isMicro;
    if (stop?.cause.fault) wear = 0;
    if (running) {
      wear = Math.min(1, wear + EVERY_MS / (9 * DAY));
      const made = (EVERY_MS / 2400) * (0.97 - 0.07 * wear) * (0.9 + 0.2 * random());
      parts += made;
      rejects += made * (0.012 + 0.05 * wear ** 2);
    }
    const weekMs = (at - START) % (7 * DAY);
    if (weekMs > 3 * DAY && weekMs < 3 * DAY + 25 * MIN) continue;
    const values: Record<string, Value> = {
      parts: Math.floor(parts),
      rejects: Math.floor(rejects),
      running,
      'fault-code': stop && at >= stop.codeFromMs ? stop.cause.code! : 0,
      fault: stop?.cause.fault === true,
      vibration: running ? 1.3 + 3.6 * wear ** 3 + 0.1 * random() : 0.2,
    };
    const fields = Object.entries(values).map(([name, value]) => ({ name, quality: 'good', value }) as const);
    yield {
      device: 'press-1',
      at: { wallMs: at, monoMs: at },
      clockKnown: true,
      simulated: true,
      fields: Fields.of(fields),
    };
  }
}

/** How much of the stops' time got a reason, and how much of it the true one. */
function classified({ stops }: ProductionReport, truth: readonly Stop[]) {
  const sums = { allMs: 0, codedMs: 0, rightMs: 0 };
  for (const { kind, reason, ms, from, to } of stops) {
    if (kind === 'micro') continue;
    const cause = truth.find(({ fromMs, toMs }) => fromMs < to && toMs > from)?.cause.reason;
    sums.allMs += ms;
    if (reason !== null) sums.codedMs += ms;
    if (reason !== null && reason === cause) sums.rightMs += ms;
  }
  return { coded: sums.codedMs / sums.allMs, right: sums.rightMs / sums.codedMs, minutes: sums.allMs / MIN };
}

it(`classifies 80 % of the stop minutes of ${DAYS} days by rules alone`, { timeout: 600_000 }, () => {
  const file = new URL('../../config/demo.yaml', import.meta.url).pathname;
  const loaded = loadConfig({
    file,
    drivers: DRIVERS,
    hostname: 'demo',
    timezone: 'Europe/London',
    files: { read: () => readFileSync(file), list: () => [], exists: () => true },
    profiles: '/nowhere',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const random = seededRandom(SEED);
  const truth = stopsOf(random);
  const result = runBacktest(ruleConfigOf(loaded.config), readings(truth, random));
  const report = result.production['press-1']!;
  const { coded, right, minutes } = classified(report, truth);
  expect(coded).toBeGreaterThanOrEqual(0.8);
  expect(right).toBeGreaterThanOrEqual(0.98);
  if (DAYS < 30) return;
  const { context } = contextOf();
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const findings = result.events.filter(({ body }) => body.kind === 'maintenance');
  const lines = [
    `${minutes.toFixed(0)} stop minutes: ${percent(coded)} classified by rules alone, ${percent(right)} of these rightly`,
    ...reportLines(report, { ...context, timezone: 'Europe/London' }),
    ...findings.slice(-4).map(({ body }) => String(body.message)),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
});
