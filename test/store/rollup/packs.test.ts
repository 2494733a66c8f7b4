import { describe, expect, it } from 'vitest';
import { openForReading, openForWriting } from '../../../src/store/format/disk.ts';
import { encodeRollups, type MinuteRollup, type Rollups } from '../../../src/store/rollup/rollup.ts';
import { openRollups, type RollupCursor, type RollupFiles } from '../../../src/store/rollup/rollup-files.ts';
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
        return { minute, count: 30, bad: at, min: minute, max: minute + tag.length, sum: minute * 30 };
      });
      rollups.set(tag, new Map(cells.map((cell) => [cell.minute, cell])));
    }
    const body = encodeRollups(rollups);
    files.append([{ device, firstMinute: from, lastMinute: from + 10, body }], [{ from: from + 1, to: from + 2 }]);
  }
}

/** All minutes of a tag, those that come in parts as one; `between` is called between two slices. */
function read(files: RollupFiles, tag: string, span = SPAN, between = () => {}) {
  const minutes: MinuteRollup[] = [];
  let slices = 0;
  let after: RollupCursor | undefined;
  do {
    const slice = files.slice(tag, span, after);
    minutes.push(...slice.minutes);
    after = slice.next;
    slices++;
    between();
  } while (after);
  const whole = new Map<number, number[]>();
  for (const { minute, count, bad, min, max, sum } of minutes) {
    const [c = 0, b = 0, lo = min, hi = max, s = 0] = whole.get(minute) ?? [];
    whole.set(minute, [c + count, b + bad, Math.min(lo, min), Math.max(hi, max), s + sum]);
  }
  return { minutes: [...whole].sort(([a], [b]) => a - b), slices };
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
    const before = TAGS.map((tag) => [read(files, tag), read(files, tag, part)]);
    expect(packAll(files)).toBeGreaterThan(3);
    const after = TAGS.map((tag) => [read(files, tag), read(files, tag, part)]);
    expect(after.map((both) => both.map(({ minutes }) => minutes))).toEqual(
      before.map((both) => both.map(({ minutes }) => minutes)),
    );
    expect(after[0]![0]!.slices).toBeLessThan(before[0]![0]!.slices);
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
  });
});
