import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenSysfsLine, SysfsWorld } from '../../hal/gpio/sysfs.ts';
import type { ChipDouble, Wires } from './gpio-kernel.ts';

type Watcher = (error: Error | null, value: 0 | 1) => void;

/**
 * A tree of files as /sys/class/gpio has it, and lines that work on it as onoff's do. Levels are of the wire; the files
 * tell them through `active_low`, as the kernel's do.
 *
 * @param bases number of the first line of each chip
 */
export function gpioSysfsDouble(
  chips: readonly ChipDouble[],
  bases: readonly number[],
  nowMs: () => number,
): SysfsWorld & Wires & { remove(): void } {
  const root = mkdtempSync(join(tmpdir(), 'millgate-sysfs-'));
  const wires = new Map<number, 0 | 1>();
  const owners = new Map<number, string>();
  const watchers = new Map<number, Watcher>();
  let isPlugged = true;
  let isAllowed = true;

  const plug = (): void => {
    isPlugged = true;
    writeFileSync(join(root, 'export'), '');
    chips.forEach(({ label, lines, names }, index) => {
      const folder = join(root, `gpiochip${bases[index]}`);
      mkdirSync(join(folder, 'device', `gpiochip${index}`), { recursive: true });
      writeFileSync(join(folder, 'label'), `${label}\n`);
      writeFileSync(join(folder, 'base'), `${bases[index]}\n`);
      writeFileSync(join(folder, 'ngpio'), `${lines}\n`);
      if (!names) return;
      mkdirSync(join(folder, 'device', 'of_node'), { recursive: true });
      writeFileSync(join(folder, 'device', 'of_node', 'gpio-line-names'), `${names.join('\0')}\0`);
    });
  };
  plug();

  const fail = (code: string): never => {
    throw Object.assign(new Error(`${code}: gpio`), { code });
  };
  const folderOf = (number: number): string => join(root, `gpio${number}`);
  const isLow = (number: number): boolean => readFileSync(join(folderOf(number), 'active_low'), 'utf8') === '1';
  const levelOf = (number: number): 0 | 1 => (((wires.get(number) ?? 0) === 1) !== isLow(number) ? 1 : 0);
  const openLine: OpenSysfsLine = (number, direction, _edge, { activeLow }) => {
    if (!isAllowed) fail('EACCES');
    if (!isPlugged) fail('ENODEV');
    if (owners.has(number)) fail('EBUSY');
    mkdirSync(folderOf(number), { recursive: true });
    writeFileSync(join(folderOf(number), 'active_low'), activeLow ? '1' : '0');
    writeFileSync(join(folderOf(number), 'direction'), direction);
    if (direction !== 'in') wires.set(number, direction === 'high' ? 1 : 0);
    return {
      readSync: () => (isPlugged ? levelOf(number) : fail('ENODEV')),
      writeSync: (value) => {
        if (!isPlugged) fail('ENODEV');
        wires.set(number, (value === 1) !== isLow(number) ? 1 : 0);
      },
      watch: (callback) => watchers.set(number, callback as Watcher),
      unexport: () => {
        watchers.delete(number);
        rmSync(folderOf(number), { recursive: true, force: true });
      },
    };
  };
  const numberOf = (chip: number, offset: number): number => bases[chip]! + offset;
  const drive = (chip: number, offset: number, level: 0 | 1): void => {
    const number = numberOf(chip, offset);
    if (wires.get(number) === level) return;
    wires.set(number, level);
    watchers.get(number)?.(null, levelOf(number));
  };

  return {
    ...{ root, openLine, nowMs, drive, plug },
    ownerOf: (label, offset) =>
      owners.get(
        numberOf(
          chips.findIndex((chip) => chip.label === label),
          offset,
        ),
      ),
    toggle(chip, offset, count) {
      for (let index = 0; index < count; index++) drive(chip, offset, wires.get(numberOf(chip, offset)) === 1 ? 0 : 1);
    },
    level: (chip, offset) => wires.get(numberOf(chip, offset)) ?? 0,
    debounceUs: () => 0,
    flags: () => 0n,
    occupy(chip, offset, owner) {
      if (owner === undefined) owners.delete(numberOf(chip, offset));
      else owners.set(numberOf(chip, offset), owner);
    },
    unplug() {
      isPlugged = false;
      for (const base of bases) rmSync(join(root, `gpiochip${base}`), { recursive: true, force: true });
    },
    permit: (allowed) => {
      isAllowed = allowed;
    },
    held: () =>
      bases
        .flatMap((base, chip) => Array.from({ length: chips[chip]!.lines }, (_, at) => base + at))
        .filter((number) => existsSync(folderOf(number))).length,
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
