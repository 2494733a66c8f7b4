import { ERRNO, type GpioKernel } from '../../hal/gpio/kernel.ts';

/** A chip of the double; `names` are of its first lines. */
export interface ChipDouble {
  readonly label: string;
  readonly lines: number;
  readonly names?: readonly string[];
}

interface Line {
  level: 0 | 1;
  owner: string | undefined;
  flags: bigint;
  debounceUs: number;
  events: Buffer[];
  sequence: number;
}

/** What a test does to the wires, and sees of them. Levels are of the wire, not of its meaning. */
export interface Wires {
  /** Changes an input. */
  drive(chip: number, offset: number, level: 0 | 1): void;
  /** Edges that overtake each other: `count` changes, as fast as `everyMs`. */
  toggle(chip: number, offset: number, count: number, everyMs?: number): void;
  level(chip: number, offset: number): 0 | 1;
  debounceUs(chip: number, offset: number): number;
  flags(chip: number, offset: number): bigint;
  /** Somebody else takes a line. */
  occupy(chip: number, offset: number, owner: string | undefined): void;
  /** Takes every chip away. */
  unplug(): void;
  plug(): void;
  /** Whether this user may open chips. */
  permit(allowed: boolean): void;
  /** Lines that are held. */
  held(): number;
}

const QUEUE = 1024;

/**
 * The GPIO character device in memory, at the level of its bytes: an ioctl gets the structures of <linux/gpio.h>, and
 * the offsets here are read off that header, not off our code.
 *
 * @param nowMs the kernel's monotonic clock
 */
