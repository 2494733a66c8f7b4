/** Keeps the configurations that were in force, and the one on trial, in the folder of the store. */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import type { ConfigurationEntry, ConfigurationFiles } from '../../core/configuration.ts';
import { Fault } from '../../core/errors.ts';
import { mainName } from '../file/disk-files.ts';
import { type Disk, readFault, stagedName, writeAtomically } from './durable.ts';

/** Where configurations are kept, in the folder of a store. */
export function archiveFolder(storePath: string): string {
  return join(storePath, 'configurations');
}

/** How many configurations are remembered. */
const MAX_HISTORY = 20;

/** How many words of changes an entry of the history keeps. */
export const MAX_CHANGES = 20;

const entrySchema = lazily(() =>
  z.object({
    hash: z.string(),
    how: z.enum(['start', 'apply', 'reload', 'rollback', 'install']),
    by: z.string(),
    atMs: z.number(),
    outcome: z.enum(['kept', 'rolled-back', 'failed', 'installed']),
    why: z.string().optional(),
    changes: z.array(z.string()),
  }),
);

const trialSchema = lazily(() =>
  z.object({
    hash: z.string(),
    /** Hash of the configuration that was in force before. */
    before: z.string(),
    how: z.enum(['apply', 'reload', 'rollback']),
    by: z.string(),
    atMs: z.number(),
    changes: z.array(z.string()),
  }),
);

const ledgerSchema = lazily(() =>
  z.object({
    version: z.literal(1),
    /** Hashes of configurations that worked, the latest first. */
    good: z.array(z.string()),
    /** What is tried now, and was not kept yet. */
    trial: trialSchema().optional(),
    /** Newest first. */
    history: z.array(entrySchema()),
  }),
);

/** A configuration on trial. */
export type Trial = Readonly<z.infer<ReturnType<typeof trialSchema>>>;

/** What is remembered of configurations. */
export type Ledger = Readonly<z.infer<ReturnType<typeof ledgerSchema>>>;

const EMPTY: Ledger = { version: 1, good: [], history: [] };

/** Configurations that were in force, in the folder of the store, with what is tried now. */
export interface Archive {
  ledger(): Ledger;
  /** The files of a configuration; undefined when they are not kept any more. */
  files(hash: string): Promise<ConfigurationFiles | undefined>;
  /** Keeps the files of a configuration. */
  keep(hash: string, files: ConfigurationFiles): Promise<void>;
  /** Remembers this from now on, in one step; files that nothing names any more go. */
  note(ledger: Ledger): Promise<void>;
}

/**
 * Opens the archive in a folder, which is made when something is kept. A ledger that cannot be read is as good as none:
 * it only remembers.
 */
export async function openArchive(folder: string, disk: Disk): Promise<Archive> {
  const ledgerFile = join(folder, 'ledger.json');
  const fileOf = (hash: string): string => join(folder, `${hash}.files.json`);
  const text = await disk.read(ledgerFile).catch((error: unknown) => {
    throw readFault(folder, error);
  });
  let ledger = parsedLedger(text);

  const write = async (path: string, content: unknown): Promise<void> => {
    await disk.makeFolder(folder);
    await disk.syncFolder(dirname(folder));
    await writeAtomically(disk, path, `${JSON.stringify(content, undefined, 1)}\n`);
  };

  const prune = async (): Promise<void> => {
    const named = new Set([...ledger.good, ...ledger.history.map(({ hash }) => hash)]);
    if (ledger.trial) for (const hash of [ledger.trial.hash, ledger.trial.before]) named.add(hash);
    for (const name of await disk.list(folder)) {
      const hash = /^([0-9a-f]+)\.files\.json(?:\.new)?$/.exec(name)?.[1];
      if (hash !== undefined && !named.has(hash)) await disk.remove(join(folder, name));
    }
  };

  return {
    ledger: () => ledger,
    async files(hash) {
      const text = await disk.read(fileOf(hash));
      return text === undefined ? undefined : parsedFiles(text);
    },
    async keep(hash, files) {
      if ((await disk.read(fileOf(hash))) === undefined) await write(fileOf(hash), files);
    },
    async note(next) {
      const bounded = { ...next, good: next.good.slice(0, MAX_HISTORY), history: next.history.slice(0, MAX_HISTORY) };
      await write(ledgerFile, bounded);
      ledger = bounded;
      await prune();
    },
  };
}

