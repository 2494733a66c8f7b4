import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Field, Fields, MARK } from '../../../src/core/reading.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { ColumnReader, RecordEncoder } from '../../../src/store/format/codec.ts';
import { type Connection, openForWriting } from '../../../src/store/format/disk.ts';
import { decodeRollups, encodeRollups, type Rollups, rollUp, rollUpColumn } from '../../../src/store/rollup/rollup.ts';
import type { RollupPage, Store } from '../../../src/store/store.ts';
import { openLocalStore } from '../../../src/store/thread/open.ts';
import { batchOf, recordOf } from '../../contract/store.ts';
import { storeOptions, temporaryFolder } from '../stores.ts';

const START_MS = recordOf(0).at.wallMs;
const TAG = 'press-1/oil-temp';
const MINUTE = 60_000;

const field = fc.oneof(
  fc
    .double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 })
    .map((value): Field => ({ name: 'x', quality: 'good', value })),
  fc.boolean().map((value): Field => ({ name: 'x', quality: 'uncertain', value, why: 'last-usable' })),
  fc.bigInt(0n, 2n ** 64n).map((value): Field => ({ name: 'x', quality: 'good', value })),
  fc.constant<Field>({ name: 'x', quality: 'bad', why: 'timeout' }),
  fc.constant<Field>({ name: 'x', quality: 'good', value: 'text' }),
);

/** Whole numbers of moderate size, of which any order gives the same sum. */
const wholeField = fc.oneof(
  fc.integer().map((value): Field => ({ name: 'x', quality: 'good', value })),
  fc.bigInt(0n, 2n ** 40n).map((value): Field => ({ name: 'x', quality: 'uncertain', value, why: 'last-usable' })),
  fc.constantFrom<Field>(
    { name: 'x', quality: 'bad', why: 'timeout' },
    { name: 'x', quality: 'good', value: 'text' },
    { name: 'x', quality: 'good', value: true },
  ),
);

/** Records of two devices, some of which report more than others. */
const records = fc.array(
  fc.record({
    device: fc.constantFrom('press-1', 'meter'),
    second: fc.integer({ min: 0, max: 300 }),
    outcomes: fc.array(wholeField, { minLength: 1, maxLength: 4 }),
  }),
  { maxLength: 30 },
);

function cellsOf(rollups: Rollups) {
  return [...rollups]
    .flatMap(([tag, minutes]) => [...minutes.values()].map((cell) => ({ tag, ...cell })))
    .sort((a, b) => a.tag.localeCompare(b.tag) || a.minute - b.minute);
}

async function openOn(clock: SimulatedClock, path: string, maxBytes = 50_000_000): Promise<Store> {
  return openLocalStore({ ...storeOptions(path, { maxBytes }), clock });
}

/** Commits a value a second, `from + 0.5` and so on. */
async function commitSeconds(store: Store, clock: SimulatedClock, from: number, count: number): Promise<void> {
  for (let second = from; second < from + count; second++) {
    await clock.advance(1000);
    await store.commit(batchOf([recordOf(second)]));
  }
}

const ask = (store: Store, everyMs = MINUTE, limit = 1000): Promise<RollupPage> =>
  store.rollups({ tag: TAG, fromMs: START_MS, toMs: START_MS + 100 * 3_600_000, everyMs, limit });

/** What {@link commitSeconds} comes to in the minute that begins at `second`. */
function minuteFrom(second: number, count = 60) {
  const [min, max] = [second + 0.5, second + count - 0.5];
  return { wallMs: START_MS + second * 1000, count, bad: 0, min, max, mean: (min + max) / 2 };
}

/** A connection that tells of each look at commits. */
function countingReads(database: Connection, onRead: () => void): Connection {
  const prepare = database.prepare.bind(database);
  return Object.assign(database, {
    prepare(sql: string) {
      const statement = prepare(sql);
      if (!/^\s*SELECT .* FROM commits/.test(sql)) return statement;
      const all = statement.all.bind(statement);
      return Object.assign(statement, {
        all(...given: unknown[]) {
          onRead();
          return all(...given);
        },
      });
    },
  }) as Connection;
}

