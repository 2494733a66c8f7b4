import { beforeEach, describe, expect, it } from 'vitest';
import { createAlarms, type EventBody, type GatewayEvent } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Committer, type CommitterOptions } from '../../src/store/committer.ts';
import { type CommitBatch, type Receipt, StoreTrouble } from '../../src/store/store.ts';
import { eventOf, recordOf } from '../contract/store.ts';

/** A disk that answers when it is told to, and numbers as a store does. */
class Disk {
  batches: CommitBatch[] = [];
  /** Every batch that it was asked to take. */
  asked: CommitBatch[] = [];
  stalled: (() => void)[] | undefined;
  refusal: Error | undefined;
  private next = { readings: 1, events: 1 };

  async commit(batch: CommitBatch): Promise<Receipt> {
    this.asked.push(batch);
    if (this.stalled) await new Promise<void>((resolve) => this.stalled?.push(resolve));
    if (this.refusal) throw this.refusal;
    this.batches.push(batch);
    const readings = this.next.readings + (batch.dropped?.count ?? 0);
    const events = this.next.events + (batch.droppedEvents?.count ?? 0);
    this.next = { readings: readings + batch.records.length, events: events + batch.events.length };
    return { readings: { from: readings, to: this.next.readings }, events: { from: events, to: this.next.events } };
  }
}

let clock: SimulatedClock;
let disk: Disk;
let committed: Receipt[];
let failed: unknown[];

function committer(more: Partial<CommitterOptions> = {}): Committer {
  return new Committer({
    store: disk,
    clock,
    log: silentLogger,
    random: () => 0.5,
    commitEveryMs: 1000,
    onCommitted: (receipt) => committed.push(receipt),
    onFailed: (error) => failed.push(error),
    ...more,
  });
}

beforeEach(() => {
  clock = new SimulatedClock();
  disk = new Disk();
  committed = [];
  failed = [];
});