export function gpioKernelDouble(chips: readonly ChipDouble[], nowMs: () => number): GpioKernel & Wires {
  const world = chips.map(({ lines }) => Array.from({ length: lines }, newLine));
  const files = new Map<number, { readonly chip: number; readonly line: number | undefined }>();
  let nextFd = 100;
  let errno = 0;
  let isPlugged = true;
  let isAllowed = true;

  const fail = (code: number): number => {
    errno = code;
    return -1;
  };
  const lineOf = (fd: number): Line => {
    const { chip, line } = files.get(fd)!;
    return world[chip]![line!]!;
  };
  const isActive = (line: Line): boolean => (line.level === 1) !== ((line.flags & 2n) !== 0n);
  const change = (line: Line, level: 0 | 1, offset: number, stampMs: number): void => {
    if (line.level === level) return;
    line.level = level;
    const active = isActive(line);
    if ((line.flags & (active ? 16n : 32n)) === 0n) return;
    const event = Buffer.alloc(48);
    event.writeBigUInt64LE(BigInt(Math.round(stampMs * 1e6)), 0);
    event.writeUInt32LE(active ? 1 : 2, 8);
    event.writeUInt32LE(offset, 12);
    line.sequence = (line.sequence + 1) >>> 0;
    event.writeUInt32LE(line.sequence, 16);
    event.writeUInt32LE(line.sequence, 20);
    line.events.push(event);
    if (line.events.length > QUEUE) line.events.shift();
  };
  const takeLine = (chip: number, request: Buffer): number => {
    const offset = request.readUInt32LE(0);
    const line = world[chip]![offset];
    if (!line || request.readUInt32LE(560) !== 1) return fail(ERRNO.EINVAL);
    if (line.owner !== undefined) return fail(ERRNO.EBUSY);
    line.owner = request.toString('latin1', 256, request.indexOf(0, 256));
    line.flags = request.readBigUInt64LE(288);
    line.debounceUs = 0;
    for (let index = 0; index < request.readUInt32LE(296); index++) {
      const at = 320 + 24 * index;
      if (request.readUInt32LE(at) === 3) line.debounceUs = request.readUInt32LE(at + 8);
      if (request.readUInt32LE(at) === 2) {
        const active = (request.readBigUInt64LE(at + 8) & 1n) === 1n;
        line.level = active !== ((line.flags & 2n) !== 0n) ? 1 : 0;
      }
    }
    const fd = nextFd++;
    files.set(fd, { chip, line: offset });
    request.writeInt32LE(fd, 588);
    return 0;
  };
  const ioctl = (fd: number, request: number, argument: Buffer): number => {
    const file = files.get(fd);
    if (!file || !isPlugged) return fail(ERRNO.ENODEV);
    const chip = chips[file.chip]!;
    if (request === 0x8044b401) {
      argument.write(`gpiochip${file.chip}\0`, 0, 'latin1');
      argument.write(`${chip.label}\0`, 32, 'latin1');
      argument.writeUInt32LE(chip.lines, 64);
      return 0;
    }
    if (request === 0xc100b405) {
      const offset = argument.readUInt32LE(64);
      const line = world[file.chip]![offset];
      if (!line) return fail(ERRNO.EINVAL);
      argument.write(`${chip.names?.[offset] ?? ''}\0`, 0, 'latin1');
      argument.write(`${line.owner ?? ''}\0`, 32, 'latin1');
      argument.writeBigUInt64LE(line.flags | (line.owner === undefined ? 0n : 1n), 72);
      return 0;
    }
    if (request === 0xc250b407) return takeLine(file.chip, argument);
    const line = lineOf(fd);
    if (request === 0xc010b40e) {
      argument.writeBigUInt64LE(isActive(line) ? 1n : 0n, 0);
      return 0;
    }
    if (request !== 0xc010b40f || (line.flags & 8n) === 0n) return fail(ERRNO.EINVAL);
    line.level = ((argument.readBigUInt64LE(0) & 1n) === 1n) !== ((line.flags & 2n) !== 0n) ? 1 : 0;
    return 0;
  };

  return {
    chipPaths: () => (isPlugged ? chips.map((_, index) => `/dev/gpiochip${index}`) : []),
    open(path) {
      const code = isAllowed ? (isPlugged ? undefined : 'ENOENT') : 'EACCES';
      if (code) throw Object.assign(new Error(`${code}: open '${path}'`), { code });
      files.set(nextFd, { chip: Number(path.slice('/dev/gpiochip'.length)), line: undefined });
      return nextFd++;
    },
    ioctl,
    read(fd, into) {
      if (!isPlugged) return fail(ERRNO.ENODEV);
      const events = lineOf(fd).events.splice(0, Math.floor(into.length / 48));
      return events.length === 0 ? fail(ERRNO.EAGAIN) : Buffer.concat(events).copy(into);
    },
    setNonBlocking: () => {},
    close(fd) {
      const file = files.get(fd);
      if (file?.line !== undefined) world[file.chip]![file.line] = { ...newLine(), level: lineOf(fd).level };
      files.delete(fd);
    },
    errno: () => errno,
    nowMs,
    drive: (chip, offset, level) => change(world[chip]![offset]!, level, offset, nowMs()),
    toggle(chip, offset, count, everyMs = 0) {
      const line = world[chip]![offset]!;
      for (let index = 0; index < count; index++)
        change(line, line.level === 1 ? 0 : 1, offset, nowMs() - everyMs * (count - 1 - index));
    },
    level: (chip, offset) => world[chip]![offset]!.level,
    debounceUs: (chip, offset) => world[chip]![offset]!.debounceUs,
    flags: (chip, offset) => world[chip]![offset]!.flags,
    occupy: (chip, offset, owner) => {
      world[chip]![offset]!.owner = owner;
    },
    unplug: () => {
      isPlugged = false;
    },
    plug: () => {
      isPlugged = true;
    },
    permit: (allowed) => {
      isAllowed = allowed;
    },
    held: () => [...files.values()].filter(({ line }) => line !== undefined).length,
  };
}

function newLine(): Line {
  return { level: 0, owner: undefined, flags: 0n, debounceUs: 0, events: [], sequence: 0 };
}
