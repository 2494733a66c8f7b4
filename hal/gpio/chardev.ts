/** Lines of the GPIO character device, and who holds a line that is not free. */
import { codeOf, messageOf } from '../../src/core/errors.ts';
import {
  decodeChipInfo,
  decodeLineEvents,
  decodeLineInfo,
  decodeLineValue,
  encodeLineInfo,
  encodeLineRequest,
  encodeLineValue,
  IOCTL,
  lineRequestFd,
  missedBetween,
  SIZE,
} from './abi.ts';
import { ERRNO, type GpioKernel } from './kernel.ts';
import {
  consumerOf,
  deniedMessage,
  EDGE_BUFFER,
  type Edge,
  type Edges,
  type GpioChip,
  type GpioPort,
  LineFault,
  type LineSetup,
  type OpenLine,
} from './port.ts';

/** The GPIO character device, v2. Each line is a request of its own, so that each has its own buffer of edges. */
export function chardevPort(kernel: GpioKernel): GpioPort {
  return {
    backend: 'chardev',
    nowMs: () => kernel.nowMs(),
    chips() {
      const chips: GpioChip[] = [];
      let denied: LineFault | undefined;
      for (const path of kernel.chipPaths()) {
        try {
          chips.push(withChip(kernel, path, (fd) => chipOf(kernel, fd)));
        } catch (error) {
          if (!(error instanceof LineFault)) throw error;
          if (error.trouble === 'denied') denied = error;
          else if (error.trouble !== 'gone') throw error;
        }
      }
      if (chips.length === 0 && denied) throw denied;
      return chips;
    },
    open(chip, offset, setup) {
      const request = encodeLineRequest(offset, setup, consumerOf(chip, offset));
      return withChip(kernel, `/dev/${chip.name}`, (fd) => {
        if (kernel.ioctl(fd, IOCTL.takeLine, request) < 0) throw refusal(kernel, fd, chip, offset, setup);
        return lineOn(kernel, lineRequestFd(request), setup, chip, offset);
      });
    },
  };
}

/** Whether this kernel has chips with the second version of their interface (Linux 5.10). */
export function hasChardev(kernel: GpioKernel): boolean {
  const [path] = kernel.chipPaths();
  if (path === undefined) return false;
  try {
    return withChip(kernel, path, (fd) => {
      if (kernel.ioctl(fd, IOCTL.lineInfo, encodeLineInfo(0)) >= 0) return true;
      return kernel.errno() !== ERRNO.EINVAL && kernel.errno() !== ERRNO.ENOTTY;
    });
  } catch (error) {
    // A chip that may not be opened is a chip: what is missing is the permission, which opening it will tell.
    return error instanceof LineFault && error.trouble === 'denied';
  }
}

/** Who has a line, by the character device; undefined when nobody has, or it cannot be told. */
export function ownerOf(kernel: GpioKernel, label: string, offset: number): string | undefined {
  for (const path of kernel.chipPaths()) {
    try {
      const owner = withChip(kernel, path, (fd) =>
        chipOf(kernel, fd, false).label === label ? ownerOn(kernel, fd, offset) : undefined,
      );
      if (owner !== undefined) return owner;
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
    }
  }
  return undefined;
}

function withChip<T>(kernel: GpioKernel, path: string, use: (fd: number) => T): T {
  let fd: number;
  try {
    fd = kernel.open(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EACCES' || code === 'EPERM') throw new LineFault('denied', deniedMessage(path), { cause: error });
    throw new LineFault('gone', `${path}: ${messageOf(error)}. Is the chip still there? gpiodetect lists them`, {
      cause: error,
    });
  }
  try {
    return use(fd);
  } finally {
    kernel.close(fd);
  }
}

function chipOf(kernel: GpioKernel, fd: number, withNames = true): GpioChip {
  const info = Buffer.alloc(SIZE.chipInfo);
  if (kernel.ioctl(fd, IOCTL.chipInfo, info) < 0)
    throw new LineFault('gone', `the GPIO chip does not answer (errno ${kernel.errno()}). Was it unplugged?`);
  const { name, label, lines } = decodeChipInfo(info);
  const lineNames = Array.from({ length: withNames ? lines : 0 }, (_, offset) => {
    const line = encodeLineInfo(offset);
    return kernel.ioctl(fd, IOCTL.lineInfo, line) < 0 ? '' : decodeLineInfo(line).name;
  });
  return { name, label, lines, lineNames };
}

function ownerOn(kernel: GpioKernel, fd: number, offset: number): string | undefined {
  const info = encodeLineInfo(offset);
  if (kernel.ioctl(fd, IOCTL.lineInfo, info) < 0) return undefined;
  const { consumer, isUsed } = decodeLineInfo(info);
  return isUsed ? consumer || 'a program that gave no name' : undefined;
}

/** Why the kernel did not give us a line. */
function refusal(kernel: GpioKernel, fd: number, chip: GpioChip, offset: number, setup: LineSetup): LineFault {
  const errno = kernel.errno();
  const line = `line ${offset} of ${chip.label}`;
  if (errno === ERRNO.EBUSY) {
    const owner = ownerOn(kernel, fd, offset) ?? 'somebody who has just given it back';
    return new LineFault('busy', `${line} is in use by "${owner}". Stop that program or driver, or use another line`);
  }
  if (errno === ERRNO.EPERM || errno === ERRNO.EACCES) return new LineFault('denied', deniedMessage(line));
  if (errno === ERRNO.ENODEV) return new LineFault('gone', `${chip.label} is gone. Plug it in again`);
  const isEdge = setup.direction === 'input' && setup.edges !== 'none';
  const cause =
    isEdge && (errno === ERRNO.ENXIO || errno === ERRNO.EINVAL || errno === ERRNO.EOPNOTSUPP)
      ? 'this chip cannot report edges of it. Use a line of the processor itself'
      : `the kernel refuses these settings (errno ${errno}). Leave out bias, drive and debounce one by one`;
  return new LineFault('unsupported', `${line}: ${cause}`);
}

function lineOn(kernel: GpioKernel, fd: number, setup: LineSetup, chip: GpioChip, offset: number): OpenLine {
  const name = `line ${offset} of ${chip.label}`;
  const edges: Edges = setup.direction === 'input' ? setup.edges : 'none';
  kernel.setNonBlocking(fd);
  const buffer = Buffer.alloc(SIZE.lineEvent * EDGE_BUFFER);
  let isOpen = true;
  let sequence = 0;
  const check = (answer: number, what: string): number => {
    if (answer >= 0) return answer;
    throw new LineFault('gone', `${name} cannot be ${what} (errno ${kernel.errno()}). Is its chip still plugged in?`);
  };
  return {
    edges,
    value() {
      const values = encodeLineValue(false);
      check(kernel.ioctl(fd, IOCTL.getValues, values), 'read');
      return decodeLineValue(values);
    },
    set(active) {
      check(kernel.ioctl(fd, IOCTL.setValues, encodeLineValue(active)), 'set');
    },
    drain() {
      const length = kernel.read(fd, buffer);
      if (length < 0) {
        const errno = kernel.errno();
        if (errno !== ERRNO.EAGAIN && errno !== ERRNO.EINTR) check(length, 'watched');
      }
      return decodeLineEvents(buffer, Math.max(0, length)).map(({ active, stampMs, lineSequence }): Edge => {
        const missed = missedBetween(sequence, lineSequence);
        sequence = lineSequence;
        return { active, stampMs, missed };
      });
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      kernel.close(fd);
    },
  };
}