describe('the group commit', () => {
  it('gathers records and states for commitEvery, and tells of them only once they are durable', async () => {
    const group = committer();
    group.accept(recordOf(0));
    await clock.advance(50);
    committed = [];
    group.accept(recordOf(1));
    group.setState('rule', '1');
    await clock.advance(500);
    group.accept(recordOf(2));
    group.setState('rule', '2');
    await clock.advance(499);
    expect(disk.batches).toHaveLength(1);
    await clock.advance(1);
    expect(disk.batches.slice(1)).toEqual([
      { records: [recordOf(1), recordOf(2)], events: [], states: new Map([['rule', '2']]) },
    ]);
    expect(committed).toEqual([{ readings: { from: 2, to: 4 }, events: { from: 1, to: 1 } }]);
    await clock.advance(10_000);
    expect(disk.batches).toHaveLength(2);
  });

  it('commits a scan that comes after a pause as soon as all of it can be there', async () => {
    const group = committer();
    for (const scan of [0, 10, 20]) {
      group.accept(recordOf(scan));
      await clock.advance(20);
      group.accept(recordOf(scan + 1));
      await clock.advance(30);
      expect(disk.batches.at(-1)?.records).toEqual([recordOf(scan), recordOf(scan + 1)]);
      await clock.advance(950);
    }
    expect(disk.batches).toHaveLength(3);
  });

  it('lets what comes while a commit is under way wait commitEvery in all, however long the disk takes', async () => {
    disk.stalled = [];
    const group = committer();
    group.accept(recordOf(0));
    await clock.advance(50);
    group.accept(recordOf(1));
    await clock.advance(700);
    disk.stalled[0]!();
    await clock.advance(299);
    expect(disk.asked).toHaveLength(1);
    await clock.advance(1);
    expect(disk.asked[1]?.records).toEqual([recordOf(1)]);
  });

  it('stores an event of a number that is not finite as JSON has it, and links that', async () => {
    const linked: GatewayEvent[] = [];
    const group = committer({
      link(events) {
        linked.push(...events);
        return { events, states: new Map() };
      },
    });
    const at = { wallMs: 1, monoMs: 1, clockKnown: true };
    const body = { kind: 'audit', what: 'write', message: 'm', value: Number.POSITIVE_INFINITY, list: [Number.NaN, 2] };
    group.acceptEvents([{ ...at, body: body as EventBody }]);
    await clock.advance(1);
    expect(linked.map((event) => event.body)).toEqual([{ ...body, value: null, list: [null, 2] }]);
    expect(disk.batches[0]!.events).toEqual(linked);
  });

  it('lets nothing go while what is to be linked cannot be', async () => {
    let isBroken = true;
    const group = committer({
      link(events) {
        if (isBroken) throw new TypeError('it has no form');
        return { events, states: new Map() };
      },
    });
    group.accept(recordOf(0));
    expect(() => group.acceptEvents([eventOf('late')])).toThrow('it has no form');
    isBroken = false;
    await group.flush();
    expect(disk.batches).toMatchObject([{ records: [recordOf(0)], events: [eventOf('late')] }]);
  });

  it('lets readings wait for no commit of events before them', async () => {
    const group = committer();
    group.acceptEvents([eventOf('started')]);
    await clock.advance(10);
    group.accept(recordOf(0));
    group.accept(recordOf(1));
    await clock.advance(50);
    expect(disk.batches.map(({ records }) => records.length)).toEqual([0, 2]);
  });

  it('commits events at once, together with the records that caused them', async () => {
    const group = committer();
    group.accept(recordOf(0));
    group.acceptEvents([eventOf('hot')]);
    await clock.advance(0);
    expect(disk.batches).toMatchObject([{ records: [recordOf(0)], events: [eventOf('hot')] }]);
  });

  it('has one commit under way and gathers the next meanwhile', async () => {
    disk.stalled = [];
    const group = committer();
    group.acceptEvents([eventOf('a')]);
    group.acceptEvents([eventOf('b')]);
    group.acceptEvents([eventOf('c')]);
    await clock.advance(6000);
    expect(disk.stalled).toHaveLength(1);
    expect(group.status().trouble).toContain('has not answered for 6s');
    const [release] = disk.stalled;
    disk.stalled = undefined;
    release?.();
    await clock.advance(0);
    expect(disk.batches.map(({ events }) => events.length)).toEqual([1, 2]);
  });

  it.each(['refuses', 'stands still'])('tells once that the disk %s, and once that it is over', async (how) => {
    const told: string[] = [];
    const alarms = createAlarms((body) => {
      told.push('change' in body ? String(body.change) : body.kind);
      group.acceptEvents([{ ...eventOf('disk'), body }]);
    });
    const onTrouble = (trouble: string | undefined) =>
      trouble === undefined ? alarms.clear('store/disk', 'over') : alarms.raise('store/disk', trouble);
    const group = committer({ onTrouble });
    if (how === 'refuses') disk.refusal = new StoreTrouble('disk full. Free space.');
    else disk.stalled = [];
    group.accept(recordOf(0));
    await clock.advance(60_000);
    expect(told).toEqual(['raised']);
    disk.refusal = undefined;
    for (const release of disk.stalled ?? []) release();
    disk.stalled = undefined;
    await clock.advance(12_000);
    expect(told).toEqual(['raised', 'cleared']);
    expect(disk.batches.flatMap(({ events }) => events)).toHaveLength(2);
    expect(group.status()).toMatchObject({ heldRecords: 0, heldEvents: 0, trouble: undefined });
  });

  it('asks again for as long as the disk refuses, loses nothing and keeps the order', async () => {
    disk.refusal = new StoreTrouble('disk read-only. Mount it.');
    const group = committer();
    group.accept(recordOf(0));
    group.setState('rule', 'old');
    await clock.advance(1000);
    group.accept(recordOf(1));
    group.setState('rule', 'new');
    group.acceptEvents([eventOf('hot')]);
    expect(group.status()).toMatchObject({ heldRecords: 2, heldEvents: 1, trouble: 'disk read-only. Mount it.' });
    await clock.advance(60_000);
    disk.refusal = undefined;
    await clock.advance(10_000);
    expect(disk.batches).toEqual([
      { records: [recordOf(0), recordOf(1)], events: [eventOf('hot')], states: new Map([['rule', 'new']]) },
    ]);
    expect(group.status()).toMatchObject({ heldRecords: 0, trouble: undefined });
  });

  it('drops the oldest records when its memory is full, counts them, and never an event', async () => {
    disk.refusal = new StoreTrouble('no');
    const group = committer({ heldRecords: 10 });
    group.acceptEvents([eventOf('kept')]);
    for (let second = 0; second < 25; second++) group.accept(recordOf(second));
    await clock.advance(30_000);
    expect(group.status()).toMatchObject({ heldRecords: 10, heldEvents: 1, droppedRecords: 15 });
    disk.refusal = undefined;
    await clock.advance(10_000);
    expect(disk.batches).toHaveLength(1);
    expect(disk.batches[0]!.records[0]).toEqual(recordOf(15));
    expect(disk.batches[0]!.dropped).toEqual({
      count: 15,
      firstWallMs: recordOf(0).at.wallMs,
      lastWallMs: recordOf(14).at.wallMs,
    });
    expect(disk.batches[0]!.events).toEqual([eventOf('kept')]);
    expect(committed[0]!.readings).toEqual({ from: 16, to: 26 });
  });

  it('commits what is held before it closes, and takes nothing afterwards', async () => {
    const group = committer();
    group.accept(recordOf(0));
    const closed = group.close();
    await clock.advance(0);
    await closed;
    group.accept(recordOf(1));
    await clock.advance(5000);
    expect(disk.batches).toHaveLength(1);
  });

  it('tries at once when it is to close, however long the disk refused before: nothing held is dropped', async () => {
    disk.refusal = new StoreTrouble('no');
    const group = committer();
    group.accept(recordOf(0));
    group.acceptEvents([eventOf('hot')]);
    await clock.advance(300_000);
    disk.refusal = undefined;
    let isClosed = false;
    void group.close().then(() => {
      isClosed = true;
    });
    await clock.advance(0);
    expect(isClosed).toBe(true);
    expect(disk.batches).toMatchObject([{ records: [recordOf(0)], events: [eventOf('hot')] }]);
  });

  it('goes on trying while it closes, for a disk that takes commits again within five seconds', async () => {
    disk.refusal = new StoreTrouble('no');
    const group = committer();
    group.accept(recordOf(0));
    await clock.advance(300_000);
    void group.close();
    await clock.advance(4000);
    disk.refusal = undefined;
    await clock.advance(900);
    expect(disk.batches).toHaveLength(1);
  });

  it('holds a bounded number of events, tries again with a bounded part of them, and counts what it drops', async () => {
    disk.refusal = new StoreTrouble('no');
    const group = committer({ heldEvents: 2000 });
    for (let number = 0; number < 2500; number++) group.acceptEvents([eventOf(`e${number}`)]);
    await clock.advance(60_000);
    expect(group.status()).toMatchObject({ heldEvents: 2000, droppedEvents: 500 });
    expect(Math.max(...disk.asked.map(({ events }) => events.length))).toBeLessThanOrEqual(1000);
    disk.refusal = undefined;
    await clock.advance(10_000);
    expect(disk.batches.map(({ events, droppedEvents }) => [events.length, droppedEvents?.count])).toEqual([
      [1000, 500],
      [1000, undefined],
    ]);
    expect(disk.batches[0]!.events[0]).toEqual(eventOf('e500'));
    expect(committed.map(({ events }) => events)).toEqual([
      { from: 501, to: 1501 },
      { from: 1501, to: 2501 },
    ]);
  });

  it('says at once and once that the disk stands still, since when, what is held and for how long that goes on', async () => {
    disk.stalled = [];
    const lines: string[] = [];
    const log = {
      ...silentLogger,
      warn: (text: string) => void lines.push(text),
      info: (text: string) => void lines.push(text),
    };
    const group = committer({ log, heldRecords: 1000 });
    const sinceMs = clock.wallMs() + 50;
    group.accept(recordOf(0));
    for (let second = 1; second <= 121; second++) {
      await clock.advance(1000);
      group.accept(recordOf(second));
    }
    expect(group.status()).toMatchObject({ heldRecords: 122, standstill: { sinceMs } });
    expect(group.status().standstill?.lastsMs).toBeGreaterThan(850_000);
    expect(group.status().standstill?.lastsMs).toBeLessThan(900_000);
    expect(lines).toHaveLength(1);
    const [release] = disk.stalled;
    disk.stalled = undefined;
    release?.();
    await clock.advance(2000);
    expect(lines).toHaveLength(2);
    expect(group.status()).toMatchObject({ heldRecords: 0, standstill: undefined, trouble: undefined });
  });

  it('gives up closing after five seconds on a disk that does not answer', async () => {
    disk.stalled = [];
    const group = committer();
    group.accept(recordOf(0));
    let isClosed = false;
    void group.close().then(() => {
      isClosed = true;
    });
    await clock.advance(4999);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    expect(isClosed).toBe(true);
  });

  it('says that the process has to end when the store itself failed', async () => {
    disk.refusal = new Error('the thread failed');
    const group = committer();
    group.acceptEvents([eventOf('a')]);
    await clock.advance(60_000);
    expect(failed).toEqual([disk.refusal]);
    await group.close();
  });
});