function parsedLedger(text: string | undefined): Ledger {
  if (text === undefined) return EMPTY;
  try {
    const read = ledgerSchema().safeParse(JSON.parse(text));
    return read.success ? read.data : EMPTY;
  } catch {
    return EMPTY;
  }
}

function parsedFiles(text: string): ConfigurationFiles | undefined {
  try {
    const read = z.record(z.string(), z.string()).safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}

/** The ledger with another entry, and without a trial. A configuration that was kept is the latest good one. */
export function entered(ledger: Ledger, entry: ConfigurationEntry): Ledger {
  const { trial: _trial, ...rest } = ledger;
  const isGood = entry.outcome === 'kept' || entry.outcome === 'installed';
  const good = isGood ? [entry.hash, ...ledger.good.filter((hash) => hash !== entry.hash)] : ledger.good;
  return { ...rest, good, history: [{ ...entry, changes: [...entry.changes] }, ...ledger.history] };
}

/** The files of a configuration as they are on the disk, by name from the folder of the main file. */
export interface Place {
  /** The main file, absolute. */
  readonly file: string;
  readonly disk: Disk;
}

/**
 * Makes the files on the disk those of a configuration, one after the other, each whole. What `left` has in `conf.d` and
 * the configuration has not is set aside as `NAME.rejected`.
 *
 * @param left the configuration that is left
 */
export async function installFiles(
  { file, disk }: Place,
  files: ConfigurationFiles,
  left: ConfigurationFiles,
): Promise<void> {
  const folder = dirname(file);
  for (const name of Object.keys(left)) {
    const path = join(folder, name);
    if (!name.startsWith('conf.d/') || files[name] !== undefined || (await disk.read(path)) === undefined) continue;
    await disk.rename(path, `${path}.rejected`);
    await disk.syncFolder(dirname(path));
  }
  // The main file last: once it is there, all is.
  const main = mainName(file);
  for (const name of [...Object.keys(files).filter((each) => each !== main), main]) {
    const text = files[name];
    const path = join(folder, name);
    if (text === undefined || (await disk.read(path)) === text) continue;
    await disk.makeFolder(dirname(path));
    await writeAtomically(disk, path, text);
  }
}

/** Keeps the main file of a rejected configuration beside the one in force; its name. */
export async function putAside({ file, disk }: Place, rejected: ConfigurationFiles): Promise<string> {
  const aside = `${file}.rejected`;
  await writeAtomically(disk, aside, rejected[mainName(file)]!);
  return aside;
}

/** How many copies of one file are kept beside it. */
const MAX_COPIES = 20;

/**
 * Copies files beside themselves, as `NAME.edited` or `NAME.replaced` (then `.2`, `.3` …), before others take their
 * place, where else nobody would have their text any more.
 *
 * @param next what takes their place
 * @param known configurations whose texts are kept elsewhere
 * @returns the copies, absolute
 * @throws Fault when there are 20 copies already
 */
export async function keepCopies(
  { file, disk }: Place,
  next: ConfigurationFiles,
  known: readonly ConfigurationFiles[],
  suffix: 'edited' | 'replaced',
): Promise<readonly string[]> {
  const copies: string[] = [];
  for (const name of Object.keys(next)) {
    const path = join(dirname(file), name);
    const text = await disk.read(path);
    if (text === undefined || [next, ...known].some((files) => files[name] === text)) continue;
    copies.push(await copyOf(disk, `${path}.${suffix}`, text));
  }
  return copies;
}

async function copyOf(disk: Disk, first: string, text: string): Promise<string> {
  for (let number = 1; number <= MAX_COPIES; number++) {
    const copy = number === 1 ? first : `${first}.${number}`;
    const there = await disk.read(copy);
    if (there === undefined) await writeAtomically(disk, copy, text);
    if (there === undefined || there === text) return copy;
  }
  throw new Fault(
    `${first}: there are ${MAX_COPIES} copies already`,
    'Move those away that nobody needs, then try again.',
  );
}

/** Removes what an interrupted writer left beside the main file. */
export async function removeStaged({ file, disk }: Place): Promise<void> {
  await disk.remove(stagedName(await disk.realPath(file)));
}

/** Whether the main file on the disk is that of a configuration. */
export async function isInstalled({ file, disk }: Place, files: ConfigurationFiles): Promise<boolean> {
  return (await disk.read(file)) === files[mainName(file)];
}
