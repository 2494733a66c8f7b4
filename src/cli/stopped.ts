/** Opens the store of a gateway that does not run: for reading, or to put an event into its journal. */
import { statSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { instantOf } from '../core/clock.ts';
import { codeOf, Fault, messageOf } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import type { StoreReader } from '../store/inspect.ts';
import { type CliContext, warn } from './terminal/context.ts';
import { plain } from './terminal/format.ts';

/** The store of a gateway that does not run, for reading. Throws `Fault` with exit 69 when it is held by one. */
export async function openStopped(config: Config, context: CliContext): Promise<StoreReader> {
  const { openStoreForReading } = await import('../store/inspect.ts');
  const uplinks = config.uplinks.map(({ name }) => name);
  return openStoreForReading({ ...(await storeOptions(config, context)), uplinks });
}

async function storeOptions(config: Config, context: CliContext) {
  const { createLogger } = await import('../core/log.ts');
  const { path, maxBytes, replayMs } = config.store;
  const log = createLogger(context.clock, (line) => warn(context, [line]));
  return { path, maxBytes, replayMs, clock: context.clock, log };
}

/**
 * Opens the journal of a gateway that does not run; none can start with this store until it is closed. An event is on the
 * disk when `event` resolves, and the next gateway delivers it. Where this user may not write the store, or the disk
 * refuses, what is not on record is told on standard error instead.
 *
 * @throws Fault 69 when another process holds the store
 */
export async function openJournal(config: Config, context: CliContext) {
  const { openLocalStore } = await import('../store/thread/open.ts');
  const { clock } = context;
  const options = await storeOptions(config, context);
  const asOwner = ownerOf(config.store.path);
  const lost = (error: unknown): void =>
    warn(context, [`millgate: warning: this write is not in the journal: ${plain(messageOf(error))}`]);
  try {
    const store = await asOwner(() => openLocalStore(options));
    return {
      async event(body: EventBody) {
        const event = { ...instantOf(clock), clockKnown: clock.known(), body };
        await asOwner(() => store.commit({ records: [], events: [event], states: new Map() })).catch(lost);
      },
      close: () => asOwner(() => store.close()),
    };
  } catch (error) {
    if (!(error instanceof Fault) || codeOf(error.cause)?.startsWith('SQLITE_BUSY')) throw error;
    return { event: async (_: EventBody) => lost(error), close: async () => {} };
  }
}

/** Works on a folder so that the files made in it belong to its owner: root may write there, but the service has to. */
function ownerOf(folder: string): <T>(work: () => Promise<T>) => Promise<T> {
  const { geteuid, seteuid, setegid } = process;
  const owner = statSync(folder, { throwIfNoEntry: false });
  if (!owner || !seteuid || !setegid || geteuid?.() !== 0) return (work) => work();
  return async (work) => {
    setegid(owner.gid);
    seteuid(owner.uid);
    try {
      return await work();
    } finally {
      seteuid(0);
      setegid(0);
    }
  };
}
