import { describe, expect, it, onTestFinished } from 'vitest';
import type { GatewayEvent } from '../../src/core/event.ts';
import { type DeviceRecord, type Field, Fields } from '../../src/core/reading.ts';
import { createRecordText } from '../../src/core/record-text.ts';
import { type CommitBatch, type Store, TEXTS_BYTES } from '../../src/store/store.ts';

/** Opens a store in `path`, or in a new folder that is removed afterwards. */
export type OpenForContract = (
  path?: string,
  options?: { maxBytes?: number },
) => Promise<{ store: Store; path: string }>;

/** A record of one device, one second after another. */
export function recordOf(second: number, fields?: readonly Field[], device = 'press-1'): DeviceRecord {
  return {
    device,
    at: { wallMs: Date.UTC(2026, 0, 1) + second * 1000, monoMs: second * 1000 },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(fields ?? [{ name: 'oil-temp', quality: 'good', value: second + 0.5 }]),
  };
}

/** An event that says which one it is. */
export function eventOf(what: string): GatewayEvent {
  return { wallMs: 1, monoMs: 1, clockKnown: true, body: { kind: 'audit', what, message: what } };
}

/** A batch of what is given, and nothing else. */
export function batchOf(records: readonly DeviceRecord[], rest: Partial<CommitBatch> = {}): CommitBatch {
  return { records, events: [], states: new Map(), ...rest };
}

const OPEN = Number.POSITIVE_INFINITY;

