/** Looks at the device files that channels can be on, and who has them open. */
import type { DeviceFile, Devices, Process } from '../../doctor/facts.ts';
import { grabbersOf, groupName, holdersOf } from './doctor-processes.ts';
import type { Machine } from './read-machine.ts';

const BY_ID = '/dev/serial/by-id';

/** The device files of this machine that channels can be on. */
export function gatherDevices(machine: Machine): Devices {
  const byId = machine.names(BY_ID).map((name) => `${BY_ID}/${name}`);
  const named = (pattern: RegExp): string[] =>
    machine
      .names('/dev')
      .filter((name) => pattern.test(name))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .map((name) => `/dev/${name}`);
  const covered = new Set(byId.map((path) => machine.real(path)));
  const plain = named(/^tty(USB|ACM|AMA)\d+$/).filter((path) => !covered.has(path));
  return {
    serialPorts: [...byId, ...plain],
    i2cBuses: named(/^i2c-\d+$/),
    gpioChips: gatherFiles(machine, named(/^gpiochip\d+$/), []),
    hasGpioSysfs: machine.stat('/sys/class/gpio') !== undefined,
    grabbers: grabbersOf(machine),
  };
}

/**
 * Device files as they are seen, with the processes that have them open.
 *
 * @param gateways processes that are not told of as holders: the ports are for them
 */
export function gatherFiles(machine: Machine, paths: readonly string[], gateways: readonly number[]): DeviceFile[] {
  const real = new Map(paths.map((path) => [path, machine.real(path)]));
  const holders = holdersOf(
    machine,
    [...real.values()].filter((path) => path !== undefined),
  );
  const lasting = lastingNames(machine);
  return paths.map((path) => {
    const file = real.get(path);
    const stat = machine.stat(path);
    const isOther = ({ pid }: Process) => !gateways.includes(pid);
    return {
      path,
      real: file,
      access: stat && { uid: stat.uid, gid: stat.gid, group: groupName(machine, stat.gid), mode: stat.mode },
      holders: (file === undefined ? undefined : holders.get(file)?.filter(isOther)) ?? [],
      byId: file === undefined ? undefined : lasting.get(file),
      isIgnoredByModemManager: stat && isIgnored(machine, stat.rdev),
    };
  });
}

function lastingNames(machine: Machine): ReadonlyMap<string, string> {
  return new Map(
    machine.names(BY_ID).flatMap((name): [string, string][] => {
      const file = machine.real(`${BY_ID}/${name}`);
      return file === undefined ? [] : [[file, `${BY_ID}/${name}`]];
    }),
  );
}

/** What udev noted of a device, by its number as makedev(3) packs it. */
function isIgnored(machine: Machine, device: number): boolean | undefined {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  const noted = machine.text(`/run/udev/data/c${major}:${minor}`);
  return noted === undefined ? undefined : /^E:ID_MM_(DEVICE|PORT)_IGNORE=1$/m.test(noted);
}
