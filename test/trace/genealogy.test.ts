/** Which lot ran where, with which parts, and what was out of its limits meanwhile. */
import { describe, expect, it } from 'vitest';
import { type LotMachine, lotRows, lotsIn } from '../../src/trace/genealogy.ts';
import type { Past } from '../../src/trace/out-of-limits.ts';

const MIN = 60_000;
const HOUR = 60 * MIN;

type WireEvent = Readonly<Record<string, unknown>>;

const PRESS: LotMachine = {
  machine: 'press-1',
  devices: ['press-1'],
  stations: ['test-bench'],
  tags: [{ tag: 'press-1/oil', unit: '°C', min: 20, max: 80 }],
};

const job = (at: number, to: string | null, before: string | null = null): WireEvent => {
  return { kind: 'production', change: 'job', machine: 'press-1', from: at, t: at, job: to, before };
};
const shift = (at: number, lot: string | null): WireEvent => {
  return { kind: 'production', change: 'shift', machine: 'press-1', from: at - 8 * HOUR, t: at, report: { job: lot } };
};
const part = (at: number, serial: string, result = 'pass', more: WireEvent = {}): WireEvent => {
  return {
    kind: 'quality',
    what: 'part',
    station: 'test-bench',
    t: at,
    from: at - MIN,
    serial,
    result,
    job: null,
    ...more,
  };
};
const hot = (at: number): WireEvent => {
  return {
    kind: 'alarm',
    change: 'raised',
    id: 'hot',
    tag: 'press-1/oil',
    t: at,
    value: 90.5,
    limit: 85,
    message: 'hot',
  };
};

/** Readings of the oil by the second of a day; `raw` ends where only minutes are stored. */
function pastOf(valueAt: (t: number) => number | undefined, rawFromMs = 0): Past {
  return {
    async extremes(_, { fromMs, toMs }, everyMs) {
      const found: { t: number; min: number; max: number }[] = [];
      for (let t = Math.floor(fromMs / everyMs) * everyMs; t < toMs; t += everyMs) {
        const values: number[] = [];
        for (let at = t; at < t + everyMs; at += 1000)
          values.push(...[valueAt(at)].filter((value) => value !== undefined));
        if (values.length > 0) found.push({ t, min: Math.min(...values), max: Math.max(...values) });
      }
      return found;
    },
    async readings(_, { fromMs, toMs }) {
      const found: { t: number; value: number }[] = [];
      for (let t = Math.max(rawFromMs, Math.ceil(fromMs / 1000) * 1000); t < toMs; t += 1000) {
        const value = valueAt(t);
        if (value !== undefined) found.push({ t, value });
      }
      return found;
    },
  };
}

const NEVER = pastOf(() => undefined);
const SPAN = { fromMs: 0, toMs: 24 * HOUR };

async function lots(events: readonly WireEvent[], past = NEVER, lot?: string, machines = [PRESS]) {
  const journal = async function* () {
    yield events;
  };
  return lotsIn(journal, machines, past, { lot, span: SPAN });
}

describe('readings beyond the limits of their tag', () => {
  it('are in the lot without any alarm: from the first to the last, with the value furthest out', async () => {
    const valueAt = (t: number) => (t >= 2 * HOUR + 5000 && t < 2 * HOUR + 3 * MIN ? 80.5 + (t % 11_000) / 1000 : 60);
    const [run] = await lots([job(HOUR, 'A100'), job(3 * HOUR, 'B10', 'A100')], pastOf(valueAt), 'A100');
    expect(run!.findings).toMatchObject([
      {
        kind: 'reading',
        name: 'press-1/oil',
        t: 2 * HOUR + 5000,
        until: 2 * HOUR + 179_000,
        value: 90.5,
        high: 80,
        unit: '°C',
        message: 'press-1/oil was above 80 °C: 90.5 °C at most',
      },
    ]);
  });

  it('go to the lot in which they were read when it changes within the same minute', async () => {
    const at = HOUR + 30_000;
    const valueAt = (t: number) => (t >= at - 10_000 && t < at ? 95 : 60);
    const runs = await lots([job(MIN, 'A100'), job(at, 'B10', 'A100')], pastOf(valueAt));
    expect(runs.map(({ lot, findings }) => [lot, findings.length])).toEqual([
      ['A100', 1],
      ['B10', 0],
    ]);
  });

  it('are told by the minute where the readings themselves are gone', async () => {
    const valueAt = (t: number) => (t >= 2 * HOUR && t < 2 * HOUR + 3 * MIN ? 10 : 60);
    const [run] = await lots([job(HOUR, 'A100')], pastOf(valueAt, SPAN.toMs));
    expect(run!.findings).toMatchObject([{ t: 2 * HOUR, until: 2 * HOUR + 3 * MIN, value: 10, low: 20 }]);
  });
});

