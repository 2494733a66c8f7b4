import { describe, expect, it } from 'vitest';
import type { ChannelFacts, DeviceFile, Devices, User } from '../../src/doctor/facts.ts';
import { mayUse, portFindings } from '../../src/doctor/ports.ts';
import { line, USER } from './double/healthy.ts';

const NONE: Devices = { serialPorts: [], i2cBuses: [], gpioChips: [], hasGpioSysfs: false, grabbers: [] };
const BY_ID = '/dev/serial/by-id/usb-FTDI_A10';

const PORT: DeviceFile = {
  ...{ path: '/dev/ttyUSB0', real: '/dev/ttyUSB0', holders: [], byId: undefined, isIgnoredByModemManager: undefined },
  access: { uid: 0, gid: 20, group: 'dialout', mode: 0o20660 },
};

/** What is found of one channel that is not connected. */
function found(
  file: Partial<DeviceFile> | undefined,
  {
    channel = {},
    devices = {},
    user = USER,
  }: { channel?: Partial<ChannelFacts>; devices?: Partial<Devices>; user?: User } = {},
): string[] {
  const { status, ...stopped } = line([]);
  const own = file && { ...PORT, ...file };
  const findings = portFindings(
    [{ ...stopped, status: undefined, file: own, ...channel }],
    { ...NONE, ...devices },
    user,
  );
  return findings.map(({ severity, where, cause, remedy }) => `${severity} ${where}: ${cause} → ${remedy}`);
}

describe('a serial port', () => {
  it('that is there and may be used is not worth a word', () => {
    expect(found({})).toEqual([]);
  });

  it('that is not there names those that are', () => {
    expect(found({ access: undefined, real: undefined }, { devices: { serialPorts: [BY_ID] } })).toEqual([
      `broken line-a: /dev/ttyUSB0 is not there → Plug the adapter in, or write the port that is meant: ${BY_ID}`,
    ]);
    expect(found({ access: undefined, real: undefined })[0]).toContain('sudo dmesg | tail -20');
  });

  it.each([
    [
      'gateway',
      "the gateway's user millgate",
      'sudo usermod -aG dialout millgate, then: sudo systemctl restart millgate',
    ],
    [
      'service',
      "the service's user millgate",
      'sudo usermod -aG dialout millgate, then: sudo systemctl restart millgate',
    ],
    ['caller', 'this user, millgate,', 'sudo usermod -aG dialout millgate, then log in again'],
  ] as const)('that the %s may not use names group and command', (as, who, remedy) => {
    expect(found({}, { user: { ...USER, groups: [990], as } })).toEqual([
      `broken line-a: /dev/ttyUSB0 belongs to group dialout with mode 660, and ${who} may not use it → ${remedy}`,
    ]);
  });

  it('whose group may not use it either needs a rule, not a group', () => {
    const access = { uid: 0, gid: 0, group: 'root', mode: 0o20600 };
    expect(found({ access })[0]).toMatch(/mode 600.* → Give it a group that may use it, by a udev rule/);
  });

  it('that another program has open names it', () => {
    expect(found({ holders: [{ pid: 812, command: 'minicom' }] })[0]).toMatch(
      /^warning line-a: \/dev\/ttyUSB0 is in use by minicom \(process 812\) → End it: sudo kill 812/,
    );
  });

  it('with a name that does not last gets one that does', () => {
    expect(found({ byId: BY_ID })).toEqual([
      `hint line-a: /dev/ttyUSB0 may be another adapter after the next boot or plug → Write the name that stays: port: ${BY_ID}`,
    ]);
    expect(found({ path: BY_ID, byId: BY_ID })).toEqual([]);
  });

  it('may be grabbed by ModemManager, unless udev says no', () => {
    const devices = { grabbers: [{ pid: 5, command: 'ModemManager' }] };
    expect(found({}, { devices })[0]).toMatch(
      /^hint .*ModemManager runs .* → sudo systemctl disable --now ModemManager/,
    );
    expect(found({ isIgnoredByModemManager: true }, { devices })).toEqual([]);
    expect(found({ path: '/dev/ttyAMA0', real: '/dev/ttyAMA0' }, { devices })).toEqual([]);
  });

  it('that is missing may have been taken by brltty', () => {
    const devices = { grabbers: [{ pid: 5, command: 'brltty' }] };
    expect(found({ access: undefined }, { devices })[1]).toMatch(/^hint .*brltty runs .* → sudo apt remove brltty/);
    expect(found({}, { devices })).toEqual([]);
  });

  it('that works gets advice on its name only', () => {
    const { status } = line([]);
    const findings = found({ byId: BY_ID, holders: [{ pid: 1, command: 'x' }] }, { channel: { status } });
    expect(findings).toEqual([expect.stringMatching(/^hint .*Write the name that stays/)]);
  });
});

