import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../../src/core/event.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Reading, Value } from '../../../src/core/reading.ts';
import type { InventoryConfig, PartsConfig } from '../../../src/core/rules/scanned.ts';
import type { Rule, Step } from '../../../src/rules/rule.ts';
import { partRule } from '../../../src/rules/scanned/part-rule.ts';
import { scanOf } from '../../../src/rules/scanned/scan.ts';
import { type StockState, stockRule } from '../../../src/rules/scanned/stock-rule.ts';

const START_MS = Date.UTC(2026, 10, 30, 6);
const NO_READ = ['NOREAD', 'NO READ', 'ERROR'];

const STATION: PartsConfig = {
  id: 'station-1',
  serial: { tag: 'scanner/code', isPolled: false },
  results: [
    { name: 'torque', tag: 'station/torque', unit: 'Nm', min: 4, max: 6, equals: undefined },
    { name: 'leak', tag: 'station/leak-ok', unit: undefined, min: undefined, max: undefined, equals: true },
  ],
  done: undefined,
  job: 'line/order',
  withinMs: 60_000,
  noRead: NO_READ,
};

const STOCK: InventoryConfig = {
  id: 'blanks',
  in: { tag: 'gate/code', isPolled: false },
  out: { tag: 'press/code', isPolled: false },
  repeatMs: 2000,
  items: [
    { code: '4006381333931', name: 'blank', minimum: 100, restocked: 110, perScan: 50, start: 120 },
    { code: 'EPC-77*', name: undefined, minimum: undefined, restocked: 0, perScan: 1, start: 0 },
  ],
  noRead: NO_READ,
};

/** A rule with a clock: readings in, events out, and restarts in between. */
function bench<S>(make: () => Rule<S>) {
  let rule = make();
  let state = rule.initial;
  let wakeMs: number | undefined;
  let bootMs = 0;
  const events: (EventBody & Record<string, unknown>)[] = [];
  const take = (step: Step<S>): void => {
    state = step.state;
    wakeMs = step.wakeAtMonoMs;
    for (const finding of step.findings) if (finding.kind === 'event') events.push(finding.body as (typeof events)[0]);
  };
  const instant = (ms: number) => ({ wallMs: START_MS + ms, monoMs: ms - bootMs });
  const reading = (tag: string, ms: number, value: Value | undefined): Reading =>
    value === undefined
      ? { tag, ...instant(ms), quality: 'bad', why: 'timeout' }
      : { tag, ...instant(ms), quality: 'good', value };
  return {
    events,
    read(ms: number, values: Readonly<Record<string, Value | undefined>>): void {
      const readings = Object.entries(values).map(([tag, value]) => reading(tag, ms, value));
      if (rule.stepRecord) take(rule.stepRecord(state, readings, true));
      else for (const each of readings) take(rule.step(state, each));
    },
    tick(ms: number): void {
      take(rule.step(state, { kind: 'tick', ...instant(ms) }));
    },
    restart(ms: number): void {
      rule = make();
      state = rule.restore(JSON.parse(JSON.stringify(state)));
      bootMs = ms;
      take(rule.step(state, { kind: 'tick', ...instant(ms) }));
    },
    wakeMs: () => wakeMs,
    state: () => state,
    change: (work: (state: S) => Step<S>) => take(work(state)),
  };
}

const station = (over: Partial<PartsConfig> = {}) => bench(() => partRule({ ...STATION, ...over }));
const stock = (over: Partial<InventoryConfig> = {}) => bench(() => stockRule({ ...STOCK, ...over }));

/** What a reader's value says. */
function scanIn(value: Value) {
  const reading = { tag: 'scanner/code', wallMs: START_MS, monoMs: 0, quality: 'good', value } as const;
  return scanOf({ tag: 'scanner/code', isPolled: false }, undefined, reading, NO_READ).scan;
}

describe('a code', () => {
  it.each<readonly [string, string | null]>([
    ['  A-4711\r\n', 'A-4711'],
    ['\u0002A-4711\u0003', 'A-4711'],
    ['01040063813339312110\u001d17', '01040063813339312110␝17'],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['ab\u202ecd\u200bef\ud800', 'ab\ufffdcd\ufffdef\ufffd'],
    ['=HYPERLINK("x")', '=HYPERLINK("x")'],
    ['NOREAD', null],
    ['<No Read>', null],
    ['error!', null],
    ['???', null],
    ['x'.repeat(129), null],
    ['x'.repeat(100_000), null],
    ['x'.repeat(128), 'x'.repeat(128)],
  ])('%j is %j', (text, code) => {
    expect(scanIn(text)?.code).toBe(code);
    expect(scanIn(text)?.unread?.length ?? 0).toBeLessThanOrEqual(192);
  });

  it('is nothing where nothing is shown, and digits where it is a number', () => {
    expect([scanIn(''), scanIn('\u0000\r\n ')]).toEqual([undefined, undefined]);
    expect(scanIn(4006381333931n)).toEqual({ code: '4006381333931' });
  });
});

