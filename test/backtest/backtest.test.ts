import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { EXIT } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import { type DeviceRecord, Fields } from '../../src/core/reading.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

const SIX = Date.UTC(2025, 10, 24, 6);

/** A folder with a configuration: an oil temperature with the given alarms and charts. */
function site(rules: string): { folder: string; file: string } {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(
    file,
    `channels: {sim: {driver: mock}}
devices: {press-1: {channel: sim, tags: {oil: {address: "1", type: float64}, running: {address: "true", type: bool}}}}
store: {path: ${join(folder, 'store')}}
${rules}
`,
  );
  return { folder, file };
}

/** Readings of press-1/oil as seconds and values, `bad` for none. */
function csv(folder: string, readings: readonly (readonly [number, number | string])[]): string {
  const lines = readings.map(([second, value]) => `${SIX + second * 1000},press-1/oil,${value}`);
  const file = join(folder, 'readings.csv');
  writeFileSync(file, `t,tag,value\n${lines.join('\n')}\n`);
  return file;
}

interface Tested {
  readonly events: readonly Record<string, unknown>[];
  readonly summary: readonly Record<string, unknown>[];
  readonly against?: Tested;
}

async function backtest(...args: string[]): Promise<Tested> {
  const run = millgate(['backtest', '--json', ...args]);
  expect([await run.exitCode, run.err()]).toEqual([EXIT.ok, '']);
  return JSON.parse(run.out()) as Tested;
}

const HOT = 'alarms: {hot: {tag: press-1/oil, above: 80, deadband: 2, onDelay: 5s, offDelay: 3s}}';

describe('backtest', () => {
  it('tells what would have been raised and when, timers at the time they fall due', async () => {
    const { folder, file } = site(HOT);
    const { events } = await backtest(
      '--config',
      file,
      '--csv',
      csv(folder, [
        [0, 70],
        [10, 81],
        [30, 79],
        [40, 77],
        [60, 77],
      ]),
    );
    expect(events).toEqual([
      expect.objectContaining({
        ...{ schema: 'millgate/event/1', seq: 1, t: SIX + 15_000, kind: 'alarm', id: 'hot', occurrence: 1 },
        ...{ change: 'raised', state: 'unacked', priority: 'medium', tag: 'press-1/oil', value: 81, limit: 80 },
      }),
      expect.objectContaining({ seq: 2, t: SIX + 43_000, change: 'returned', state: 'returned-unacked', value: 77 }),
    ]);
  });

  it('prints the four keys of its format; reports of rules that are not built yet are empty', async () => {
    const { folder, file } = site(HOT);
    const tested = await backtest('--config', file, '--csv', csv(folder, [[0, 70]]));
    expect(tested).toMatchObject({ production: {}, maintenance: {} });
    expect(Object.keys(tested)).toEqual(['events', 'summary', 'production', 'maintenance']);
  });

  it('does not say what would have happened after the last reading', async () => {
    const { folder, file } = site(HOT);
    const late = await backtest(
      '--config',
      file,
      '--csv',
      csv(folder, [
        [0, 70],
        [10, 81],
        [14, 81],
      ]),
    );
    expect(late.events).toEqual([]);
    const due = await backtest(
      '--config',
      file,
      '--csv',
      csv(folder, [
        [0, 70],
        [10, 81],
        [15, 81],
      ]),
    );
    expect(due.events).toMatchObject([{ t: SIX + 15_000, change: 'raised' }]);
    expect(due.summary).toMatchObject([{ id: 'hot', raised: 1, activeMs: 0, active: true }]);
  });

  it('sums up how often and how long, and what a limit would have changed', async () => {
    const { folder, file } = site('alarms: {hot: {tag: press-1/oil, above: 80}, cold: {tag: press-1/oil, below: 10}}');
    const other = join(folder, 'other.yaml');
    const { file: otherFile } = site('alarms: {hot: {tag: press-1/oil, above: 90}}');
    writeFileSync(other, '');
    const data = csv(folder, [
      [0, 70],
      [10, 85],
      [20, 70],
      [30, 95],
      [70, 70],
      [80, 70],
    ]);
    const { summary, against } = await backtest('--config', file, '--csv', data, '--against', otherFile);
    expect(summary).toMatchObject([
      { id: 'hot', raised: 2, activeMs: 50_000, longestMs: 40_000, first: SIX + 10_000, last: SIX + 30_000 },
      { id: 'cold', raised: 0, activeMs: 0, first: null, last: null },
    ]);
    expect(against!.summary).toMatchObject([{ id: 'hot', raised: 1, activeMs: 40_000 }]);
    const text = millgate(['backtest', '--config', file, '--csv', data, '--against', otherFile]);
    expect(await text.exitCode).toBe(EXIT.ok);
    expect(text.out()).toContain(`HERE is ${file}, AGAINST is ${otherFile}.\n`);
    expect(text.out()).toMatch(/^ {2}alarm hot: above 80 → 90$/m);
  });

  it('judges charts, with their points and limits', async () => {
    const { folder, file } = site(
      'spc: {oil: {tag: press-1/oil, chart: i-mr, limits: {center: 50, sigma: 1}, rules: [1]}}',
    );
    const { events, summary } = await backtest(
      '--config',
      file,
      '--csv',
      csv(folder, [
        [0, 50],
        [1, 53],
        [2, 53.1],
        [3, 50],
        [4, 46],
      ]),
    );
    expect(events.filter(({ rule }) => rule === 'N1')).toMatchObject([
      {
        kind: 'spc',
        id: 'oil',
        chart: 'i-mr',
        point: 3,
        value: 53.1,
        center: 50,
        lcl: 47,
        ucl: 53,
        limits: 1,
        t: SIX + 2000,
      },
      { point: 5, value: 46 },
    ]);
    expect(summary).toMatchObject([{ kind: 'spc', id: 'oil', points: 5 }]);
  });

  it('prints a table for a person', async () => {
    const { folder, file } = site(HOT);
    const run = millgate([
      'backtest',
      '--config',
      file,
      '--csv',
      csv(folder, [
        [0, 70],
        [10, 81],
        [3600, 70],
        [3700, 70],
      ]),
    ]);
    expect(await run.exitCode).toBe(EXIT.ok);
    expect(run.out()).toMatch(/^4 readings of .*,\n2025-11-24T06:00:00.000Z to 2025-11-24T07:01:40.000Z \(1h 1m\)\.\n/);
    expect(run.out()).toMatch(/\nhot +medium +1 +23 +59m 48s +59m 48s +2025-11-24T06:00:15.000Z\n/);
  });

  it.each([
    [['--since', '1h', '--csv', 'x.csv'], EXIT.usage, /--since is of stored readings and --csv of a file/],
    [['--csv', '/nowhere/x.csv'], EXIT.usage, /cannot be read/],
    [['--since', 'tomorrow'], EXIT.usage, /neither a duration nor a time/],
    [[], EXIT.failed, /the store .* has no readings/],
  ])('%j is refused', async (args, exitCode, message) => {
    const { file } = site(HOT);
    const run = millgate(['backtest', '--config', file, ...args]);
    expect(await run.exitCode).toBe(exitCode);
    expect(run.err()).toMatch(message);
  });
});

