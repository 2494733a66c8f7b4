/** Answers questions about the store of a stopped gateway, changing nothing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, EXIT, Fault, messageOf } from '../core/errors.ts';
import { openForReading, sizeOf } from './format/disk.ts';
import { refuseIfHeld } from './format/lock.ts';
import { isDamage, openSegment } from './format/segment.ts';
import { createCatalog, emptyInfo, listSegmentFiles, parseSegmentFile } from './index/catalog.ts';
import { ledgerPage } from './index/ledger.ts';
import type { Meta } from './index/meta.ts';
import { readMeta } from './index/meta.ts';
import { goOnFrom } from './index/numbers.ts';
import type { Backend, CallName, Calls } from './protocol.ts';
import { history, seek } from './read/history.ts';
import { DamagedSegment, peek } from './read/read.ts';
import { statusOf } from './read/status.ts';
import { indexedIn, infoIn, memoryOf, type Scanned, scan, withoutLeftovers } from './repair/scan.ts';
import { Merging } from './rollup/rollup.ts';
import { openRollups } from './rollup/rollup-files.ts';
import type { Store } from './store.ts';
import type { StoreOptions } from './thread/client.ts';
import { storeOn } from './thread/client.ts';
import type { House } from './write/rotate.ts';

/** What can be asked of a store without holding it. */
export type StoreReader = Pick<
  Store,
  'epoch' | 'peek' | 'peekEvents' | 'ledger' | 'states' | 'history' | 'seek' | 'rollups' | 'status' | 'close'
>;

type Reading = { [Name in CallName]?: (ask: Calls[Name]['ask']) => Calls[Name]['answer'] };

/**
 * Opens the store of a stopped gateway for reading: nothing in the folder is repaired or changed. What a crash left is
 * seen as it is, so that numbers may be unexplained that the next start enters in the ledger.
 *
 * @param options.uplinks the uplinks of the configuration
 * @throws Fault 69 when a process holds the store or it cannot be read, 77 when this user may not read it
 */
export function openStoreForReading(options: StoreOptions & { readonly uplinks: readonly string[] }): StoreReader {
  refuseIfHeld(options.path);
  const { house, next } = guarded(options.path, () => readHouse(options));
  const rollups = openRollups(options.path, openForReading, options.maxBytes, (name) => {
    options.log.warn(`store: ${name} is damaged. The gateway makes it again when it starts.`);
  });
  const reading: Reading = {
    peek: ({ stream, from, limit }) => peek(house, stream, from, limit),
    history: (query) => history(house, query),
    ledger: (sinceId) => ledgerPage(house.meta.ledger(), sinceId),
    seek: (wallMs) => seek(house, wallMs),
    rollups: ({ tag, span, every, after }) => {
      const merging = new Merging(span, every);
      const next = rollups.slice(tag, span, merging, after);
      return { ...merging.merged(), next };
    },
    states: () => new Map(house.memory.states),
    status: () => ({
      ...statusOf(house, next),
      commits: 0,
      bytesWritten: 0,
      lastCommitMs: undefined,
      trouble: undefined,
    }),
  };
  const call: Backend['call'] = async (name, ask) => {
    const answer = reading[name];
    if (!answer)
      throw new Fault(
        `store ${options.path}: it is open for reading only`,
        'Start the gateway to change it.',
        EXIT.failed,
      );
    return guarded(options.path, () => answer(ask));
  };
  const close = async (): Promise<void> => {
    house.catalog.close();
    rollups.close();
    house.meta.close();
  };
  return storeOn({ epoch: house.meta.epoch, offsets: house.meta.offsets(), call, close }, options);
}

function readHouse(options: StoreOptions & { readonly uplinks: readonly string[] }) {
  const { path: folder, maxBytes, log } = options;
  const file = join(folder, 'meta.db');
  if (!existsSync(file))
    throw new Fault(`store ${folder}: there is no store in it`, 'Check store.path.', EXIT.unavailable);
  const meta = readMeta(file, openForReading(file));
  const { scans, isEndUnknown } = scanReadable(folder, meta, (text) => log.warn(text));
  const kept = withoutLeftovers(folder, scans, openForReading);
  const infos = kept.map(({ info }) => info);
  const catalog = createCatalog(folder, infos, openForReading);
  const house: House = {
    folder,
    maxBytes,
    meta,
    catalog,
    open: openForReading,
    segmentBytes: 0,
    replayMs: 0,
    writer: undefined,
    memory: memoryOf(folder, kept, openForReading),
    uplinks: options.uplinks,
    witnesses: undefined,
    cursorsChanged: false,
    notice: () => {},
  };
  const indexed = indexedIn(meta);
  const next = {
    readings: goOnFrom(meta, 'readings', catalog.stored('readings'), !isEndUnknown, indexed.readings).next,
    events: goOnFrom(meta, 'events', catalog.stored('events'), !isEndUnknown, indexed.events).next,
  };
  return { house, next };
}

/** Every segment that can be read; of others at most what the index says is known. */
function scanReadable(
  folder: string,
  meta: Meta,
  warn: (text: string) => void,
): { scans: Scanned[]; isEndUnknown: boolean } {
  const index = meta.segments();
  let isEndUnknown = false;
  const scans = listSegmentFiles(folder).flatMap((file): Scanned[] => {
    const path = join(folder, file);
    const known = infoIn(index.get(file));
    if (known && known.bytes === sizeOf(path)) return [{ info: known, notes: undefined, isEndKnown: true }];
    try {
      const segment = openSegment(path, openForReading(path));
      try {
        const bounds = segment.bounds();
        const { kind, id } = parseSegmentFile(file)!;
        if (!bounds) return [];
        const scanned = scan(segment, emptyInfo(kind, id, bounds.first));
        scanned.info.bytes = sizeOf(path);
        return [{ ...scanned, isEndKnown: true }];
      } finally {
        segment.close();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      isEndUnknown ||= !known || existsSync(`${path}-wal`);
      warn(`store: ${file} is damaged (${messageOf(error)}). The gateway saves what can be saved when it starts.`);
      return [];
    }
  });
  return { scans, isEndUnknown };
}

/** Runs `work`; what the disk or damage refuses is said with what to do. */
function guarded<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const code = codeOf(error) ?? '';
    if (/EACCES|EPERM|SQLITE_(CANTOPEN|READONLY|PERM)/.test(code))
      throw new Fault(
        `store ${folder}: ${messageOf(error)}`,
        'This user may not read it: use sudo -u millgate, or join its group.',
        EXIT.permission,
        { cause: error },
      );
    if (error instanceof DamagedSegment || isDamage(error))
      throw new Fault(
        `store ${folder}: ${messageOf(error)}`,
        'Start the gateway: it saves what can be saved and enters the rest.',
        EXIT.unavailable,
        { cause: error },
      );
    throw error;
  }
}
