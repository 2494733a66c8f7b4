/** A pseudo terminal: a serial port of this machine whose other end is this program. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';

/** A serial port of this machine whose other end is this program. */
interface Pty {
  /** What a driver opens as its port. */
  readonly path: string;
  /** What cannot be taken at once is lost, as on a serial line that nobody reads. */
  write(bytes: Uint8Array): void;
  /** Takes the port away. Idempotent. */
  close(): void;
}

/** Enough for `struct termios` and for a path under /dev/pts on every Linux. */
const STRUCT_BYTES = 256;

/** tcsetattr(3): at once. */
const TCSANOW = 0;

/**
 * Makes a pseudo terminal, raw, and hands what is written to its port to `onBytes`. It takes koffi, because Node has no
 * call for it.
 *
 * @throws NotConnected when koffi does not load here, or the system gives none
 */
export async function openPty(onBytes: (bytes: Uint8Array) => void): Promise<Pty> {
  const { default: koffi } = await import('koffi').catch((error: unknown) => {
    throw new NotConnected(
      `a pseudo terminal needs the package "koffi", which does not load here (${messageOf(error)}). ` +
        'Install it with npm install koffi, or replay over TCP (without --pty).',
      { cause: error },
    );
  });
  const library = koffi.load(null);
  const call = (signature: string, ...values: unknown[]): void => {
    if (library.func(signature)(...values) === 0) return;
    throw new NotConnected(
      `the system gives no pseudo terminal (${signature}: error ${koffi.errno()}). Replay over TCP (without --pty).`,
    );
  };
  const master = openMaster();
  let port: number | undefined;
  try {
    const name = Buffer.alloc(STRUCT_BYTES);
    call('int grantpt(int fd)', master);
    call('int unlockpt(int fd)', master);
    call('int ptsname_r(int fd, void *name, size_t bytes)', master, name, name.length);
    const path = name.toString('latin1', 0, name.indexOf(0));
    // Held open: a terminal that nobody has open reads as an error on the other end.
    port = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    const settings = Buffer.alloc(STRUCT_BYTES);
    call('int tcgetattr(int fd, void *settings)', port, settings);
    library.func('void cfmakeraw(void *settings)')(settings);
    call('int tcsetattr(int fd, int when, void *settings)', port, TCSANOW, settings);
    return attended(master, port, path, onBytes);
  } catch (error) {
    if (port !== undefined) closeSync(port);
    closeSync(master);
    throw error;
  }
}

function openMaster(): number {
  try {
    return openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    throw new NotConnected(`/dev/ptmx: ${messageOf(error)}. Replay over TCP (without --pty).`, { cause: error });
  }
}

function attended(master: number, port: number, path: string, onBytes: (bytes: Uint8Array) => void): Pty {
  const stream = new ReadStream(master);
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    stream.destroy();
    closeSync(port);
  };
  stream.on('data', (bytes) => onBytes(bytes as unknown as Uint8Array));
  stream.on('error', close);
  return {
    path,
    write(bytes) {
      if (isClosed) return;
      try {
        writeSync(master, bytes);
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') close();
      }
    },
    close,
  };
}