describe('other places', () => {
  const bus = { place: { kind: 'i2c', path: '/dev/i2c-1' } } as const;

  it('an I²C bus that is not there', () => {
    const file = { path: '/dev/i2c-1', access: undefined };
    expect(found(file, { channel: bus })[0]).toMatch(
      /^broken line-a: \/dev\/i2c-1 is not there → sudo modprobe i2c-dev/,
    );
    expect(found(file, { channel: bus, devices: { i2cBuses: ['/dev/i2c-0'] } })[0]).toContain(
      '; there is /dev/i2c-0 → Write the number',
    );
  });

  it('an I²C bus without the right to it', () => {
    const access = { uid: 0, gid: 998, group: 'i2c', mode: 0o20660 };
    const user = { ...USER, groups: [990] };
    expect(found({ path: '/dev/i2c-1', access }, { channel: bus, user })[0]).toContain('sudo usermod -aG i2c millgate');
  });

  const pins = (backend: 'auto' | 'chardev' | 'sysfs') => ({ place: { kind: 'gpio', chip: 'auto', backend } }) as const;
  const chip: DeviceFile = {
    ...PORT,
    path: '/dev/gpiochip0',
    access: { uid: 0, gid: 997, group: 'gpio', mode: 0o20660 },
  };

  it('GPIO by the character device, which needs no advice', () => {
    expect(found(undefined, { channel: pins('auto'), devices: { gpioChips: [chip] } })).toEqual([]);
  });

  it.each([
    ['without chips', pins('auto'), {}, /^broken .*no \/dev\/gpiochip\* and no \/sys\/class\/gpio/],
    ['asked for a character device', pins('chardev'), { hasGpioSysfs: true }, /^broken .*for backend: chardev/],
    [
      'by sysfs for want of better',
      pins('auto'),
      { hasGpioSysfs: true },
      /^hint .*so sysfs is used: .* → Use a kernel/,
    ],
    [
      'by sysfs as the file asks',
      pins('sysfs'),
      { hasGpioSysfs: true, gpioChips: [chip] },
      /^hint .* → Write backend: auto/,
    ],
  ] as const)('GPIO %s', (_name, channel, devices, expected) => {
    expect(found(undefined, { channel, devices })).toEqual([expect.stringMatching(expected)]);
  });

  it('GPIO chips without the right to them', () => {
    const user = { ...USER, groups: [990] };
    const [finding] = found(undefined, { channel: pins('auto'), devices: { gpioChips: [chip] }, user });
    expect(finding).toContain('sudo usermod -aG gpio millgate');
  });

  it.each([
    [
      'refuses connections: it is there, but nothing listens on this port',
      /→ Switch Modbus TCP on .*nc -vz 10\.0\.0\.5 502/,
    ],
    ['does not answer within 5 s', /→ Check its power, its cable and its address: ping -c 3 10\.0\.0\.5/],
  ])('an endpoint that %s', (detail, remedy) => {
    const channel = { place: { kind: 'tcp', host: '10.0.0.5', port: 502 }, reach: { ok: false, detail } } as const;
    expect(found(undefined, { channel })).toEqual([expect.stringMatching(remedy)]);
  });
});

describe('rights by owner, group and others', () => {
  it.each([
    [0o660, 990, 20, true],
    [0o640, 990, 20, false],
    [0o606, 990, 20, false],
    [0o606, 990, 99, true],
    [0o600, 990, 99, false],
  ])('mode %i: user of groups 20 and 997, file of group %i', (mode, _uid, gid, may) => {
    expect(mayUse(USER, { uid: 0, gid, group: undefined, mode })).toBe(may);
  });

  it('the owner counts as owner only, and root may everything', () => {
    expect(mayUse(USER, { uid: 990, gid: 20, group: undefined, mode: 0o066 })).toBe(false);
    expect(mayUse({ ...USER, uid: 0 }, { uid: 990, gid: 20, group: undefined, mode: 0 })).toBe(true);
  });
});
