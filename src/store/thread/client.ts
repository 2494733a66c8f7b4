/** The store as its callers see it, whichever thread it runs in. */
import { randomUUID } from 'node:crypto';
import { type Clock, instantOf } from '../../core/clock.ts';
import { chainPlaces, type GatewayEvent } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import type { DeviceRecord } from '../../core/reading.ts';
import { encodeEvents, RecordEncoder } from '../format/codec.ts';
import { decodeTrueEvents, decodeTrueRecords, type WallOffset } from '../format/restamp.ts';
import type { Backend, EncodedCommit, Pieces } from '../protocol.ts';
import { textsOf } from '../read/texts.ts';
import { type Cell, cellAt, cellsIn, MINUTE_MS, type MinuteRollup, mergeInto, RUN_WIDTH } from '../rollup/rollup.ts';
import type { RollupCursor } from '../rollup/rollup-files.ts';
import type {
  CommitBatch,
  HistoryPage,
  HistoryQuery,
  Pending,
  RollupPage,
  RollupQuery,
  Store,
  Stream,
} from '../store.ts';
import { createStamps } from './stamps.ts';

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
  /** Names the machine; a store last opened on another one is a copy. Default: by machine-id(5). */
  readonly machine?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Default of {@link StoreOptions.cursorEveryMs}. */
export const CURSOR_EVERY_MS = 5000;

/** Default of {@link StoreOptions.replayMs}. */
export const REPLAY_MS = 86_400_000;

/**
 * The {@link Store} on a backend: encodes and decodes here, so that the engine handles nothing but bytes.
 *
 * @param bootId names the run whose monotonic clock the records are stamped with
 */
export function storeOn(backend: Backend, options: StoreOptions, bootId: string = randomUUID()): Store {
  const stamps = createStamps(backend, options, bootId);
  const encoder = new RecordEncoder();
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
    async commit(batch) {
      const receipt = await backend.call('commit', encodeBatch(batch, bootId, encoder));
      stamps.committed(batch, receipt);
      return receipt;
    },
    async peek(from, limit) {
      const found = await backend.call('peek', { stream: 'readings', from, limit });
      return { from: found.from, next: found.next, records: cut(found, stamps.offsets(), decodeTrueRecords) };
    },
    async peekTexts(from, limit) {
      return textsOf(await backend.call('texts', { from, limit, offset: stamps.own() }));
    },
    async peekEvents(from, limit) {
      const found = await backend.call('peek', { stream: 'events', from, limit });
      return { from: found.from, next: found.next, events: cut(found, stamps.offsets(), decodeTrueEvents) };
    },
    pending: (uplink: string, stream: Stream) => backend.call('pending', { uplink, stream }),
    async settle(uplink: string, stream: Stream, pending: Pending) {
      await backend.call('settle', { uplink, stream, pending });
      flushLater();
    },
    quarantine: (entry) => backend.call('quarantine', entry),
    ledger: (sinceId = 0) => backend.call('ledger', sinceId),
    async keepUplinks(names, witnesses = names) {
      const forgotten = await backend.call('keepUplinks', { names, witnesses });
      flushLater();
      return forgotten;
    },
    states: () => backend.call('states', undefined),
    history: (query) => pageOf(backend, query),
    seek: (wallMs) => backend.call('seek', wallMs),
    rollups: (query) => rollupPageOf(backend, query),
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

function encodeBatch(batch: CommitBatch, bootId: string, encoder: RecordEncoder): EncodedCommit {
  return {
    readings: batch.records.length === 0 ? undefined : encodeReadings(batch.records, bootId, encoder),
    events: batch.events.length === 0 ? undefined : encodeJournal(batch.events),
    states: [...batch.states],
    dropped: batch.dropped,
    droppedEvents: batch.droppedEvents,
  };
}

function encodeJournal(events: readonly GatewayEvent[]): NonNullable<EncodedCommit['events']> {
  return { count: events.length, body: encodeEvents(events), chain: chainPlaces(events) };
}

function encodeReadings(
  records: readonly DeviceRecord[],
  bootId: string,
  encoder: RecordEncoder,
): NonNullable<EncodedCommit['readings']> {
  let minWallMs = Number.POSITIVE_INFINITY;
  let maxWallMs = Number.NEGATIVE_INFINITY;
  for (const { at } of records) {
    minWallMs = Math.min(minWallMs, at.wallMs);
    maxWallMs = Math.max(maxWallMs, at.wallMs);
  }
  return { count: records.length, minWallMs, maxWallMs, body: encoder.encode(records, bootId) };
}

/** Whole commits were read; gives what was asked for of the first and the last. */
function cut<T>(
  { from, next, pieces }: Pieces,
  offsets: readonly WallOffset[],
  decode: (body: Uint8Array, first: number, offsets: readonly WallOffset[]) => T[],
): T[] {
  return pieces.flatMap(({ first, body }) =>
    decode(body, first, offsets).slice(Math.max(0, from - first), Math.max(0, next - first)),
  );
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

/** Readings are counted by the minute up to a span of so many, two months; beyond it by two minutes, and so on. */
const MOST_COUNTED = 100_000;

/** Slices until all minutes are in; then they are brought to the length that is asked for. */
async function rollupPageOf(backend: Backend, { tag, fromMs, toMs, everyMs, limit }: RollupQuery): Promise<RollupPage> {
  if (!Number.isInteger(everyMs / MINUTE_MS) || everyMs <= 0)
    throw new RangeError(`roll-ups are made by the minute: ${everyMs} ms is not a whole number of minutes`);
  const startMs = Math.floor(fromMs / everyMs) * everyMs;
  const endMs = Math.min(startMs + limit * everyMs, Math.ceil(toMs / everyMs) * everyMs);
  const span = { first: startMs / MINUTE_MS, last: endMs / MINUTE_MS - 1 };
  const every = everyMs / MINUTE_MS;
  const cells = new Map<number, Cell>();
  const unit = Math.ceil((span.last - span.first + 1) / MOST_COUNTED);
  const counts = new Uint32Array(Math.ceil((span.last - span.first + 1) / unit));
  const bads = new Uint32Array(counts.length);
  let after: RollupCursor | undefined;
  do {
    const slice = await backend.call('rollups', { tag, span, every, after });
    for (let place = 0; place < cellsIn(slice); place++) {
      const cell = cellAt(slice, place);
      mergeInto(cells, cell.minute, cell);
    }
    const { counted } = slice;
    for (let at = 0; at < counted.length; at += RUN_WIDTH) {
      const [minute, length, count, bad] = [counted[at]!, counted[at + 1]!, counted[at + 2]!, counted[at + 3]!];
      for (let one = minute - span.first; one < minute - span.first + length; one++) {
        counts[Math.floor(one / unit)]! += count;
        bads[Math.floor(one / unit)]! += bad;
      }
    }
    after = slice.next;
  } while (after);
  const points = [...cells.values()].sort((a, b) => a.minute - b.minute).map(pointOf);
  return {
    points,
    counted: { firstMs: startMs, everyMs: unit * MINUTE_MS, counts, bads },
    next: endMs < toMs ? endMs : undefined,
  };
}

function pointOf({ minute, count, bad, min, max, sum, marks }: MinuteRollup): RollupPage['points'][number] {
  const [wallMs, mean] = [minute * MINUTE_MS, sum / count];
  if (count === 0) return marks === 0 ? { wallMs, count, bad } : { wallMs, count, bad, marks };
  return marks === 0 ? { wallMs, count, bad, min, max, mean } : { wallMs, count, bad, min, max, mean, marks };
}
