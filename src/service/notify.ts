/** Speaks to the service manager by the protocol of sd_notify. */
import { execFile } from 'node:child_process';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

/** Tells the service manager how the program is, by the protocol of sd_notify(3). */
export interface Notifier {
  /** Sends assignments, one a line: `READY=1`, `STATUS=…`, `WATCHDOG=1`. Never throws, never waits. */
  tell(assignments: string): void;
  /** How long systemd waits for a `WATCHDOG=1` before it ends the program, ms; undefined where it does not. */
  readonly watchdogMs: number | undefined;
}

/** Nobody listens: the program was not started by systemd, or not as `Type=notify`. */
const NOBODY: Notifier = { tell: () => {}, watchdogMs: undefined };

/** How long the `systemd-notify` program may take, ms. */
const PROGRAM_DEADLINE_MS = 5000;

/** Linux's numbers, the same on every architecture the gateway is built for. */
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;

/** Longest address of a socket, with its ending zero: `sun_path` of unix(7). */
const LONGEST_PATH = 108;

/**
 * The service manager named by `NOTIFY_SOCKET`: through a socket where `koffi` can be loaded, as Node has no datagram
 * sockets of this kind, else through the program `systemd-notify`.
 *
 * @param pid this process: a watchdog that was meant for another is left alone
 */
export async function createNotifier(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
  log: Logger,
): Promise<Notifier> {
  const socket = environment.NOTIFY_SOCKET;
  if (!socket) return NOBODY;
  const watchdogMs = watchdogOf(environment, pid);
  const problem = addressProblem(socket);
  if (problem !== undefined) {
    log.warn(`service manager: NOTIFY_SOCKET ${socket} ${problem}; it is not told that the gateway runs`);
    return { ...NOBODY, watchdogMs };
  }
  try {
    return { tell: await socketSender(socketAddress(socket), log), watchdogMs };
  } catch (error) {
    log.warn(`service manager: koffi cannot be loaded (${messageOf(error)}); systemd-notify is used instead`);
    return { tell: programSender(log), watchdogMs };
  }
}

/** `WATCHDOG_USEC` in ms, unless `WATCHDOG_PID` says that it is meant for another process; see sd_watchdog_enabled(3). */
function watchdogOf(environment: Readonly<Record<string, string | undefined>>, pid: number): number | undefined {
  const usec = Number(environment.WATCHDOG_USEC);
  if (!Number.isFinite(usec) || usec <= 0) return undefined;
  if (environment.WATCHDOG_PID && environment.WATCHDOG_PID !== String(pid)) return undefined;
  return usec / 1000;
}

function addressProblem(path: string): string | undefined {
  if (!path.startsWith('/') && !path.startsWith('@')) return 'is neither a path nor an abstract name';
  return Buffer.byteLength(path) >= LONGEST_PATH ? 'is too long' : undefined;
}

/** `struct sockaddr_un`: an abstract name is written with `@` and begins with a zero. */
export function socketAddress(path: string): Buffer {
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = AF_UNIX;
  const name = Buffer.from(path);
  if (path.startsWith('@')) name[0] = 0;
  return Buffer.concat([family, name, Buffer.alloc(path.startsWith('@') ? 0 : 1)]);
}

async function socketSender(address: Buffer, log: Logger): Promise<Notifier['tell']> {
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const sendto = library.func(
    'long sendto(int fd, void *data, unsigned long length, int flags, void *address, unsigned int addressLength)',
  );
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw new Error(`no socket could be made (errno ${koffi.errno()})`);
  return (assignments) => {
    const data = Buffer.from(assignments);
    if (Number(sendto(fd, data, data.length, MSG_DONTWAIT_NOSIGNAL, address, address.length)) < 0)
      log.debug(`service manager: could not be told ${firstLine(assignments)} (errno ${koffi.errno()})`);
  };
}

function programSender(log: Logger): Notifier['tell'] {
  return (assignments) => {
    execFile('systemd-notify', assignments.split('\n'), { timeout: PROGRAM_DEADLINE_MS }, (error) => {
      if (error) log.warn(`service manager: systemd-notify failed: ${messageOf(error)}`);
    });
  };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
