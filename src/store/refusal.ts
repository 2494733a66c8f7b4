import { messageOf } from '../core/errors.ts';

function errorCode(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '');
}

/** Whether the disk has no room; SQLite says so of its shared memory in words of its own. */
export function isFull(error: unknown): boolean {
  return /^(SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/.test(errorCode(error));
}

/** Whether the disk refused, as against a fault of the program. */
export function isRefusal(error: unknown): boolean {
  return /^(SQLITE_(FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|BUSY|PERM)|E(NOSPC|DQUOT|IO|ROFS|ACCES|NOENT|PERM|MFILE))/.test(
    errorCode(error),
  );
}

/** What the disk said of the store in `path`, and what to do. */
export function troubleText(path: string, error: unknown): string {
  const code = errorCode(error);
  const what = `store ${path}: ${messageOf(error)} (${code}).`;
  if (isFull(error)) return `${what} The disk is full and nothing of the store is left to give up: free space on it.`;
  if (/READONLY|EROFS|PERM|EACCES/.test(code))
    return `${what} The disk became read-only or its rights changed: check dmesg, then mount -o remount,rw.`;
  return `${what} Readings are held in memory and the commit is tried again: check the disk (dmesg, smartctl).`;
}
