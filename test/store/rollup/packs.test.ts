import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openForReading, openForWriting } from '../../../src/store/format/disk.ts';
import {
  cellAt,
  cellsIn,
  encodeRollups,
  Merging,
  type Rollups,
  RUN_WIDTH,
  rollUp,
  spanOf,
} from '../../../src/store/rollup/rollup.ts';
import { openRollups, type RollupCursor, type RollupFiles } from '../../../src/store/rollup/rollup-files.ts';
import { recordOf } from '../../contract/store.ts';
import { temporaryFolder } from '../stores.ts';

const SPAN = { first: 0, last: 1_000_000 };
const TAGS = ['press-1/oil', 'press-1/parts', 'oven/temp'];

function open(folder: string, maxBytes = 50_000_000): RollupFiles {
  return openRollups(folder, openForWriting, maxBytes, (name, cause) => {
    throw new Error(`${name}: ${cause}`);
  });
}

/** Ten minutes of all tags from a minute on, as they are flushed; the last comes again with the next, as late readings do. */
function append(files: RollupFiles, from: number): void {
  for (const device of ['press-1', 'oven']) {
    const rollups: Rollups = new Map();
    for (const tag of TAGS.filter((one) => one.startsWith(device))) {
      const cells = Array.from({ length: 11 }, (_, at) => {
        const minute = from + at;
        return {
          minute,
          count: 30,
          bad: at,
          min: minute,
          max: minute + tag.length,
          sum: minute * 30,
          marks: at === 4 ? 1 : 0,
        };
      });
      rollups.set(tag, new Map(cells.map((cell) => [cell.minute, cell])));
    }
    const body = encodeRollups(rollups);
    files.append([{ device, firstMinute: from, lastMinute: from + 10, body }], [{ from: from + 1, to: from + 2 }]);
  }
}

/**
 * The cells of a tag, as wide as they are asked for, and the counts of its minutes; `between` is called between two slices.
 */
function read(files: RollupFiles, tag: string, span = SPAN, between = () => {}, every = 1) {
  const merging = new Merging(span, every);
  let slices = 0;
  let after: RollupCursor | undefined;
  do {
    after = files.slice(tag, span, merging, after);
    slices++;
    between();
  } while (after);
  const merged = merging.merged();
  const { counted } = merged;
  const cells = Array.from({ length: cellsIn(merged) }, (_, place) => cellAt(merged, place));
  const counts = new Map<number, number[]>();
  for (let at = 0; at < counted.length; at += RUN_WIDTH) {
    const [first, length, count, bad] = counted.subarray(at, at + RUN_WIDTH);
    for (let minute = first!; minute < first! + length!; minute++) {
      const [c = 0, b = 0] = counts.get(minute) ?? [];
      counts.set(minute, [c + count!, b + bad!]);
    }
  }
  return {
    minutes: [...cells].sort((a, b) => a.minute - b.minute),
    counts: [...counts].sort(([a], [b]) => a - b),
    slices,
  };
}

function filled(chunks: number, folder = temporaryFolder()): RollupFiles {
  const files = open(folder);
  for (let chunk = 0; chunk < chunks; chunk++) append(files, chunk * 10);
  return files;
}

function packAll(files: RollupFiles): number {
  let steps = 0;
  while (files.pack()) steps++;
  return steps;
}

describe('packs of minutes', () => {
  it('say what the chunks say, in fewer slices, also for a part of the time and after the files were opened again', () => {
    const folder = temporaryFolder();
    const files = filled(800, folder);
    const part = { first: 655, last: 1507 };
    const wide = { first: 650, last: 1509 };
    const ask = () =>
      TAGS.flatMap((tag) => [read(files, tag), read(files, tag, part), read(files, tag, wide, () => {}, 10)]);
    const told = ({ minutes, counts }: ReturnType<typeof read>) => ({ minutes, counts });
    const before = [...ask(), read(files, TAGS[0]!, SPAN, () => {}, 70)];
    expect(packAll(files)).toBeGreaterThan(3);
    const after = [...ask(), read(files, TAGS[0]!, SPAN, () => {}, 70)];
    expect(after.map(told)).toEqual(before.map(told));
    expect(after[0]!.slices).toBeLessThan(before[0]!.slices);
    expect(after.at(-1)!.slices).toBeLessThan(after[0]!.slices);
    expect(after.at(-1)!.minutes[0]).toMatchObject({ minute: 0, marks: 1 });
    for (let chunk = 800; chunk < 830; chunk++) append(files, chunk * 10);
    const grown = read(files, TAGS[0]!).minutes;
    expect(grown).toHaveLength(8301);
    files.close();
    const again = openRollups(folder, openForReading, 50_000_000, () => {});
    expect(read(again, TAGS[0]!).minutes).toEqual(grown);
    again.close();
  });

  it('change nothing for who is reading while they are made, or while more is appended', () => {
    const files = filled(300);
    const { minutes } = read(files, TAGS[1]!);
    expect(read(files, TAGS[1]!, SPAN, () => void packAll(files)).minutes).toEqual(minutes);
    let more = 300;
    const late = read(files, TAGS[1]!, SPAN, () => {
      for (const end = more + 80; more < end; more++) append(files, more * 10);
      packAll(files);
    });
    expect(late.minutes).toEqual(minutes);
    files.close();
  });

  it('are made in small steps, once, and in every file', () => {
    const folder = temporaryFolder();
    const files = open(folder, 8_000_000);
    for (let chunk = 0; chunk < 1500; chunk++) append(files, chunk * 10);
    const { minutes } = read(files, TAGS[2]!);
    packAll(files);
    expect(files.pack()).toBe(false);
    expect(read(files, TAGS[2]!).minutes).toEqual(minutes);
    files.close();
    // Of a file that nothing comes to any more, nothing is left.
    const all = readdirSync(folder)
      .filter((name) => /^rollups-.*db$/.test(name))
      .sort();
    expect(all.length).toBeGreaterThan(1);
    for (const name of all.slice(0, -1)) {
      const database = openForReading(join(folder, name));
      const left = 'SELECT count(*) FROM chunks JOIN celled USING (device) WHERE id > lastId';
      expect(database.prepare(left).pluck().get()).toBe(0);
      database.close();
    }
  });
});

