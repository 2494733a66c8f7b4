/** Faults that a technician can act on, and the exit codes they end a command with. */

/** Exit codes of the command line (sysexits.h where it has one). */
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 69, permission: 77, configInvalid: 78 } as const;

/** A process exit code. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * A foreseeable fault, never shown with a stack trace. It stays `{what, remedy, code}` from where it arises to the API and
 * the command line; `message` is both parts as one line.
 */
export class Fault extends Error {
  /** What is wrong and why, as `where: cause`, without the full stop at its end. */
  readonly what: string;
  /** What to do about it, as whole sentences; empty where another program's words, in `what`, already say it. */
  readonly remedy: string;
  /** The exit code of a command that ends with it. */
  readonly code: ExitCode;

  constructor(what: string, remedy: string, code: ExitCode = EXIT.failed, options?: ErrorOptions) {
    super(sentences(what, remedy), options);
    this.name = 'Fault';
    this.what = what;
    this.remedy = remedy;
    this.code = code;
  }
}

function sentences(what: string, remedy: string): string {
  if (remedy === '') return what;
  return /[.?!]$/.test(what) ? `${what} ${remedy}` : `${what}. ${remedy}`;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Node's error code (`ECONNREFUSED`, `EACCES`, …), if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** What a server says of a connection that the system did not give it, which it says once and outlives. */
export function notTaken(error: unknown): string {
  return `a connection could not be taken: ${messageOf(error)}. The gateway goes on; is the machine out of memory or of open files? This is said once.`;
}
