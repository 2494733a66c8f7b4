/** Judges whether the ports of the channels are there and may be used. */
import type { ChannelFacts, DeviceFile, Devices, User } from './facts.ts';
import { type Found, listed } from './finding.ts';

/** Permission bits of reading and writing, for owner, group and others. */
const READ_WRITE = 6;

/** The group that usually owns each kind of device file, where the file itself does not say. */
const USUAL_GROUP = { serial: 'dialout', i2c: 'i2c', gpio: 'gpio' } as const;

/**
 * Whether a user may read and write a file by its owner, group and permission bits. Access lists are not looked at: with
 * one, the user may have more rights than this says.
 */
export function mayUse(user: User, access: NonNullable<DeviceFile['access']>): boolean {
  if (user.uid === 0) return true;
  const shift = user.uid === access.uid ? 6 : user.groups.includes(access.gid) ? 3 : 0;
  return ((access.mode >> shift) & READ_WRITE) === READ_WRITE;
}

/** Whether ports, buses and chips of the channels are there, and may be used by who runs the gateway. Pure. */
export function portFindings(channels: readonly ChannelFacts[], devices: Devices, user: User): Found[] {
  return channels.flatMap((channel) => {
    const { place } = channel;
    // A port that works needs no advice on rights and owners, only on its name.
    const works = channel.status?.state === 'connected';
    switch (place?.kind) {
      case 'serial':
        return works ? nameFindings(channel) : serialFindings(channel, devices, user);
      case 'i2c':
        return works ? [] : busFindings(channel, devices, user);
      case 'gpio':
        return gpioFindings(channel, place, devices, user);
      case 'tcp':
        return works ? [] : reachFindings(channel, place);
      default:
        return [];
    }
  });
}

function serialFindings(channel: ChannelFacts, devices: Devices, user: User): Found[] {
  const file = channel.file;
  if (!file) return [];
  if (!file.access) return [missing(channel, file, devices.serialPorts), ...grabbedFindings(channel, file, devices)];
  return [
    ...permissionFindings(channel.name, file, user, USUAL_GROUP.serial),
    ...holderFindings(channel, file),
    ...nameFindings(channel),
    ...grabbedFindings(channel, file, devices),
  ];
}

function missing({ name }: ChannelFacts, { path }: DeviceFile, there: readonly string[]): Found {
  const common = { severity: 'broken', step: 'port', where: name } as const;
  if (there.length === 0)
    return {
      ...common,
      cause: `${path} is not there, and neither is any other port of its kind`,
      remedy: 'Plug the adapter in, then see what the kernel says of it: sudo dmesg | tail -20',
    };
  return {
    ...common,
    cause: `${path} is not there`,
    remedy: `Plug the adapter in, or write the port that is meant: ${there.slice(0, 4).join(', ')}`,
  };
}

/** What to do about a file that its user may not open. */
function permissionFindings(where: string, file: DeviceFile, user: User, usualGroup: string): Found[] {
  const { access, path } = file;
  if (!access || mayUse(user, access)) return [];
  const group = access.group ?? `group ${access.gid}`;
  const mode = (access.mode & 0o777).toString(8);
  const groupMay = ((access.mode >> 3) & READ_WRITE) === READ_WRITE;
  const again = user.as === 'caller' ? 'then log in again' : 'then: sudo systemctl restart millgate';
  const remedy =
    groupMay && access.gid !== 0
      ? `sudo usermod -aG ${group} ${user.name}, ${again}`
      : `Give it a group that may use it, by a udev rule; until the next boot: sudo chgrp ${usualGroup} ${path} && sudo chmod 660 ${path}`;
  return [
    {
      severity: 'broken',
      step: 'permission',
      where,
      remedy,
      cause: `${path} belongs to group ${group} with mode ${mode}, and ${whose(user)} may not use it`,
    },
  ];
}

function whose({ as, name }: User): string {
  if (as === 'gateway') return `the gateway's user ${name}`;
  return as === 'service' ? `the service's user ${name}` : `this user, ${name},`;
}

function holderFindings({ name, status }: ChannelFacts, { path, holders }: DeviceFile): Found[] {
  if (holders.length === 0) return [];
  const who = holders.map(({ pid, command }) => `${command} (process ${pid})`);
  return [
    {
      severity: status ? 'broken' : 'warning',
      step: 'port',
      where: name,
      cause: `${path} is in use by ${listed(who)}`,
      remedy: `End it: sudo kill ${holders.map(({ pid }) => pid).join(' ')}; a service comes back unless it is stopped with systemctl`,
    },
  ];
}

