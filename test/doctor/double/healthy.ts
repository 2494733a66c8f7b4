import type { DeviceStatus } from '../../../src/api/view.ts';
import type { ChannelFacts, Facts, RunningFacts, User } from '../../../src/doctor/facts.ts';
import { SIX, STATUS } from '../../double/fake-gateway.ts';

/** The service's user, in the groups of ports (20), GPIO (997) and I²C (998). */
export const USER: User = { name: 'millgate', uid: 990, groups: [990, 20, 997, 998], as: 'gateway' };

/** A device that answered all of its thousand requests. */
export function device(name: string, over: Partial<DeviceStatus> = {}): DeviceStatus {
  return {
    ...{ name, state: 'online', sinceMs: undefined, reason: undefined, tags: 4, good: 4, uncertain: 0, bad: 0 },
    ...{ requests: 1000, timeouts: 0, garbled: 0, lateReplies: 0, exceptions: 0, exceptionCodes: {} },
    ...{ responseMsP50: 12, responseMsP95: 20, responseMsMax: 30, timeoutMs: 300, busyMs: 25_000 },
    ...over,
  };
}

/** A serial line with units 3 and 7, connected for an hour. */
export function line(
  devices: readonly DeviceStatus[],
  over: Partial<NonNullable<ChannelFacts['status']>> = {},
): ChannelFacts {
  return {
    ...{ name: 'line-a', driver: 'modbus-rtu', place: { kind: 'serial', path: '/dev/ttyUSB0' } },
    file: {
      path: '/dev/serial/by-id/usb-FTDI_A10',
      real: '/dev/ttyUSB0',
      access: { uid: 0, gid: 20, group: 'dialout', mode: 0o20660 },
      ...{ holders: [], byId: '/dev/serial/by-id/usb-FTDI_A10', isIgnoredByModemManager: undefined },
    },
    reach: undefined,
    devices: devices.map(({ name }) => ({
      name,
      station: { text: `unit ${/\d+$/.exec(name)?.[0] ?? 1}`, timeoutMs: 300 },
    })),
    status: {
      ...{ name: 'line-a', driver: 'modbus-rtu', simulated: false, state: 'connected', reason: undefined },
      ...{ sinceMs: SIX - 3_600_000, scans: 3600, skipped: 0, utilisation: 0.3, plannedUtilisation: 0.3 },
      ...{ busyMs: 100_000, reconnects: 0, unsolicitedBytes: 0, echoes: 0, devices },
      ...over,
    },
    slowest: [{ text: 'unit 3 holding:100…125', lineMs: 48, tags: ['press-3/oil-temp', 'press-3/pressure'] }],
    advice: undefined,
  };
}

/** What a gateway says that runs with these channels, delivers everything and has lost nothing. */
export function running(channels: readonly ChannelFacts[], over: Partial<RunningFacts> = {}): RunningFacts {
  return {
    status: {
      ...STATUS,
      channels: channels.flatMap(({ status }) => status ?? []),
      store: { ...STATUS.store, ledger: [], losses: [] },
      uplinks: STATUS.uplinks.map((uplink) => ({
        ...uplink,
        ...{ state: 'connected', reason: undefined, pendingRecords: 5, sessions: 1 },
      })),
    },
    ...{ before: undefined, isWatched: false, tags: [], addresses: new Map(), ledger: [] },
    ...over,
  };
}

/** A gateway on which nothing is wrong. */
export function healthy(over: Partial<Facts> = {}): Facts {
  const channels = over.channels ?? [line([device('press-3'), device('press-7')])];
  return {
    ...{ nowMs: SIX, invocation: 'millgate', version: STATUS.version, user: USER, channels },
    configuration: {
      ...{ file: STATUS.config.file, isThere: true, isValid: true, errors: 0, firstError: undefined, warnings: [] },
      ...{ hash: STATUS.config.hash, timezone: 'Europe/London', openSecrets: [] },
    },
    ...{ running: running(channels), silence: undefined, otherGateways: [] },
    devices: { serialPorts: [], i2cBuses: [], gpioChips: [], hasGpioSysfs: false, grabbers: [] },
    disk: {
      ...{ path: '/var/lib/millgate', maxBytes: 2e9, isThere: true, freeBytes: 20e9, totalBytes: 32e9 },
      ...{ freeInodes: 1e6, totalInodes: 2e6, isReadOnly: false, mountPoint: '/', device: '/dev/mmcblk0p2' },
      access: { uid: 990, gid: 990, group: 'millgate', mode: 0o40750 },
      ...{ writtenBytesPerDay: 600e6, outageDays: 120, commitEveryMs: 1000 },
      ...{ status: undefined, ledger: [], trouble: undefined, unseen: undefined },
    },
    machine: {
      ...{ isClockSynchronized: true, isTimeServiceOn: true, timezone: 'Europe/London', throttled: 0 },
      ...{ memoryBytes: 4e9, availableMemoryBytes: 3e9 },
    },
    service: {
      ...{ isInstalled: true, isActive: true, isEnabled: true, type: 'notify', restarts: 0 },
      ...{ result: 'success', hasWatchdog: true, writable: ['/etc/millgate'] },
    },
    brokers: [
      { uplink: 'plant', address: 'broker.plant.lan:8883', asked: 'connection', trouble: undefined, certificates: [] },
    ],
    ...over,
  };
}
