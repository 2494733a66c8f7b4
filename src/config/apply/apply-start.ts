/** What happens to configurations at a start: a trial that was cut off is rolled back, the rest is noted. */
import type { Clock } from '../../core/clock.ts';
import type { ConfigurationEntry, ConfigurationFiles } from '../../core/configuration.ts';
import { messageOf } from '../../core/errors.ts';
import type { EventBody } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import {
  type Archive,
  entered,
  installFiles,
  isInstalled,
  keepCopies,
  type Ledger,
  type Place,
  putAside,
  removeStaged,
  type Trial,
} from './archive.ts';
import { diskFault } from './durable.ts';

/** What applying needs before a gateway runs. */
interface StartParts {
  readonly archive: Archive;
  readonly place: Place;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the end of the last process left undone, and what was done about it. */
interface Recovery {
  /** To be put into the journal once there is one. */
  readonly events: readonly EventBody[];
  /** Set when the files on the disk are those of a rejected configuration and cannot be replaced: start with these. */
  readonly files: ConfigurationFiles | undefined;
}

const NOTHING: Recovery = { events: [], files: undefined };

/**
 * Ends a trial that the last process did not live to end: it is rolled back, unless it was kept already. To be called
 * before the configuration is loaded. Never throws for what the disk refuses.
 */
export async function recoverTrial(parts: StartParts): Promise<Recovery> {
  const { archive, place, log } = parts;
  const { trial } = archive.ledger();
  try {
    await removeStaged(place);
  } catch {
    // A folder that cannot be written has nothing of ours in it.
  }
  if (!trial) return NOTHING;
  const files = await archive.files(trial.hash);
  const before = await archive.files(trial.before);
  if (!files || !before) {
    log.error(`configuration ${trial.hash} was on trial, and its files are lost; going on with those on the disk`);
    return note(parts, trial, 'failed', 'its files were lost');
  }
  if (trial.how !== 'reload' && (trial.how === 'rollback' || (await isInstalled(place, files))))
    return finish(parts, trial, files, before);
  return undo(parts, trial, files, before);
}

/** A trial that was kept, or a rollback by hand: it is brought to its end. */
async function finish(
  parts: StartParts,
  trial: Trial,
  files: ConfigurationFiles,
  before: ConfigurationFiles,
): Promise<Recovery> {
  if (trial.how === 'apply') return note(parts, trial, 'kept', undefined);
  const rest = await replaced(parts, files, before);
  return { ...(await note(parts, trial, 'kept', undefined, trial.before)), files: rest };
}

async function undo(
  parts: StartParts,
  trial: Trial,
  files: ConfigurationFiles,
  before: ConfigurationFiles,
): Promise<Recovery> {
  // Only a reload begins with the new files in place; of an apply they come last.
  const isInPlace = trial.how === 'reload' && (await isInstalled(parts.place, files));
  if (wasTold(parts.archive.ledger(), trial) && !isInPlace) return forget(parts);
  const rest = isInPlace ? await replaced(parts, before, files, putAside) : undefined;
  const why = 'the gateway ended while it was on trial';
  parts.log.warn(`configuration ${trial.hash} is rolled back to ${trial.before}: ${why}`);
  // While the rejected file is in place the trial stays noted, for the next start to do the same.
  if (rest) return { events: [eventOf(trial, 'rolled-back', why)], files: rest };
  return note(parts, trial, 'rolled-back', why);
}

/** Whether a trial was rolled back already, and only its files could not be put aside then. */
function wasTold({ history }: Ledger, { hash, atMs }: Trial): boolean {
  return history.some((entry) => entry.hash === hash && entry.atMs === atMs && entry.outcome === 'rolled-back');
}

/** Somebody put the files right by hand meanwhile: there is nothing left to undo, and nothing new to tell. */
async function forget({ archive, log }: StartParts): Promise<Recovery> {
  const { trial: _trial, ...ledger } = archive.ledger();
  await archive.note(ledger).catch((error: unknown) => log.error(messageOf(error)));
  return NOTHING;
}

/** Replaces the files on the disk; gives those to start with when the disk refuses. */
async function replaced(
  { place, log }: StartParts,
  files: ConfigurationFiles,
  left: ConfigurationFiles,
  first: typeof putAside | undefined = undefined,
): Promise<ConfigurationFiles | undefined> {
  try {
    await first?.(place, left);
    const copies = await keepCopies(place, files, [left], 'edited');
    if (copies.length > 0) log.warn(`an edit by hand that was not in force is kept as ${copies.join(', ')}`);
    await installFiles(place, files, left);
    return undefined;
  } catch (error) {
    log.error(`${diskFault(place.file, error).message} Starting with the last good configuration out of the store.`);
    return files;
  }
}

async function note(
  { archive, log }: StartParts,
  trial: Trial,
  outcome: ConfigurationEntry['outcome'],
  why: string | undefined,
  bad?: string,
): Promise<Recovery> {
  const { hash, how, by, atMs, changes } = trial;
  const ledger = entered(archive.ledger(), { hash, how, by, atMs, outcome, why, changes });
  try {
    await archive.note({ ...ledger, good: ledger.good.filter((each) => each !== bad) });
  } catch (error) {
    log.error(`what became of configuration ${hash} could not be noted: ${messageOf(error)}`);
  }
  return { events: [eventOf(trial, outcome, why)], files: undefined };
}

function eventOf(
  { hash, before, by }: Trial,
  outcome: ConfigurationEntry['outcome'],
  why: string | undefined,
): EventBody {
  const what = outcome === 'kept' ? 'apply-kept' : 'apply-rolled-back';
  const message =
    outcome === 'kept' ? `configuration ${hash} is kept` : `configuration ${hash} was rolled back to ${before}: ${why}`;
  return { kind: 'audit', what, by, config: hash, message };
}

/**
 * Remembers the configuration that the gateway starts with as one that works, when it is not the latest one already.
 *
 * @returns what the journal should say: that it was changed while the gateway was stopped
 */
export async function noteStart(
  { archive, clock, log }: StartParts,
  hash: string,
  files: ConfigurationFiles,
): Promise<readonly EventBody[]> {
  const ledger = archive.ledger();
  const [latest] = ledger.history;
  const isInstalled = latest?.hash === hash && latest.outcome === 'installed';
  if (ledger.good[0] === hash && !isInstalled) return [];
  const by = isInstalled ? latest.by : 'start';
  const how = isInstalled ? 'install' : 'start';
  const entry: ConfigurationEntry = { hash, how, by, atMs: clock.wallMs(), outcome: 'kept', changes: [] };
  const changed = ledger.good.length > 0;
  try {
    await archive.keep(hash, files);
    await archive.note(
      isInstalled
        ? { ...ledger, history: [{ ...latest, outcome: 'kept' }, ...ledger.history.slice(1)] }
        : { ...entered(ledger, entry), ...(ledger.trial && { trial: ledger.trial }) },
    );
  } catch (error) {
    log.warn(`configuration ${hash} could not be kept for a rollback: ${diskFault('the store', error).message}`);
  }
  const message = `configuration ${hash} is in force since this start; it was changed while the gateway was stopped${isInstalled ? ` by ${by}` : ''}`;
  return changed ? [{ kind: 'audit', what: 'configuration-changed', by, config: hash, message }] : [];
}

/** A file put in place while no gateway runs. */
interface Installation {
  readonly hash: string;
  readonly files: ConfigurationFiles;
  /** What was there before, when that was a valid configuration. */
  readonly before: { readonly hash: string; readonly files: ConfigurationFiles } | undefined;
  readonly by: string;
  readonly changes: readonly string[];
}

/** Puts a checked configuration in place while no gateway runs; the one before is kept. Throws `Fault` when it may not. */
export async function installStopped(parts: StartParts, installation: Installation): Promise<void> {
  const { archive, place, clock } = parts;
  const { hash, files, before, by, changes } = installation;
  try {
    if (before) {
      await archive.keep(before.hash, before.files);
      const { good, ...rest } = archive.ledger();
      await archive.note({ ...rest, good: [before.hash, ...good.filter((each) => each !== before.hash)] });
    }
    // Last, as what nothing names yet is removed with every note.
    await archive.keep(hash, files);
  } catch (error) {
    throw diskFault('the folder of the store', error);
  }
  try {
    await installFiles(place, files, {});
  } catch (error) {
    throw diskFault(place.file, error);
  }
  const entry = { hash, how: 'install', by, atMs: clock.wallMs(), outcome: 'installed', changes } as const;
  try {
    await archive.note(entered(archive.ledger(), entry));
  } catch (error) {
    throw diskFault('the folder of the store', error);
  }
}
