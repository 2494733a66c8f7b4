/** Production out of files of readings: published figures from raw counter readings, and what a file may lack. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import type { ProductionReport } from '../../src/core/production/production.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

/** Monday 2026-11-30, 06:00 in London. */
const SIX = Date.UTC(2026, 10, 30, 6);
const MIN = 60_000;

interface Tested {
  readonly events: readonly { readonly kind: string; readonly change?: string; readonly report?: ProductionReport }[];
  readonly production: Readonly<Record<string, ProductionReport>>;
}

/** What a backtest says of rows of `t,tag,value`. */
async function tested(production: string, rows: readonly string[]): Promise<Tested> {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(
    file,
    `gateway: {id: g, timezone: Europe/London}
channels: {sim: {driver: mock}}
devices:
  press-1:
    channel: sim
    tags:
      parts: {address: "counter(rate=60/m)", counter: true}
      rejects: {address: "counter(rate=1/m)", counter: true}
      running: {address: "toggle(period=1m)"}
      kwh: {address: "counter(rate=1/m)", unit: kWh}
production: {press-1: {count: press-1/parts, ${production}}}
store: {path: ${join(folder, 'store')}}
`,
  );
  const csv = join(folder, 'readings.csv');
  writeFileSync(csv, `t,tag,value\n${rows.join('\n')}\n`);
  const run = millgate(['backtest', '--json', '--config', file, '--csv', csv]);
  expect(await run.exitCode, run.err()).toBe(EXIT.ok);
  return JSON.parse(run.out()) as Tested;
}

const SHIFT = 'shifts: [{name: early, days: mon-fri, from: "06:00", to: "13:00"}]';

/** Down for 27 minutes from 07:00 and for 20 from 10:00; runs evenly the other 373. */
function published(everyMin: number, signal: boolean): string[] {
  const rows: string[] = [];
  for (let minute = 0; minute <= 420; minute += everyMin) {
    const down = Math.min(27, Math.max(0, minute - 60)) + Math.min(20, Math.max(0, minute - 240));
    const ran = minute - down;
    const t = SIX + minute * MIN;
    rows.push(`${t},press-1/parts,${5000 + Math.floor((19_271 * ran) / 373)}`);
    rows.push(`${t},press-1/rejects,${Math.floor((423 * ran) / 373)}`);
    const isDown = (minute >= 60 && minute < 87) || (minute >= 240 && minute < 260);
    if (signal) rows.push(`${t},press-1/running,${isDown ? 0 : 1}`);
  }
  return rows;
}

const percent = (ratio: number | null) => ((ratio ?? Number.NaN) * 100).toFixed(2);

describe('a published shift: planned 420 min, run 373, ideal cycle 1 s, 19,271 parts, 423 rejects', () => {
  it.each([
    ['by its counter', `reject: press-1/rejects, idealCycle: 1s, ${SHIFT}`, false],
    ['with a running signal', `reject: press-1/rejects, running: press-1/running, idealCycle: 1s, ${SHIFT}`, true],
  ])('%s', async (_title, production, signal) => {
    const { production: reports, events } = await tested(production, published(1, signal));
    const report = reports['press-1']!;
    expect([report.availability, report.performance, report.quality, report.oee].map(percent)).toEqual([
      ...['88.81', '86.11', '97.80', '74.79'],
    ]);
    expect(report).toMatchObject({ plannedMs: 420 * MIN, runMs: 373 * MIN, count: 19_271, good: 18_848, failures: 2 });
    // The event that ends the shift has the same report.
    expect(events.filter(({ report: told }) => told).map(({ report: told }) => told)).toEqual([report]);
  });
});

describe('a file of readings', () => {
  it('with a hole has no data there, whatever its pace; and ends where its last reading is', async () => {
    const rows = published(1, true).filter((row) => {
      const minute = (Number(row.split(',')[0]) - SIX) / MIN;
      return minute <= 300 && !(minute > 100 && minute < 130);
    });
    const { production } = await tested(`running: press-1/running, idealCycle: 1s, ${SHIFT}`, rows);
    expect(production['press-1']).toMatchObject({ from: SIX, to: SIX + 300 * MIN, noDataMs: 30 * MIN });
  });

  it('in which a row or two are missing is bridged: no time without data, and no part is lost', async () => {
    const rows = published(1, true).filter((row) => {
      const minute = (Number(row.split(',')[0]) - SIX) / MIN;
      return !(minute >= 130 && minute <= 131);
    });
    const { production } = await tested(`running: press-1/running, idealCycle: 1s, ${SHIFT}`, rows);
    expect(production['press-1']).toMatchObject({ noDataMs: 0, count: 19_271, runMs: 373 * MIN });
  });

  it('with a meter has its energy, and what it cost at the price of its time', async () => {
    const rows = published(10, true);
    // 60 kW all along: 60 kWh an hour, of which the first is at night.
    for (let minute = 0; minute <= 420; minute += 10) rows.push(`${SIX + minute * MIN},press-1/kwh,${4200 + minute}`);
    const tariff = '[{price: 0.3, from: "07:00", to: "22:00"}, {price: 0.2}]';
    const energy = `energy: {tag: press-1/kwh, currency: GBP, tariff: ${tariff}}`;
    const { production, events } = await tested(`idealCycle: 1s, running: press-1/running, ${energy}, ${SHIFT}`, rows);
    expect(production['press-1']).toMatchObject({ energyKwh: 420, energyCost: 60 * 0.2 + 360 * 0.3 });
    expect(events.find(({ change }) => change === 'shift')!.report).toMatchObject({ energyKwh: 420 });
  });

  it('that counts up to a break and from its end on says nothing of parts made during it', async () => {
    const rows: string[] = [];
    for (let minute = 0, parts = 0; minute <= 420; minute++) {
      if (minute <= 210 || minute >= 225) parts += 10;
      rows.push(`${SIX + minute * MIN},press-1/parts,${parts}`);
    }
    const shift = SHIFT.replace('to: "13:00"', 'to: "13:00", breaks: [{from: "09:30", to: "09:45"}]');
    const { production } = await tested(`idealCycle: 5s, maxRate: 1/s, ${shift}`, rows);
    expect(production['press-1']).toMatchObject({ breakMs: 15 * MIN, unplannedMs: 0, uncertain: [] });
  });

  it.each([
    ['forward', Date.UTC(2026, 2, 28, 22), 7],
    ['back', Date.UTC(2026, 9, 24, 21), 9],
  ])('of a night shift in which the clocks are set %s', async (_title, from, hours) => {
    const rows: string[] = [];
    for (let minute = 0; minute <= hours * 60 + 2; minute += 2)
      rows.push(`${from + minute * MIN},press-1/parts,${minute * 60}`, `${from + minute * MIN},press-1/running,1`);
    const night = 'shifts: [{name: night, from: "22:00", to: "06:00", breaks: [{from: "01:30", to: "02:00"}]}]';
    const { events } = await tested(`running: press-1/running, idealCycle: 1s, ${night}`, rows);
    expect(events.flatMap(({ report }) => report ?? [])).toMatchObject([
      {
        shift: 'night',
        from,
        to: from + hours * 60 * MIN,
        plannedMs: hours * 60 * MIN,
        breakMs: 30 * MIN,
        noDataMs: 0,
      },
    ]);
  });
});
