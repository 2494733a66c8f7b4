/** Lines of the old sysfs interface, through onoff. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import {
  deniedMessage,
  EDGE_BUFFER,
  type Edge,
  type GpioChip,
  type GpioPort,
  LineFault,
  type LineSetup,
  type OpenLine,
} from './port.ts';

/** The part of an onoff line that is used. */
interface SysfsLine {
  readSync(): 0 | 1;
  writeSync(value: 0 | 1): void;
  watch(callback: (error: Error | null | undefined, value: 0 | 1) => void): void;
  unexport(): void;
}

/** Makes a line of a sysfs number; the constructor of onoff's `Gpio`. Throws Node's errors. */
export type OpenSysfsLine = (
  number: number,
  direction: 'in' | 'high' | 'low',
  edge: 'none' | 'both',
  options: { activeLow: boolean; debounceTimeout: number },
) => SysfsLine;

/** The world of the sysfs port. */
export interface SysfsWorld {
  /** `/sys/class/gpio`. */
  readonly root: string;
  readonly openLine: OpenSysfsLine;
  readonly nowMs: () => number;
  /** Who has a line, where that can be told. */
  readonly ownerOf?: (label: string, offset: number) => string | undefined;
}

/** A chip with the number its first line has in sysfs. */
type SysfsChip = GpioChip & { readonly base: number };

/** Where the kernel keeps the interface. */
export const SYSFS_ROOT = '/sys/class/gpio';

/** sysfs of this machine through `onoff`. Rejects when onoff cannot be loaded. */
export async function onoffWorld(ownerOf: SysfsWorld['ownerOf']): Promise<SysfsWorld> {
  const { Gpio } = await import('onoff');
  return {
    root: SYSFS_ROOT,
    openLine: (number, direction, edge, options) => new Gpio(number, direction, edge, options),
    nowMs: () => Number(process.hrtime.bigint()) / 1e6,
    ownerOf,
  };
}

/**
 * The old interface of the kernel. It has no pull resistors, no time stamps and no numbers on edges: stamps are taken
 * when the edge is seen, and of lost edges only those can be told that left the level as it was.
 */
export function sysfsPort(world: SysfsWorld): GpioPort {
  return {
    backend: 'sysfs',
    nowMs: world.nowMs,
    chips: () => sysfsChips(world.root),
    open(chip, offset, setup) {
      const base = (chip as SysfsChip).base;
      const name = `line ${offset} of ${chip.label} (sysfs number ${base + offset})`;
      const impossible = impossibleOf(setup);
      if (impossible) throw new LineFault('unsupported', `${name}: sysfs cannot set ${impossible}`);
      try {
        accessSync(join(world.root, 'export'), constants.W_OK);
        return watched(world, base + offset, setup, name);
      } catch (error) {
        throw refusal(world, error, chip, offset, name);
      }
    },
  };
}

/** The chips below `root`, each with its base as the kernel says it: it is 0, 512 or anything else. */
function sysfsChips(root: string): SysfsChip[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => /^gpiochip\d+$/.test(name))
    .map((name): SysfsChip => {
      const folder = join(root, name);
      const text = (file: string): string => readFileSync(join(folder, file), 'utf8').trim();
      return {
        name: deviceName(folder) ?? name,
        label: text('label'),
        lines: Number(text('ngpio')),
        base: Number(text('base')),
        lineNames: lineNames(folder),
      };
    })
    .sort((a, b) => a.base - b.base);
}

/** What the character device calls the chip: `gpiochip0`, while sysfs counts by base. */
function deviceName(folder: string): string | undefined {
  const device = join(folder, 'device');
  if (!existsSync(device)) return undefined;
  const own = basename(realpathSync(device));
  if (/^gpiochip\d+$/.test(own)) return own;
  const names = readdirSync(device).filter((name) => /^gpiochip\d+$/.test(name));
  return names.length === 1 ? names[0] : undefined;
}

/** Names of the lines from the device tree, which sysfs itself does not tell. */
function lineNames(folder: string): string[] {
  const file = join(folder, 'device', 'of_node', 'gpio-line-names');
  return existsSync(file) ? readFileSync(file, 'utf8').replace(/\0$/, '').split('\0') : [];
}

/** What of a setup sysfs has no file for; with the remedy. */
function impossibleOf(setup: LineSetup): string | undefined {
  if (setup.direction === 'output')
    return setup.drive === 'push-pull' ? undefined : `drive: ${setup.drive}. Use backend: chardev`;
  if (setup.bias === 'as-is') return undefined;
  return `bias: ${setup.bias}. Use backend: chardev, or a resistor on the line and leave bias out`;
}

function refusal(world: SysfsWorld, error: unknown, chip: GpioChip, offset: number, name: string): LineFault {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM')
    return new LineFault('denied', deniedMessage(`${name}, by ${world.root}`), { cause: error });
  if (code === 'EBUSY') {
    const owner = world.ownerOf?.(chip.label, offset);
    const who = owner === undefined ? 'somebody: sudo cat /sys/kernel/debug/gpio names it' : `"${owner}"`;
    const remedy = 'Stop that program or driver, or use another line';
    return new LineFault('busy', `${name} is in use by ${who}. ${remedy}`, { cause: error });
  }
  if (code === 'ENOENT') {
    return new LineFault('unsupported', `${name}: ${messageOf(error)}. This line or kernel does not offer it`, {
      cause: error,
    });
  }
  return new LineFault('unsupported', `${name}: ${messageOf(error)}. Try backend: chardev`, { cause: error });
}

function watched(world: SysfsWorld, number: number, setup: LineSetup, name: string): OpenLine {
  const isInput = setup.direction === 'input';
  const hasEdges = isInput && setup.edges !== 'none';
  const debounceMs = isInput ? Math.ceil(setup.debounceUs / 1000) : 0;
  // `direction` takes the level of the wire, whatever the polarity is.
  const direction = isInput ? 'in' : setup.initial !== setup.activeLow ? 'high' : 'low';
  const line = world.openLine(number, direction, hasEdges ? 'both' : 'none', {
    activeLow: setup.activeLow,
    debounceTimeout: debounceMs,
  });
  let isOpen = true;
  let queue: Edge[] = [];
  let level = line.readSync();
  if (hasEdges)
    line.watch((error, value) => {
      if (error) return;
      const isSame = value === level;
      // Debounced, the level may well be what it was; otherwise it went there and back unseen.
      if (isSame && debounceMs > 0) return;
      level = value;
      queue.push({ active: value === 1, stampMs: world.nowMs(), missed: isSame ? 1 : 0 });
      if (queue.length > EDGE_BUFFER) dropOldest(queue);
    });
  return {
    edges: hasEdges ? 'both' : 'none',
    value: () => present(name, () => line.readSync() === 1),
    set: (active) => present(name, () => line.writeSync(active ? 1 : 0)),
    drain() {
      const edges = queue;
      queue = [];
      return edges;
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      line.unexport();
    },
  };
}

/** An access to a line that was there before: what fails now is that its chip is not. */
function present<T>(name: string, access: () => T): T {
  try {
    return access();
  } catch (error) {
    const message = `${name}: ${messageOf(error)}. Is its chip still plugged in?`;
    throw new LineFault('gone', message, { cause: error });
  }
}

/** Forgets the oldest edge, and says so on the next. */
function dropOldest(queue: Edge[]): void {
  const dropped = queue.shift();
  const next = queue[0];
  if (dropped && next) queue[0] = { ...next, missed: next.missed + dropped.missed + 1 };
}
