import { randomUUID } from 'node:crypto';
import { type Clock, instantOf } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { DeviceRecord } from '../core/reading.ts';
import { decodeEvents, decodeRecords, encodeEvents, encodeRecords } from './codec.ts';
import type { CallName, Calls, EncodedCommit, Pieces } from './protocol.ts';
import type { CommitBatch, HistoryPage, HistoryQuery, Pending, Store, Stream } from './store.ts';

/** What a store is opened with. */
export interface StoreOptions {
  /** Folder of the store; made if it is missing. */
  readonly path: string;
  /** How large the folder may grow, bytes. */
  readonly maxBytes: number;
  /** How long a confirmation may be forgotten by a crash, ms. Default 5000. */
  readonly cursorEveryMs?: number;
  /** How long delivered records are kept in preference to others, ms. Default one day. */
  readonly replayMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Default of {@link StoreOptions.cursorEveryMs}. */
export const CURSOR_EVERY_MS = 5000;

/** Default of {@link StoreOptions.replayMs}. */
export const REPLAY_MS = 86_400_000;

/** Where calls go: an engine in this thread, or one in another. Answers come in the order of the calls. */
export interface Backend {
  readonly epoch: string;
  call<Name extends CallName>(name: Name, ask: Calls[Name]['ask']): Promise<Calls[Name]['answer']>;
  /** Closes the engine and whatever it runs in. */
  close(): Promise<void>;
}

/**
 * The {@link Store} on a backend: encodes and decodes here, so that the engine handles nothing but bytes.
 *
 * @param bootId names the run whose monotonic clock the records are stamped with
 */
export function storeOn(backend: Backend, options: StoreOptions, bootId: string = randomUUID()): Store {
  const cursorEveryMs = options.cursorEveryMs ?? CURSOR_EVERY_MS;
  let cancelFlush: (() => void) | undefined;
  let closing: Promise<void> | undefined;

  /** Cursors ride on commits; this is for when none come. */
  const flushLater = (): void => {
    if (cancelFlush || closing) return;
    cancelFlush = options.clock.after(cursorEveryMs, () => {
      cancelFlush = undefined;
      backend.call('flush', undefined).catch((error: unknown) => {
        options.log.warn(`cursors could not be written: ${String(error)} They are tried again.`);
        flushLater();
      });
    });
  };

  return {
    epoch: backend.epoch,
    commit: async (batch) => backend.call('commit', encodeBatch(batch, bootId)),
    async peek(from, limit) {
      const { pieces, ...range } = await backend.call('peek', { stream: 'readings', from, limit });
      return { ...range, records: cut(range, pieces, (body) => decodeRecords(body).records) };
    },
    async peekEvents(from, limit) {
      const { pieces, ...range } = await backend.call('peek', { stream: 'events', from, limit });
      return { ...range, events: cut(range, pieces, decodeEvents) };
    },
    pending: (uplink: string, stream: Stream) => backend.call('pending', { uplink, stream }),
    async settle(uplink: string, stream: Stream, pending: Pending) {
      await backend.call('settle', { uplink, stream, pending });
      flushLater();
    },
    quarantine: (entry) => backend.call('quarantine', entry),
    ledger: () => backend.call('ledger', undefined),
    states: () => backend.call('states', undefined),
    history: (query) => pageOf(backend, query),
    status: () => backend.call('status', undefined),
    close() {
      cancelFlush?.();
      closing ??= backend.close();
      return closing;
    },
  };
}

/** Both clocks, as the engine is told them. */
export function nowOn(clock: Clock): { wallMs: number; monoMs: number } {
  return instantOf(clock);
}

function encodeBatch(batch: CommitBatch, bootId: string): EncodedCommit {
  return {
    readings: batch.records.length === 0 ? undefined : encodeReadings(batch.records, bootId),
    events: batch.events.length === 0 ? undefined : { count: batch.events.length, body: encodeEvents(batch.events) },
    states: [...batch.states],
    dropped: batch.dropped,
  };
}

function encodeReadings(records: readonly DeviceRecord[], bootId: string): NonNullable<EncodedCommit['readings']> {
  let minWallMs = Number.POSITIVE_INFINITY;
  let maxWallMs = Number.NEGATIVE_INFINITY;
  for (const { at } of records) {
    minWallMs = Math.min(minWallMs, at.wallMs);
    maxWallMs = Math.max(maxWallMs, at.wallMs);
  }
  return { count: records.length, minWallMs, maxWallMs, body: encodeRecords(records, bootId) };
}

/** Whole commits were read; gives what was asked for of the first and the last. */
function cut<T>(
  range: { from: number; next: number },
  pieces: Pieces['pieces'],
  decode: (body: Uint8Array) => T[],
): T[] {
  return pieces.flatMap(({ first, body }) => {
    const items = decode(body);
    return items.slice(Math.max(0, range.from - first), Math.max(0, range.next - first));
  });
}

/** Slices until the page is full, so that commits get their turn between them. */
async function pageOf(backend: Backend, query: HistoryQuery): Promise<HistoryPage> {
  const points: HistoryPage['points'][number][] = [];
  let afterSeq = query.afterSeq;
  for (;;) {
    const limit = query.limit - points.length;
    const slice = await backend.call('history', { ...query, limit, ...(afterSeq !== undefined && { afterSeq }) });
    points.push(...slice.points);
    if (slice.scannedTo === undefined) return { points, next: undefined };
    afterSeq = slice.scannedTo;
    if (points.length >= query.limit) return { points, next: afterSeq };
  }
}
