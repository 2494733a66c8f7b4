import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { type Connection, openForWriting } from '../../../src/store/format/disk.ts';
import { createSegment, type Row } from '../../../src/store/format/segment.ts';
import { temporaryFolder } from '../stores.ts';

/** A commit of one record, and of an event with every second one. */
function row(number: number): Row {
  const hasEvent = number % 2 === 0;
  return {
    number,
    readingsFirst: number,
    readingsCount: 1,
    eventsFirst: Math.ceil(number / 2),
    eventsCount: hasEvent ? 1 : 0,
    minWallMs: number * 1000,
    maxWallMs: number * 1000,
    latestWallMs: number * 1000,
    dictionary: 0,
    notes: null,
    events: hasEvent ? new Uint8Array(5) : null,
    readings: new Uint8Array(9),
  };
}

/** A connection that keeps what it is asked to look up. */
function listenedTo(database: Connection): { asked: Set<string>; database: Connection } {
  const asked = new Set<string>();
  const prepare = database.prepare.bind(database);
  const listening = Object.assign(database, {
    prepare(sql: string) {
      if (/^\s*SELECT/.test(sql)) asked.add(sql);
      return prepare(sql);
    },
  });
  return { asked, database: listening as Connection };
}

it('no question to a segment looks at each of its commits: a day of them is read as fast as an hour', () => {
  const file = join(temporaryFolder(), 'readings-00000001.db');
  const { asked, database } = listenedTo(openForWriting(file));
  const segment = createSegment(file, database, { epoch: 'e', id: 1 });
  for (let number = 0; number < 100; number++) segment.append(row(number));
  expect(segment.bounds()).toEqual({ first: 0, last: 99 });
  expect(segment.findReading(57)).toBe(57);
  expect(segment.findReading(1000)).toBe(99);
  expect(segment.findTime(56_500)).toBe(57);
  expect(segment.findTime(99_001)).toBeUndefined();
  expect(segment.row(3)?.number).toBe(3);
  expect(segment.rowsFrom(98, 10).map(({ number }) => number)).toEqual([98, 99]);
  expect(segment.rowsWithEvents(49, 10).map(({ number }) => number)).toEqual([98]);
  expect(segment.lastDictionary()).toBe(0);
  segment.close();

  const reader = new Database(file);
  const scans = [...asked].filter((sql) => {
    const wanted = [...sql.matchAll(/[?]|@\w+/g)].map(([name]) => name);
    const given = wanted.some((name) => name !== '?')
      ? [Object.fromEntries(wanted.map((name) => [name.slice(1), 1]))]
      : wanted.map(() => 1);
    const plan = reader.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...given) as { detail: string }[];
    return plan.some(({ detail }) => /^SCAN (?!CONSTANT)/.test(detail));
  });
  reader.close();
  expect(asked.size).toBeGreaterThan(5);
  expect(scans).toEqual([]);
});