describe('a roll-up', () => {
  it('by the columns of a commit is what by its records it is', () => {
    fc.assert(
      fc.property(records, (given) => {
        const made = given.map(({ device, second, outcomes }) => ({
          ...recordOf(0),
          device,
          at: { wallMs: START_MS + second * 1000, monoMs: second * 1000 },
          fields: Fields.of(outcomes.map((outcome, place) => ({ ...outcome, name: `x${place}` }))),
        }));
        const byRecord: Rollups = new Map();
        for (const record of made) rollUp(byRecord, record);
        const byColumn: Rollups = new Map();
        const reader = new ColumnReader();
        // Twice the same reader, whose lists hold what was read before.
        for (let part = 0; part < made.length; part += 15) {
          const bytes = new RecordEncoder().encode(made.slice(part, part + 15), 'boot');
          reader.each(bytes, (column) => {
            rollUpColumn(byColumn, column, undefined, () => {});
          });
        }
        expect(cellsOf(byColumn)).toEqual(cellsOf(byRecord));
      }),
      { numRuns: 200 },
    );
  });

  it('holds minimum, maximum, sum and counts of its minute, and comes back exactly', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), field), { maxLength: 60 }), (given) => {
        const rollups: Rollups = new Map();
        for (const [second, one] of given) {
          rollUp(rollups, recordOf(second, [one], 'a'));
          rollUp(rollups, recordOf(second, [one], 'b'));
        }
        const decoded = decodeRollups(encodeRollups(rollups), 'a/x');
        for (const { minute, count, bad, min, max, sum } of decoded) {
          const own = given.filter(([second]) => Math.floor((START_MS + second * 1000) / MINUTE) === minute);
          const fields = own.map(([, one]) => one);
          const values = fields.flatMap((one) =>
            one.quality === 'bad' || typeof one.value === 'string' ? [] : [Number(one.value)],
          );
          expect(count).toBe(values.length);
          expect(bad).toBe(fields.filter(({ quality }) => quality === 'bad').length);
          if (values.length === 0) continue;
          expect([min, max]).toEqual([Math.min(...values), Math.max(...values)]);
          expect(sum).toBe(values.reduce((total, value) => total + value, 0));
        }
        const told = decoded.reduce((total, { count, bad }) => total + count + bad, 0);
        expect(told).toBe(given.filter(([, one]) => one.quality === 'bad' || typeof one.value !== 'string').length);
      }),
    );
  });
});