/** The rules of {@link Store}, for any implementation. */
export function describeStoreContract(name: string, open: OpenForContract): void {
  const opened = async (...given: Parameters<OpenForContract>) => {
    const result = await open(...given);
    onTestFinished(() => result.store.close());
    return result;
  };

  describe(`${name} keeps the contract of a store`, () => {
    it('numbers records and events from 1, each stream by itself, in the order of the commits', async () => {
      const { store } = await opened();
      const receipts = await Promise.all([
        store.commit(batchOf([recordOf(0), recordOf(1)])),
        store.commit(batchOf([recordOf(2)], { events: [eventOf('first')] })),
        store.commit(batchOf([], { events: [eventOf('second'), eventOf('third')] })),
      ]);
      expect(receipts).toEqual([
        { readings: { from: 1, to: 3 }, events: { from: 1, to: 1 } },
        { readings: { from: 3, to: 4 }, events: { from: 1, to: 2 } },
        { readings: { from: 4, to: 4 }, events: { from: 2, to: 4 } },
      ]);
    });

    it('gives back exactly what was committed, from any number on', async () => {
      const { store } = await opened();
      const records = [0, 1, 2, 3, 4].map((second) => recordOf(second));
      await store.commit(batchOf(records.slice(0, 3)));
      await store.commit(batchOf(records.slice(3)));
      expect(await store.peek(1, 100)).toEqual({ from: 1, records, next: 6 });
      expect(await store.peek(3, 2)).toEqual({ from: 3, records: records.slice(2, 4), next: 5 });
      expect(await store.peek(6, 2)).toEqual({ from: 6, records: [], next: 6 });
    });

    it('gives the same records as the text that goes out', async () => {
      const { store } = await opened();
      const records = [0, 1, 2, 3, 4].map((second) => recordOf(second));
      await store.commit(batchOf(records.slice(0, 3)));
      await store.commit(batchOf(records.slice(3)));
      const text = createRecordText();
      const written = async (from: number, limit: number) => {
        const found = await store.peekTexts(from, limit);
        const texts = found.texts.map(({ page, start, end }) => Buffer.from(page).toString('utf8', start, end));
        return { ...found, texts };
      };
      expect(await written(1, 100)).toEqual({ from: 1, texts: records.map(text), next: 6 });
      expect(await written(3, 2)).toEqual({ from: 3, texts: records.slice(2, 4).map(text), next: 5 });
      expect(await written(6, 2)).toEqual({ from: 6, texts: [], next: 6 });
      const { texts } = await store.peekTexts(2, 1);
      expect(texts[0]).toMatchObject({ fields: records[1]!.fields.length, wallMs: records[1]!.at.wallMs });
    });

    it('gives no more text at once than a message or two, however large the records', async () => {
      const { store } = await opened();
      const large = recordOf(0, [{ name: 'label', quality: 'good', value: 'x'.repeat(TEXTS_BYTES / 2) }]);
      await store.commit(batchOf([large, large, large, large]));
      expect(await store.peekTexts(1, 100)).toMatchObject({ from: 1, next: 3 });
      expect(await store.peekTexts(3, 100)).toMatchObject({ from: 3, next: 5 });
    });

    it('marks a record that has no form in JSON, and gives the others', async () => {
      const { store } = await opened();
      const broken = recordOf(1, [{ name: 'flow', quality: 'good', value: Number.NaN }]);
      await store.commit(batchOf([recordOf(0), broken, recordOf(2)]));
      const { texts } = await store.peekTexts(1, 10);
      expect(texts.map(({ start, end }) => end > start)).toEqual([true, false, true]);
    });

    it('keeps values of every kind and quality as they were', async () => {
      const { store } = await opened();
      const fields: Field[] = [
        { name: 'count', quality: 'good', value: 18_446_744_073_709_551_615n },
        { name: 'zero', quality: 'good', value: -0 },
        { name: 'label', quality: 'uncertain', value: 'Öl – 75 °C', why: 'last-usable' },
        { name: 'running', quality: 'good', value: true },
        { name: 'torque', quality: 'bad', why: 'timeout' },
      ];
      const record = { ...recordOf(0, fields), simulated: true };
      await store.commit(batchOf([record]));
      const { records } = await store.peek(1, 1);
      expect(records).toEqual([record]);
      expect(records[0]!.fields.at(1)).toMatchObject({ value: -0 });
    });

    it('keeps events as they were', async () => {
      const { store } = await opened();
      const events = [eventOf('started'), { ...eventOf('big'), body: { ...eventOf('big').body, value: 2n ** 63n } }];
      await store.commit(batchOf([recordOf(0)], { events: events as GatewayEvent[] }));
      await store.commit(batchOf([recordOf(1)]));
      await store.commit(batchOf([], { events: [eventOf('stopped')] }));
      expect(await store.peekEvents(1, 10)).toEqual({ from: 1, events: [...events, eventOf('stopped')], next: 4 });
      expect(await store.peekEvents(2, 1)).toEqual({ from: 2, events: [events[1]], next: 3 });
      expect(await store.peekEvents(4, 1)).toEqual({ from: 4, events: [], next: 4 });
    });

    it('goes on with its numbers, epoch, states and records after it was closed', async () => {
      const { store, path } = await opened();
      await store.commit(
        batchOf([recordOf(0)], {
          states: new Map([
            ['alarm', '{"on":true}'],
            ['gone', '1'],
          ]),
        }),
      );
      await store.commit(batchOf([recordOf(1)], { states: new Map([['gone', null]]), events: [eventOf('one')] }));
      await store.close();
      const again = await opened(path);
      expect(again.store.epoch).toBe(store.epoch);
      expect(await again.store.states()).toEqual(new Map([['alarm', '{"on":true}']]));
      expect(await again.store.commit(batchOf([recordOf(2)], { events: [eventOf('two')] }))).toEqual({
        readings: { from: 3, to: 4 },
        events: { from: 2, to: 3 },
      });
      expect((await again.store.peek(1, 10)).records).toEqual([recordOf(0), recordOf(1), recordOf(2)]);
      expect((await again.store.peekEvents(1, 10)).events).toEqual([eventOf('one'), eventOf('two')]);
      expect(await again.store.ledger()).toEqual([]);
    });

    it('says that a new uplink has everything still to deliver, and remembers what was settled', async () => {
      const { store, path } = await opened();
      await store.commit(batchOf([0, 1, 2, 3].map((second) => recordOf(second))));
      expect(await store.pending('plant', 'readings')).toEqual([{ from: 1, to: OPEN }]);
      const left = [
        { from: 2, to: 3 },
        { from: 5, to: OPEN },
      ];
      await store.settle('plant', 'readings', left);
      expect(await store.pending('plant', 'readings')).toEqual(left);
      expect(await store.pending('mes', 'readings')).toEqual([{ from: 1, to: OPEN }]);
      await store.close();
      const again = await opened(path);
      expect(await again.store.pending('plant', 'readings')).toEqual(left);
      expect(await again.store.pending('plant', 'events')).toEqual([{ from: 1, to: OPEN }]);
    });

    it('enters dropped and refused records in its ledger, which outlives it', async () => {
      const { store, path } = await opened();
      const dropped = { count: 3, firstWallMs: 10, lastWallMs: 20 };
      expect(await store.commit(batchOf([recordOf(0)], { dropped }))).toMatchObject({ readings: { from: 4, to: 5 } });
      await store.quarantine({ stream: 'readings', from: 4, to: 5, count: 1, uplink: 'plant', detail: 'too large' });
      const ledger = await store.ledger();
      expect(ledger).toMatchObject([
        { id: 1, stream: 'readings', from: 1, to: 4, count: 3, cause: 'memory-full', firstWallMs: 10, lastWallMs: 20 },
        { id: 2, stream: 'readings', from: 4, to: 5, cause: 'quarantined', uplink: 'plant', detail: 'too large' },
      ]);
      expect(await store.peek(1, 10)).toEqual({ from: 4, records: [recordOf(0)], next: 5 });
      await store.close();
      expect(await (await opened(path)).store.ledger()).toEqual(ledger);
    });

    it('numbers events that were dropped, and enters them in its ledger', async () => {
      const { store, path } = await opened();
      const droppedEvents = { count: 3, firstWallMs: 10, lastWallMs: 20 };
      const batch = batchOf([], { events: [eventOf('kept')], droppedEvents });
      expect(await store.commit(batch)).toMatchObject({ events: { from: 4, to: 5 } });
      expect(await store.peekEvents(1, 10)).toMatchObject({ from: 4, events: [eventOf('kept')], next: 5 });
      const ledger = await store.ledger();
      expect(ledger).toMatchObject([{ stream: 'events', from: 1, to: 4, count: 3, cause: 'memory-full' }]);
      await store.close();
      expect(await (await opened(path)).store.ledger()).toEqual(ledger);
    });

    it('answers history by tag and time, in pages', async () => {
      const { store } = await opened();
      for (let second = 0; second < 200; second++)
        await store.commit(
          batchOf([recordOf(second), recordOf(second, [{ name: 'x', quality: 'good', value: 1 }], 'other')]),
        );
      const start = recordOf(0).at.wallMs;
      const query = { tag: 'press-1/oil-temp', fromMs: start + 50_000, toMs: start + 170_000, limit: 70 };
      const first = await store.history(query);
      expect(first.points).toHaveLength(70);
      expect(first.points[0]).toEqual({ seq: 101, wallMs: start + 50_000, quality: 'good', value: 50.5 });
      const second = await store.history({ ...query, afterSeq: first.next! });
      expect(second.points.map(({ value }) => value)).toEqual(Array.from({ length: 50 }, (_, index) => 120.5 + index));
      expect(second.next).toBeUndefined();
      expect(await store.history({ ...query, tag: 'press-1/nothing' })).toEqual({ points: [], next: undefined });
    });

    it('stays within its size by giving up the oldest, alarms last, and accounts for every number', async () => {
      const { store, path } = await opened(undefined, { maxBytes: 600_000 });
      await store.pending('plant', 'readings');
      await store.pending('plant', 'events');
      await fill(store, 200);
      const status = await store.status();
      expect(status.bytes).toBeLessThanOrEqual(600_000);
      expect(status.oldest.readings).toBeGreaterThan(1);
      expect(status.oldest.events).toBe(1);
      const evicted = status.losses.reduce((sum, { count, stream }) => sum + (stream === 'readings' ? count : 0), 0);
      expect(evicted).toBe(status.oldest.readings - 1);
      expect(await countRecords(store)).toBe(status.next.readings - 1 - evicted);
      expect(await store.pending('plant', 'readings')).toEqual([{ from: status.oldest.readings, to: OPEN }]);
      const told = (await allEvents(store)).map(({ body }) => 'what' in body && body.what);
      expect(told).toEqual(Array.from({ length: 200 }, (_, index) => `event ${index}`));
      await store.close();
      const again = await opened(path, { maxBytes: 600_000 });
      expect(await again.store.status()).toMatchObject({
        oldest: status.oldest,
        next: status.next,
        ledger: status.ledger,
      });
    });

    it('gives up what every uplink has before what one still needs, and says nothing of it in the ledger', async () => {
      const { store } = await opened(undefined, { maxBytes: 600_000 });
      await store.pending('plant', 'readings');
      await fill(store, 200, async (next) => store.settle('plant', 'readings', [{ from: next, to: OPEN }]));
      expect((await store.status()).oldest.readings).toBeGreaterThan(1);
      expect(await store.ledger()).toEqual([]);
    });

    it('closes more than once, and refuses everything afterwards with what to know', async () => {
      const { store } = await opened();
      await store.close();
      await store.close();
      await expect(store.commit(batchOf([recordOf(0)]))).rejects.toThrow('the store is closed');
    });

    it('refuses a second process, and says who holds the store', async () => {
      const { path } = await opened();
      await expect(open(path)).rejects.toMatchObject({
        code: 69,
        message: expect.stringContaining(`in use by process ${process.pid}`),
      });
    });
  });
}