describe('cells of ten minutes', () => {
  it('are made of a file that was packed before there were cells, which is read meanwhile', () => {
    const folder = temporaryFolder();
    const files = filled(160, folder);
    packAll(files);
    const { minutes, counts } = read(files, TAGS[0]!, SPAN, () => {}, 10);
    files.close();
    const old = openForWriting(join(folder, 'rollups-00000001.db'));
    old.exec('DROP TABLE cells; DROP TABLE celled');
    old.close();
    const reading = openRollups(folder, openForReading, 50_000_000, () => {});
    expect(read(reading, TAGS[0]!, SPAN, () => {}, 10)).toMatchObject({ minutes, counts });
    reading.close();
    const again = open(folder);
    const between = read(again, TAGS[0]!, SPAN, () => void again.pack(), 10);
    expect(between).toMatchObject({ minutes, counts });
    packAll(again);
    expect(read(again, TAGS[0]!, SPAN, () => {}, 10)).toMatchObject({ minutes, counts });
    again.close();
    const made = openForReading(join(folder, 'rollups-00000001.db'));
    expect(made.prepare('SELECT count(*) FROM cells').pluck().get()).toBe(
      made.prepare('SELECT count(*) FROM packs').pluck().get(),
    );
    made.close();
  });

  it('are exact: what a naive roll-up of the readings gives, with gaps, bad, uncertain and late readings', () => {
    const reading = fc.record({
      second: fc.integer({ min: 0, max: 599 }),
      late: fc.constantFrom(0, 0, 0, 700, 5000),
      value: fc.oneof(
        fc.constant(undefined),
        fc.integer({ min: -999, max: 999 }),
        fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      ),
      isUncertain: fc.boolean(),
    });
    const some = fc.array(reading, { minLength: 1, maxLength: 20 });
    const chunk = fc.oneof({ weight: 1, arbitrary: fc.constant([]) }, { weight: 9, arbitrary: some });
    const span = fc.tuple(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 0, max: 90 }));
    fc.assert(
      fc.property(
        fc.array(chunk, { minLength: 90, maxLength: 90 }),
        span,
        fc.integer({ min: 1, max: 9 }),
        (all, at, tens) => {
          const files = open(temporaryFolder());
          const told = all.flatMap((readings, index) => {
            const rows = readings.map(({ second, late, ...row }) => ({
              ...row,
              ms: (6000 + index * 600 + second - late) * 1000,
            }));
            if (rows.length > 0) appendReadings(files, rows);
            return rows;
          });
          packAll(files);
          const every = tens * 10;
          const [first, last] = [Math.min(...at), Math.max(...at) + 1].map((place) => place * every);
          const { minutes, counts } = read(files, 'press-1/x', { first: first!, last: last! - 1 }, () => {}, every);
          files.close();
          const wanted = told.filter(({ ms }) => ms >= first! * 60_000 && ms < last! * 60_000);
          expect(minutes.map(({ sum: _, ...cell }) => cell)).toEqual(naive(wanted, every));
          expect(counts.map(([minute, both]) => [minute, ...both!])).toEqual(
            naive(wanted, 1).map(({ minute, count, bad }) => [minute, count, bad]),
          );
        },
      ),
      { numRuns: Number(process.env.MILLGATE_PROPERTY_RUNS ?? 5) },
    );
  });
});

interface Row {
  readonly ms: number;
  readonly value: number | undefined;
  readonly isUncertain: boolean;
}

function appendReadings(files: RollupFiles, rows: readonly Row[]): void {
  const rollups: Rollups = new Map();
  for (const { ms, value, isUncertain } of rows) {
    const bad = { name: 'x', quality: 'bad', why: 'timeout' } as const;
    const doubt = { name: 'x', quality: 'uncertain', why: 'stuck' } as const;
    const field =
      value === undefined ? bad : isUncertain ? { ...doubt, value } : ({ name: 'x', quality: 'good', value } as const);
    rollUp(rollups, { ...recordOf(0, [field]), at: { wallMs: ms, monoMs: 0 } });
  }
  const { first, last } = spanOf(rollups)!;
  files.append([{ device: 'press-1', firstMinute: first, lastMinute: last, body: encodeRollups(rollups) }], []);
}

/** Reading by reading; sums are left out, as their last digits hang on the order. */
function naive(rows: readonly Row[], every: number) {
  const begins = [...new Set(rows.map(({ ms }) => Math.floor(ms / 60_000 / every) * every))].sort((a, b) => a - b);
  return begins.map((minute) => {
    const own = rows.filter(({ ms }) => Math.floor(ms / 60_000 / every) * every === minute);
    const values = own.flatMap(({ value }) => (value === undefined ? [] : [value]));
    const count = values.length;
    const [min, max] = count === 0 ? [0, 0] : [Math.min(...values), Math.max(...values)];
    return { minute, count, bad: own.length - count, min, max, marks: expect.any(Number) };
  });
}