describe('a station', () => {
  it('records a part when each of its results was read, with its limits and its job', () => {
    const { read, events } = station();
    read(0, { 'line/order': 'A100' });
    read(1000, { 'scanner/code': 'S-1' });
    read(2000, { 'station/torque': 5.2 });
    expect(events).toEqual([]);
    read(3000, { 'station/leak-ok': true });
    expect(events).toMatchObject([
      {
        kind: 'quality',
        what: 'part',
        station: 'station-1',
        serial: 'S-1',
        result: 'pass',
        job: 'A100',
        from: START_MS + 1000,
        to: START_MS + 3000,
        scans: 1,
        values: [
          { name: 'torque', value: 5.2, min: 4, max: 6, verdict: 'pass' },
          { name: 'leak', value: true, verdict: 'pass' },
        ],
      },
    ]);
  });

  it('fails a part by one result, and calls it incomplete when the next is scanned or its time is over', () => {
    const { read, tick, events, wakeMs } = station();
    read(1000, { 'scanner/code': 'S-1', 'station/torque': 6.1, 'station/leak-ok': true });
    read(2000, { 'scanner/code': 'S-2', 'station/torque': 5 });
    read(3000, { 'scanner/code': 'S-3' });
    read(4000, { 'station/torque': undefined });
    expect(wakeMs()).toBe(63_000);
    tick(63_000);
    expect(events.map(({ serial, result, why }) => [serial, result, why])).toEqual([
      ['S-1', 'fail', undefined],
      ['S-2', 'incomplete', 'the next part was scanned'],
      ['S-3', 'incomplete', 'its time was over'],
    ]);
  });

  it('never gives a part what was read before it was scanned, or while it was not read', () => {
    const { read, events } = station();
    read(1000, { 'station/torque': 9, 'station/leak-ok': true });
    read(2000, { 'scanner/code': 'S-1' });
    read(3000, { 'scanner/code': 'NOREAD' });
    read(4000, { 'station/torque': 5, 'station/leak-ok': true });
    expect(events.map(({ serial, result, unread }) => [serial, result, unread])).toEqual([
      ['S-1', 'incomplete', undefined],
      [null, 'pass', 'NOREAD'],
    ]);
  });

  it('takes a second scan of the same part for the same, and the same number again for a repeat', () => {
    const { read, events } = station();
    for (const ms of [1000, 1500]) read(ms, { 'scanner/code': 'S-1' });
    read(2000, { 'station/torque': 5, 'station/leak-ok': true });
    read(3000, { 'scanner/code': 'S-1', 'station/torque': 5, 'station/leak-ok': true });
    expect(events).toMatchObject([
      { serial: 'S-1', scans: 2 },
      { serial: 'S-1', scans: 1, repeat: true },
    ]);
    expect(events[0]).not.toHaveProperty('repeat');
  });

  it('waits for the tag that says that a part is finished, and records one that was not scanned', () => {
    const { read, events } = station({ done: 'station/done' });
    read(0, { 'station/done': false });
    read(1000, { 'scanner/code': 'S-1', 'station/torque': 9, 'station/leak-ok': true });
    read(2000, { 'station/torque': 5 });
    read(3000, { 'station/done': true });
    read(4000, { 'station/done': false });
    read(5000, { 'station/done': true });
    expect(events).toMatchObject([
      { serial: 'S-1', result: 'pass', to: START_MS + 3000 },
      { serial: null, result: 'incomplete', why: 'it was finished without a scan' },
    ]);
  });

  it('goes on with a part after a power cut, and does not read a polled code twice', () => {
    const polled = { serial: { tag: 'scanner/code', isPolled: true } };
    const { read, restart, events, wakeMs } = station(polled);
    for (const [ms, code] of [
      ['0', ''],
      ['1000', 'S-1'],
      ['2000', 'S-1'],
    ] as const)
      read(Number(ms), { 'scanner/code': code });
    read(2500, { 'station/torque': 5 });
    restart(10_000);
    expect(wakeMs()).toBe(60_000 - 9000);
    read(11_000, { 'scanner/code': 'S-1' });
    read(12_000, { 'station/leak-ok': true });
    read(13_000, { 'scanner/code': 'S-1' });
    expect(events).toMatchObject([{ serial: 'S-1', result: 'pass', scans: 1 }]);
  });
});