describe('the roll-ups of a store', () => {
  it('are there at once, after they were written, and after the store was opened again', async () => {
    const [clock, path] = [new SimulatedClock(), temporaryFolder()];
    const store = await openOn(clock, path);
    await commitSeconds(store, clock, 0, 130);
    const expected = [minuteFrom(0), minuteFrom(60), minuteFrom(120, 10)];
    expect((await ask(store)).points).toEqual(expected);
    await store.close();
    const again = await openOn(clock, path);
    expect((await ask(again)).points).toEqual(expected);
    await commitSeconds(again, clock, 130, 800);
    const points = (await ask(again)).points;
    expect(points.slice(0, 15)).toEqual(Array.from({ length: 15 }, (_, minute) => minuteFrom(minute * 60)));
    expect((await ask(again, 300_000)).points[1]).toEqual(minuteFrom(300, 300));
    await again.close();
  });

  it('are made again from raw data after a crash, once and not twice', async () => {
    const [clock, path] = [new SimulatedClock(), temporaryFolder()];
    const store = await openOn(clock, path);
    await commitSeconds(store, clock, 0, 1000);
    const crashed = temporaryFolder();
    for (const file of readdirSync(path).filter((name) => /\.db(-wal)?$/.test(name) && !name.startsWith('lock')))
      writeFileSync(join(crashed, file), readFileSync(join(path, file)));
    const { points } = await ask(store);
    await store.close();
    const again = await openOn(clock, crashed);
    for (let step = 0; step < 10; step++) await again.commit(batchOf([]));
    expect((await ask(again)).points).toEqual(points);
    expect(points.reduce((total, { count }) => total + count, 0)).toBe(1000);
    await again.close();
  });

  it('are made again when their file is damaged, as far as raw data reaches', async () => {
    const [clock, path] = [new SimulatedClock(), temporaryFolder()];
    const store = await openOn(clock, path);
    await commitSeconds(store, clock, 0, 300);
    const { points } = await ask(store);
    await store.close();
    const file = join(path, 'rollups-00000001.db');
    writeFileSync(file, readFileSync(file).fill(0, 0, 1024));
    const again = await openOn(clock, path);
    for (let step = 0; step < 5; step++) await again.commit(batchOf([]));
    expect((await ask(again)).points).toEqual(points);
    await again.close();
  });

  it('outlive raw data, within a share of their own', async () => {
    const [clock, path] = [new SimulatedClock(), temporaryFolder()];
    const store = await openOn(clock, path, 600_000);
    await store.keepUplinks([]);
    for (let second = 0; second < 1300; second++) {
      await clock.advance(1000);
      const noise = Array.from({ length: 60 }, () => Math.random().toString(36)).join('');
      const fields: Field[] = [
        { name: 'oil-temp', quality: 'good', value: second + 0.5 },
        { name: 'noise', quality: 'good', value: noise },
      ];
      await store.commit(batchOf([recordOf(second, fields)]));
    }
    const { oldest, bytes, maxBytes } = await store.status();
    expect(oldest.readings).toBeGreaterThan(300);
    expect(bytes).toBeLessThanOrEqual(maxBytes);
    expect((await ask(store)).points[0]).toEqual(minuteFrom(0));
    expect((await ask(store)).points.reduce((total, { count }) => total + count, 0)).toBe(1300);
    await store.close();
  });

  it('wait for records whose time is not known, and take them at their true time', async () => {
    const [clock, path] = [new SimulatedClock(45_000), temporaryFolder()];
    clock.setKnown(false);
    const store = await openOn(clock, path);
    const take = (second: number) => {
      const at = { wallMs: clock.wallMs(), monoMs: clock.monoMs() };
      return { ...recordOf(second), at, clockKnown: clock.known() };
    };
    for (let second = 0; second < 60; second++) {
      await store.commit(batchOf([take(second)]));
      await clock.advance(1000);
    }
    expect((await store.rollups({ tag: TAG, fromMs: 0, toMs: 600_000, everyMs: MINUTE, limit: 10 })).points).toEqual(
      [],
    );
    clock.stepWall(START_MS + MINUTE - clock.wallMs());
    clock.setKnown(true);
    for (let step = 0; step < 3; step++) await store.commit(batchOf([take(60 + step)]));
    expect((await ask(store)).points).toMatchObject([{ wallMs: START_MS, count: 60 }, { count: 3 }]);
    await store.close();
  });

  it('take records at the time they are marked with where nothing sets the clock for an hour, unless that is 1970', async () => {
    const [clock, path] = [new SimulatedClock(START_MS), temporaryFolder()];
    clock.setKnown(false);
    const store = await openOn(clock, path);
    for (let second = 0; second < 60; second++) {
      const at = { wallMs: second < 30 ? second : START_MS + second * 1000, monoMs: second * 1000 };
      await store.commit(batchOf([{ ...recordOf(second), at, clockKnown: false }]));
    }
    expect((await ask(store)).points).toEqual([]);
    await clock.advance(3_600_000);
    await store.commit(batchOf([]));
    expect((await ask(store)).points).toMatchObject([{ wallMs: START_MS, count: 30, marks: MARK.unsynced }]);
    await store.close();
  });

  it('are made from the batch in hand: what was just committed is not read from the disk again', async () => {
    const [clock, path] = [new SimulatedClock(), temporaryFolder()];
    let reads = 0;
    const store = await openLocalStore({
      ...storeOptions(path, { maxBytes: 50_000_000 }),
      clock,
      open: (file) => countingReads(openForWriting(file), () => reads++),
    });
    for (let batch = 0; batch < 3; batch++)
      await store.commit(batchOf(Array.from({ length: 5000 }, (_, second) => recordOf(batch * 5000 + second))));
    expect(reads).toBe(0);
    const { points } = await ask(store);
    expect(points.reduce((total, { count }) => total + count, 0)).toBe(15_000);
    await store.close();
  });

  it('remember what is to be said of their readings, through the disk', async () => {
    const [clock, path] = [new SimulatedClock(), temporaryFolder()];
    const store = await openOn(clock, path);
    const uncertain: Field = { name: 'oil-temp', quality: 'uncertain', value: 1, why: 'out-of-range' };
    await store.commit(batchOf([recordOf(0), recordOf(60, [uncertain])]));
    await store.commit(batchOf([{ ...recordOf(120), simulated: true }, recordOf(180), recordOf(240)]));
    await store.commit(batchOf([recordOf(181), recordOf(241)]));
    const marks = async (one: Store) => (await ask(one)).points.map((point) => point.marks);
    const expected = [undefined, MARK.uncertain, MARK.simulated, MARK.late, undefined];
    expect(await marks(store)).toEqual(expected);
    await store.close();
    const again = await openOn(clock, path);
    expect(await marks(again)).toEqual(expected);
    const { points } = await again.history({ tag: TAG, fromMs: START_MS, toMs: START_MS + 600_000, limit: 10 });
    expect(points.map((point) => point.marks)).toEqual([
      undefined,
      undefined,
      MARK.simulated,
      ...Array(4).fill(undefined),
    ]);
    await again.close();
  });

  it('come in pages, and by whole minutes only', async () => {
    const [clock, path] = [new SimulatedClock(), temporaryFolder()];
    const store = await openOn(clock, path);
    await commitSeconds(store, clock, 0, 200);
    const first = await ask(store, MINUTE, 2);
    expect(first).toMatchObject({ points: [minuteFrom(0), minuteFrom(60)], next: START_MS + 2 * MINUTE });
    await expect(ask(store, 90_000)).rejects.toThrow('whole number of minutes');
    await store.close();
  });
});