describe('a part', () => {
  it('without a lot of its own is of the lot of its time, at a station of the machine', async () => {
    const runs = await lots([
      job(HOUR, 'A100'),
      part(2 * HOUR, 'S-1'),
      job(3 * HOUR, 'B10', 'A100'),
      part(4 * HOUR, 'S-2'),
    ]);
    expect(runs.map(({ lot, serials }) => [lot, serials.map(({ serial }) => serial)])).toEqual([
      ['A100', ['S-1']],
      ['B10', ['S-2']],
    ]);
  });

  it('that names its lot stays in it, though the machine has gone on to the next', async () => {
    const events = [
      job(HOUR, 'A100'),
      job(2 * HOUR, 'B10', 'A100'),
      part(2 * HOUR + MIN, 'S-1', 'fail', { job: 'A100' }),
    ];
    const runs = await lots(events);
    expect(runs.map(({ lot, parts: { fail } }) => [lot, fail])).toEqual([
      ['A100', 1],
      ['B10', 0],
    ]);
  });

  it('of a lot that no machine names is told of by its station', async () => {
    const events = [part(HOUR, 'S-1', 'pass', { job: 'X1' }), part(2 * HOUR, 'S-2', 'pass', { job: 'X1' })];
    const [run] = await lots(events, NEVER, undefined, []);
    expect(run).toMatchObject({ lot: 'X1', machine: 'test-bench', from: HOUR - MIN, to: 2 * HOUR, parts: { pass: 2 } });
  });

  it('is in it as it was put right, with the number of its record', async () => {
    const chain = { seq: 7 };
    const right = {
      kind: 'audit',
      what: 'correction',
      record: 7,
      member: 'serial',
      was: 'S-1',
      to: 'S-9',
      by: 'ann',
      t: 3 * HOUR,
    };
    const [run] = await lots([job(HOUR, 'A100'), part(2 * HOUR, 'S-1', 'pass', { chain }), right]);
    expect(run!.serials).toMatchObject([{ serial: 'S-9', record: 7 }]);
  });
});

it('a lot that ran before what is stored, and runs on, is named by the report of a shift', async () => {
  const [run, ...others] = await lots([
    part(HOUR, 'S-1'),
    hot(2 * HOUR),
    shift(8 * HOUR, 'A100'),
    part(9 * HOUR, 'S-2'),
  ]);
  expect(run).toMatchObject({ lot: 'A100', from: null, to: null, parts: { pass: 2 }, findings: [{ name: 'hot' }] });
  expect(others).toEqual([]);
});

it('a reason that came late, for a shift of an older lot, does not name what runs', async () => {
  const late = { ...shift(8 * HOUR, 'OLD'), revised: true };
  const runs = await lots([late, job(9 * HOUR, 'B10', 'A100')]);
  expect(runs.map(({ lot }) => lot)).toEqual(['A100', 'B10']);
});

it('a table for a customer has a row for the run with its sums, for each finding, and for each part', async () => {
  const events = [job(HOUR, 'A100'), hot(2 * HOUR), part(3 * HOUR, 'S-1'), part(4 * HOUR, 'S-2', 'fail')];
  const [run] = await lots(events);
  const rows = lotRows(run!);
  expect(rows.map((cells) => cells.length)).toEqual([21, 21, 21, 21]);
  expect(rows.map((cells) => [cells[4], cells[13], cells[14]])).toEqual([
    ['run', '', ''],
    ['alarm', '', ''],
    ['part', 'S-1', 'pass'],
    ['part', 'S-2', 'fail'],
  ]);
  expect(rows[0]!.slice(16, 20)).toEqual(['1', '1', '0', '2']);
});