/** Commits records that do not shrink, with an event each. */
async function fill(store: Store, commits: number, after?: (next: number) => Promise<void>): Promise<void> {
  for (let commit = 0; commit < commits; commit++) {
    const records = [0, 1, 2].map((index) => {
      const noise = Array.from({ length: 200 }, () => Math.random().toString(36)).join('');
      return recordOf(commit * 3 + index, [{ name: 'noise', quality: 'good', value: noise }]);
    });
    const { readings } = await store.commit(batchOf(records, { events: [eventOf(`event ${commit}`)] }));
    await after?.(readings.to);
  }
}

/** How many records can be read; fails when one is given twice or out of order. */
export async function countRecords(store: Store): Promise<number> {
  let count = 0;
  for (let at = 1; ; ) {
    const { from, records, next } = await store.peek(at, 1000);
    if (records.length === 0) return count;
    expect(from).toBeGreaterThanOrEqual(at);
    expect(next).toBe(from + records.length);
    count += records.length;
    at = next;
  }
}

/** Every event that can be read. */
async function allEvents(store: Store): Promise<GatewayEvent[]> {
  const found: GatewayEvent[] = [];
  for (let at = 1; ; ) {
    const { events, next } = await store.peekEvents(at, 1000);
    if (events.length === 0) return found;
    found.push(...events);
    at = next;
  }
}
