/** The few system calls that the GPIO character device needs. */
import { closeSync, constants, openSync, readdirSync } from 'node:fs';

/** The few system calls the character device needs. A call that fails answers -1 and `errno` says why, as in C. */
export interface GpioKernel {
  /** Paths of the chips, `/dev/gpiochip0`, …; empty where the kernel has no character device. */
  chipPaths(): readonly string[];
  /** Opens a chip; throws Node's error (`EACCES`, `ENOENT`, …). */
  open(path: string): number;
  ioctl(fd: number, request: number, argument: Buffer): number;
  /** Reads what is there; never waits once {@link setNonBlocking} was called. */
  read(fd: number, into: Buffer): number;
  setNonBlocking(fd: number): void;
  close(fd: number): void;
  /** Of the last call that failed. */
  errno(): number;
  /** CLOCK_MONOTONIC, ms: what the kernel stamps edges with. */
  nowMs(): number;
}

/** Linux error numbers, the same on every machine Node runs on. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  ENXIO: 6,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  ENODEV: 19,
  EINVAL: 22,
  ENOTTY: 25,
  EOPNOTSUPP: 95,
} as const;

const F_GETFL = 3;
const F_SETFL = 4;

/** The kernel of this machine through `koffi`. Rejects when koffi cannot be loaded. */
export async function linuxKernel(): Promise<GpioKernel> {
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const ioctl = library.func('int ioctl(int fd, unsigned long request, void *argument)');
  const read = library.func('long read(int fd, void *into, unsigned long length)');
  const fcntl = library.func('int fcntl(int fd, int command, int argument)');
  return {
    chipPaths: () => {
      const names = readdirSync('/dev').filter((name) => /^gpiochip\d+$/.test(name));
      return names.map((name) => `/dev/${name}`).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    },
    open: (path) => openSync(path, constants.O_RDWR),
    ioctl: (fd, request, argument) => ioctl(fd, request, argument),
    read: (fd, into) => Number(read(fd, into, into.length)),
    setNonBlocking: (fd) => {
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | constants.O_NONBLOCK);
    },
    close: (fd) => closeSync(fd),
    errno: () => koffi.errno(),
    nowMs: () => Number(process.hrtime.bigint()) / 1e6,
  };
}
