/** Exit codes of the command line (sysexits.h where it has one). */
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 69, permission: 77, configInvalid: 78 } as const;

/** A process exit code. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * A foreseeable fault: shown to the technician as one line, `message`, never with a stack trace.
 * Write the message as `what: cause. Remedy.`
 */
export class Fault extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Fault';
    this.exitCode = exitCode;
  }
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
