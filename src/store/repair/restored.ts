/** Recognises a store that was put back from a backup or copied to another machine. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeWhole } from '../../core/file-system.ts';
import type { GoOn } from '../index/numbers.ts';

/** Names the machine that the store was last opened on. */
const HOME = 'machine';

/** Made by whoever puts a backup back. */
const MARKER = 'restored';

/**
 * How many numbers are passed over after a backup was put back: those that the store had given since then, of which it
 * knows nothing. A thousand records a second for thirty years; nine thousand such jumps fit into a number.
 */
export const RESTORED_JUMP = 1_000_000_000_000;

/** Whose the store is, as far as it can be told; undefined where machines have no name that lasts. */
export type Machine = string | undefined;

/**
 * This machine, from machine-id(5), hashed as its manual asks. A name that is made anew at each start, which systemd lays
 * over the file where the file system is read-only, says nothing.
 */
export function machineOf(file = '/etc/machine-id'): Machine {
  try {
    if (statSync(file).dev !== statSync(dirname(file)).dev) return undefined;
    const id = readFileSync(file, 'utf8').trim();
    return /^[0-9a-f]{32}$/.test(id) ? createHash('sha256').update(`millgate ${id}`).digest('hex') : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Why the store may be an old copy of itself, so that numbers after its last were given already; undefined when it is
 * not: it says so itself with a file `restored`, or it comes from another machine.
 */
export function restoredBecause(folder: string, machine: Machine): string | undefined {
  if (existsSync(join(folder, MARKER))) return 'a backup was put back';
  const home = join(folder, HOME);
  if (machine === undefined || !existsSync(home)) return undefined;
  return readFileSync(home, 'utf8').trim() === machine ? undefined : 'the store comes from another machine';
}

/** Goes on where no number was given before. */
export function pastRestored(found: GoOn, why: string): GoOn {
  const next = found.next + RESTORED_JUMP;
  const detail = `${why}: numbers go on past any that were given after it was copied`;
  return { ...found, next, skipped: [...found.skipped, { from: found.next, to: next }], detail };
}

/** Makes the store this machine's own; called once the jump is entered. */
export function settleIn(folder: string, machine: Machine): void {
  const home = join(folder, HOME);
  if (machine !== undefined && !(existsSync(home) && readFileSync(home, 'utf8').trim() === machine))
    writeWhole(home, `${machine}\n`, { mode: 0o640 });
  rmSync(join(folder, MARKER), { force: true });
}