describe('backtest over stored readings', () => {
  const record = (second: number, value: number, running = true): DeviceRecord => ({
    device: 'press-1',
    at: { wallMs: SIX + second * 1000, monoMs: second * 1000 },
    clockKnown: true,
    simulated: false,
    fields: Fields.of([
      { name: 'oil', quality: 'good', value },
      { name: 'running', quality: 'good', value: running },
    ]),
  });

  /** Stores records as one start of a gateway would. */
  async function store(folder: string, records: readonly DeviceRecord[]) {
    const path = join(folder, 'store');
    const opened = await openLocalStore({ path, maxBytes: 1e9, clock: systemClock, log: silentLogger });
    for (const each of records) await opened.commit({ records: [each], events: [], states: new Map() });
    return opened;
  }

  it('reads beside the gateway that writes them', async () => {
    const { folder, file } = site(HOT);
    const opened = await store(folder, [record(0, 70), record(10, 81), record(20, 81)]);
    try {
      const { events } = await backtest('--config', file);
      expect(events).toMatchObject([{ t: SIX + 15_000, change: 'raised' }]);
    } finally {
      await opened.close();
    }
  });

  it('takes a start of the gateway for one: delays begin anew, occurrences do not', async () => {
    const { folder, file } = site(HOT);
    await (await store(folder, [record(0, 70), record(10, 81), record(20, 81)])).close();
    await (await store(folder, [record(1000, 81), record(1010, 70), record(1020, 70)])).close();
    const { events } = await backtest('--config', file);
    expect(events).toMatchObject([
      { t: SIX + 15_000, change: 'raised', occurrence: 1 },
      { t: SIX + 1_013_000, change: 'returned', occurrence: 1 },
    ]);
  });
});