/** A name that another adapter may have after the next boot. */
function nameFindings({ name, file }: ChannelFacts): Found[] {
  if (!file?.byId || !/^\/dev\/tty(USB|ACM)\d+$/.test(file.path)) return [];
  return [
    {
      severity: 'hint',
      step: 'port',
      where: name,
      cause: `${file.path} may be another adapter after the next boot or plug`,
      remedy: `Write the name that stays: port: ${file.byId}`,
    },
  ];
}

function grabbedFindings({ name, status }: ChannelFacts, file: DeviceFile, devices: Devices): Found[] {
  const isUsb = /tty(USB|ACM)|by-id\/usb-/.test(`${file.path} ${file.real ?? ''}`);
  if (!isUsb) return [];
  return devices.grabbers.flatMap(({ command, pid }): Found[] => {
    const common = { severity: status ? 'warning' : 'hint', step: 'port', where: name } as const;
    if (command === 'ModemManager' && !file.isIgnoredByModemManager)
      return [
        {
          ...common,
          cause: `ModemManager runs (process ${pid}) and may open ${file.path} to look for a modem`,
          remedy: 'sudo systemctl disable --now ModemManager, unless a modem is used',
        },
      ];
    if (command !== 'brltty' || file.access) return [];
    return [
      {
        ...common,
        cause: `brltty runs (process ${pid}); it takes some USB adapters (CH340, CP210x) for braille displays`,
        remedy: 'sudo apt remove brltty, then plug the adapter in again',
      },
    ];
  });
}

function busFindings(channel: ChannelFacts, { i2cBuses }: Devices, user: User): Found[] {
  const { file, name } = channel;
  if (!file) return [];
  if (file.access) return permissionFindings(name, file, user, USUAL_GROUP.i2c);
  const others = i2cBuses.length > 0;
  return [
    {
      severity: 'broken',
      step: 'port',
      where: name,
      cause: `${file.path} is not there${others ? `; there is ${listed(i2cBuses, 8)}` : ''}`,
      remedy: `${others ? 'Write the number of the bus that is meant, or: ' : ''}sudo modprobe i2c-dev; on a Raspberry Pi also: sudo raspi-config nonint do_i2c 0, then restart it`,
    },
  ];
}

type GpioPlace = Extract<ChannelFacts['place'], { kind: 'gpio' }>;

function gpioFindings(channel: ChannelFacts, place: GpioPlace, devices: Devices, user: User): Found[] {
  const { gpioChips, hasGpioSysfs } = devices;
  const where = channel.name;
  if (gpioChips.length === 0 && !(hasGpioSysfs && place.backend !== 'chardev'))
    return [
      {
        severity: 'broken',
        step: 'port',
        where,
        cause: `there is no GPIO chip: no /dev/gpiochip* ${hasGpioSysfs ? 'for backend: chardev' : 'and no /sys/class/gpio'}`,
        remedy: 'See what the kernel has: ls /dev/gpiochip*; sudo dmesg | grep -i gpio',
      },
    ];
  const denied = gpioChips.filter(({ access }) => access && !mayUse(user, access));
  if (denied.length > 0 && denied.length === gpioChips.length && place.backend !== 'sysfs')
    return permissionFindings(where, denied[0]!, user, USUAL_GROUP.gpio);
  if (gpioChips.length > 0 && place.backend !== 'sysfs') return [];
  return [
    {
      severity: 'hint',
      step: 'port',
      where,
      cause:
        place.backend === 'sysfs'
          ? 'the file asks for sysfs: edges faster than the gateway looks are merged'
          : 'this kernel has no /dev/gpiochip*, so sysfs is used: edges faster than the gateway looks are merged',
      remedy:
        place.backend === 'sysfs'
          ? 'Write backend: auto, unless this kernel is older than Linux 5.10'
          : 'Use a kernel with the GPIO character device (Linux 5.10 or later): uname -r shows this one',
    },
  ];
}

function reachFindings({ name, reach }: ChannelFacts, place: { host: string; port: number }): Found[] {
  if (!reach || reach.ok) return [];
  const isThere = reach.detail.startsWith('refuses');
  return [
    {
      severity: 'broken',
      step: 'port',
      where: name,
      cause: `${place.host}:${place.port} ${reach.detail}`,
      remedy: isThere
        ? `Switch Modbus TCP on in the device, or write the port it listens on: nc -vz ${place.host} ${place.port}`
        : `Check its power, its cable and its address: ping -c 3 ${place.host}`,
    },
  ];
}