describe('a stock', () => {
  const IN = 'gate/code';
  const OUT = 'press/code';
  const BLANK = '4006381333931';
  const level = ({ state }: ReturnType<typeof stock>) => stockRule(STOCK).report(state() as StockState).items[0]!.level;

  it('counts in and out, and tells of a reorder once, until there is clearly more', () => {
    const one = stock();
    for (const [index, tag] of [OUT, OUT, IN, OUT, IN, IN].entries()) one.read(10_000 * (index + 1), { [tag]: BLANK });
    const told = one.events.map(({ change, level: now }) => [change, now]);
    expect(told).toEqual([
      ['out', 70],
      ['reorder', 70],
      ['out', 20],
      ['in', 70],
      ['out', 20],
      ['in', 70],
      ['in', 120],
      ['restocked', 120],
    ]);
  });

  it('does not begin and end a reorder at the same level', () => {
    const items = [{ ...STOCK.items[0]!, perScan: 5, start: 100 }];
    const one = stock({ items });
    for (const [index, tag] of [OUT, IN, OUT, IN, IN, IN].entries()) one.read(10_000 * (index + 1), { [tag]: BLANK });
    const orders = one.events.filter(({ change }) => change === 'reorder' || change === 'restocked');
    expect(orders.map(({ change, level: now }) => [change, now])).toEqual([
      ['reorder', 95],
      ['restocked', 110],
    ]);
  });

  it('takes the same code within a moment for one scan, and codes by their beginning', () => {
    const one = stock();
    for (const ms of [1000, 1000, 2500, 6000]) one.read(ms, { [IN]: 'EPC-7701' });
    one.read(6500, { [IN]: 'EPC-7702' });
    const items = stockRule(STOCK).report(one.state() as StockState).items;
    expect(items[1]).toMatchObject({ code: 'EPC-77*', level: 3, in: 3, out: 0 });
    expect(one.events[0]).toMatchObject({ code: 'EPC-77*', scanned: 'EPC-7701' });
  });

  it('counts nothing of a code that the file does not have, and tells of it once', () => {
    const one = stock();
    for (const [index, code] of ['x', 'x', 'NOREAD', '<script>', 'x'].entries())
      one.read(10_000 * (index + 1), { [IN]: code });
    expect(one.events.map(({ change, code }) => [change, code])).toEqual([
      ['unknown', 'x'],
      ['unknown', '<script>'],
    ]);
    expect(stockRule(STOCK).report(one.state() as StockState)).toMatchObject({ unknown: 4, unread: 1 });
    expect(level(one)).toBe(120);
  });

  it('is set by hand, with the level before, and says so of a level below nothing', () => {
    const one = stock({ items: [{ ...STOCK.items[0]!, start: 0 }] });
    one.read(1000, { [OUT]: BLANK });
    expect(one.events[0]).toMatchObject({ change: 'out', level: -50 });
    const rule = stockRule(STOCK);
    one.change((state) => rule.set(state, { code: BLANK, level: 130, by: 'ann' }, { wallMs: 1, monoMs: 1 }));
    expect(one.events.slice(-2)).toMatchObject([
      { kind: 'audit', what: 'stock-set', was: -50, to: 130, by: 'ann' },
      { change: 'restocked', level: 130 },
    ]);
    expect(rule.set(one.state(), { code: 'no', level: 1, by: 'a' }, { wallMs: 1, monoMs: 1 }).refused).toContain('no');
  });

  it('judges the level again when the minimum of the file is another one', () => {
    const one = stock();
    one.read(1000, { [IN]: BLANK });
    const state = JSON.parse(JSON.stringify(one.state())) as unknown;
    const rule = stockRule({ ...STOCK, items: [{ ...STOCK.items[0]!, minimum: 500, restocked: 550 }] });
    const { findings } = rule.step(rule.restore(state), { kind: 'tick', monoMs: 0, wallMs: START_MS });
    expect(findings).toMatchObject([{ body: { change: 'reorder', level: 170 } }]);
  });

  it('gives the same levels and events however often the power is cut between scans', () => {
    for (let seed = 1; seed <= Number(process.env.MILLGATE_RUNS ?? 40); seed++) {
      const random = seededRandom(seed);
      const polled = random() < 0.5;
      const source = (tag: string) => ({ tag, isPolled: polled });
      const [calm, cut] = [0, 1].map(() => stock({ in: source(IN), out: source(OUT) })) as [
        ReturnType<typeof stock>,
        ReturnType<typeof stock>,
      ];
      const shown: Record<string, string> = { [IN]: '', [OUT]: '' };
      let sum = 120;
      for (let ms = 0; ms < 400_000; ms += 3000) {
        const tag = random() < 0.5 ? IN : OUT;
        const isScan = ms > 3000 && random() < 0.4;
        if (polled && ms <= 3000) for (const one of [calm, cut]) one.read(ms, { [IN]: '', [OUT]: '' });
        if (random() < 0.2) cut.restart(ms);
        if (isScan) {
          // A reader that is polled shows its code until the next one, or nothing.
          if (polled) for (const one of [calm, cut]) one.read(ms, { [tag]: '' });
          shown[tag] = BLANK;
          sum += tag === IN ? 50 : -50;
        }
        if (isScan || polled) for (const one of [calm, cut]) one.read(ms + 500, { [tag]: shown[tag] });
        if (random() < 0.2) cut.restart(ms + 1000);
      }
      expect(level(cut), `seed ${seed}`).toBe(sum);
      expect(cut.events, `seed ${seed}`).toEqual(calm.events);
    }
  });
});
