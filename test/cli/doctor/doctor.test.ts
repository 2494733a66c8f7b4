import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayView } from '../../../src/api/view.ts';
import { doctor, openStoreToService } from '../../../src/cli/doctor/doctor.ts';
import { gatherDisk, gatherMachine, gatherService } from '../../../src/cli/doctor/doctor-machine.ts';
import { gatherDevices, gatherFiles } from '../../../src/cli/doctor/doctor-ports.ts';
import { gatewaysOf, userByName, userOfProcess } from '../../../src/cli/doctor/doctor-processes.ts';
import { machineAt } from '../../../src/cli/doctor/read-machine.ts';
import { displayWidth } from '../../../src/cli/terminal/table.ts';
import { EXIT } from '../../../src/core/errors.ts';
import type { Finding } from '../../../src/doctor/finding.ts';
import { STORE_DROP_IN } from '../../../src/doctor/store-checks.ts';
import { healthy } from '../../doctor/double/healthy.ts';
import { contextOf, millgate, serve, temporaryFolder, type World } from '../../double/command-line.ts';
import { fakeGateway, SIX, STATUS } from '../../double/fake-gateway.ts';
import { type MachineFiles, QUIET_MACHINE, writeMachine } from '../../double/machine-root.ts';
import { Terminal } from '../../double/terminal.ts';

const FILE = (store: string) => `gateway: {id: press-shop-1, timezone: Europe/London}
channels: {line-a: {driver: modbus-rtu, port: /dev/ttyUSB0, timeout: 300ms}}
devices:
  press-1: {channel: line-a, unit: 3, tags: {oil-temp: {address: "holding:100"}, pressure: {address: "holding:110"}}}
  press-2: {channel: line-a, unit: 4, tags: {speed: {address: "holding:1"}}}
store: {path: ${store}}
`;

/** A machine, a configuration on it, and a world in which it is named. */
function bench(files: MachineFiles = {}, world: World = {}) {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(file, FILE(join(folder, 'store')));
  const root = writeMachine(temporaryFolder(), { ...QUIET_MACHINE, ...files });
  const { context, terminal, err } = contextOf({ env: { MILLGATE_SOCKET: '', MILLGATE_CONFIG: file }, ...world });
  const machine = machineAt(root, context);
  return { folder, file, context, machine, terminal, err };
}

interface Report {
  readonly ok: boolean;
  readonly gateway: { readonly state: string };
  readonly findings: readonly Finding[];
}

/** A gateway that answers beside the store of this bench. */
async function start({ folder, file }: ReturnType<typeof bench>, view: Partial<GatewayView> = {}): Promise<void> {
  mkdirSync(join(folder, 'store'));
  const status = async () => ({ ...STATUS, pid: 4242, config: { file, hash: 'other' } });
  await serve(fakeGateway({ status, ...view }), { socketPath: join(folder, 'store/api.sock') });
}

describe('doctor with a gateway that runs', () => {
  it('judges its statistics, and names stations by the file', async () => {
    const world = bench();
    await start(world);
    expect(await doctor({ json: true }, world.context, world.machine)).toBe(EXIT.failed);
    const report: Report = JSON.parse(world.terminal.written);
    expect(report).toMatchObject({ ok: false, gateway: { state: 'running', pid: 4242 } });
    const texts = report.findings.map(({ where, cause }) => `${where}: ${cause}`);
    expect(texts).toContain(
      'line-a/press-2: press-2 (unit 4) does not answer (30 of 30 requests timed out), while press-1 (unit 3) does',
    );
    expect(texts).toContainEqual(expect.stringMatching(/millgate\.yaml: the file is \w+, but what runs is other/));
    expect(texts).toContainEqual(expect.stringMatching(/^store: .*5 records of the last 24 hours|^plant: broker/));
    for (const { remedy } of report.findings) expect(remedy).not.toBe('');
  });

  it('looks twice where a backlog waits, and watches as long as it is told', async () => {
    const world = bench();
    const answers = [9000, 9500];
    const uplink = { ...STATUS.uplinks[0]!, state: 'connected' as const, reason: undefined };
    await start(world, {
      status: async () => {
        const pendingRecords = answers.length > 1 ? answers.shift()! : answers[0]!;
        const nowMs = SIX + (answers.length === 1 ? 2000 : 0);
        return { ...STATUS, nowMs, config: { file: world.file, hash: 'x' }, uplinks: [{ ...uplink, pendingRecords }] };
      },
    });
    await doctor({ json: true, for: '1ms' }, world.context, world.machine);
    const { findings }: Report = JSON.parse(world.terminal.written);
    expect(findings.map(({ cause }) => cause)).toContainEqual(
      expect.stringMatching(/^the backlog does not shrink: 9\d00/),
    );
  });

  it('judges statistics even where the file is broken by now', async () => {
    const world = bench();
    await start(world);
    writeFileSync(world.file, `${FILE(join(world.folder, 'store'))}chanels: {}\n`);
    await doctor({ json: true }, world.context, world.machine);
    const { findings }: Report = JSON.parse(world.terminal.written);
    expect(findings.map(({ where }) => where)).toEqual(expect.arrayContaining([world.file, 'line-a/press-2']));
  });

  it.each([40, 80, 120])('fits %i columns, but for words that do not', async (columns) => {
    const world = bench({}, { terminal: new Terminal(columns) });
    const inner = bench();
    await start(inner);
    await doctor({ config: inner.file }, { ...world.context, env: {} }, inner.machine);
    for (const text of world.terminal.lines) {
      if (text.trim().split(' ').length > 2) expect(displayWidth(text), text).toBeLessThanOrEqual(columns);
    }
    expect(world.terminal.lines.join('\n')).toMatch(/\n1 broken|\n\d+ broken, /);
  });
});

describe('doctor without a gateway', () => {
  it('finds nothing wrong where nothing is, exit 0, and says what it could not see', async () => {
    const world = bench();
    const exitCode = await doctor({}, world.context, world.machine);
    expect(world.terminal.written).toContain('? ');
    expect(world.terminal.written).toContain('error statistics: no gateway runs that could have counted');
    expect(world.terminal.written).toContain(
      'Write the name that stays: port: /dev/serial/by-id/usb-FTDI_A10-if00-port0',
    );
    expect(world.terminal.lines[0]).toMatch(/^The gateway of .* does not run\. Start it:/);
    expect(world.terminal.lines.at(-1)).toBe('nothing is wrong; 1 hint');
    expect(exitCode).toBe(EXIT.ok);
  });

  it('finds ports that are gone, held or forbidden', async () => {
    const held = bench({
      '/proc/812/comm': 'minicom\n',
      '/proc/812/fd/5': '-> /dev/ttyUSB0',
      '/proc/900/comm': 'ModemManager\n',
    });
    expect(await doctor({ json: true }, held.context, held.machine)).toBe(EXIT.failed);
    const { findings }: Report = JSON.parse(held.terminal.written);
    expect(findings.map(({ cause }) => cause)).toEqual([
      '/dev/ttyUSB0 is in use by minicom (process 812)',
      '/dev/ttyUSB0 may be another adapter after the next boot or plug',
      'ModemManager runs (process 900) and may open /dev/ttyUSB0 to look for a modem',
    ]);
  });

  it('works without a file: the machine, and how to begin', async () => {
    const { context, terminal } = contextOf({ env: { MILLGATE_SOCKET: '' } });
    const machine = machineAt(writeMachine(temporaryFolder(), QUIET_MACHINE), context);
    const exitCode = await doctor({ config: '/nonexistent/m.yaml', json: true }, context, machine);
    expect(exitCode).toBe(EXIT.failed);
    expect(JSON.parse(terminal.written).findings).toEqual([
      {
        severity: 'broken',
        where: '/nonexistent/m.yaml',
        cause: 'there is no such file',
        remedy: 'Check the path; another file is named by --config FILE. To write a new one: millgate init',
      },
    ]);
  });

  it('opens the folder of a store elsewhere to the service with --fix, and says what is left to do', () => {
    const { machine } = bench();
    const facts = healthy();
    const said = openStoreToService({ ...facts, disk: { ...facts.disk!, path: '/mnt/ssd/millgate' } }, machine);
    expect(said).toEqual([
      expect.stringContaining(STORE_DROP_IN),
      expect.stringContaining('install -d -o millgate -g millgate -m 750 /mnt/ssd/millgate'),
      expect.stringContaining('daemon-reload'),
    ]);
    expect(readFileSync(join(machine.root, STORE_DROP_IN), 'utf8')).toContain('ReadWritePaths=/mnt/ssd/millgate\n');
    expect(openStoreToService(facts, machine)).toEqual([expect.stringContaining('nothing that it can mend')]);
  });

  it('refuses a duration that is none, exit 2', async () => {
    expect(await millgate(['doctor', '--for', 'long']).exitCode).toBe(EXIT.usage);
  });
});

describe('what is gathered of a machine', () => {
  const at = (files: MachineFiles = {}) => bench(files).machine;

  it('ports by their lasting names, buses and grabbers', () => {
    const devices = gatherDevices(at({ '/dev/ttyAMA0': '', '/proc/7/comm': 'brltty\n' }));
    expect(devices).toMatchObject({
      serialPorts: ['/dev/serial/by-id/usb-FTDI_A10-if00-port0', '/dev/ttyAMA0'],
      i2cBuses: ['/dev/i2c-1'],
      gpioChips: [],
      grabbers: [{ pid: 7, command: 'brltty' }],
    });
  });

  it('who has a port open, but not the gateway it is for', () => {
    const machine = at({ '/proc/812/comm': 'cat\n', '/proc/812/fd/5': '-> /dev/ttyUSB0', '/proc/813/comm': 'sh\n' });
    const holders = (gateways: number[]) => gatherFiles(machine, ['/dev/ttyUSB0'], gateways)[0]!.holders;
    expect(holders([])).toEqual([{ pid: 812, command: 'cat' }]);
    expect(holders([812])).toEqual([]);
  });

  it('gateways that run, by their command lines', () => {
    const command = ['/usr/bin/node', '/opt/dist/src/cli.js', 'run', '--config', 'x.yaml', ''].join('\0');
    const other = ['/usr/bin/node', '/opt/dist/src/cli.js', 'doctor', ''].join('\0');
    expect(gatewaysOf(at({ '/proc/9/cmdline': command, '/proc/10/cmdline': other }))).toEqual([
      { pid: 9, command: 'millgate run --config x.yaml' },
    ]);
  });

  it('rights of a process and of the service', () => {
    expect(userOfProcess(at(), 'self', 'caller')).toEqual({
      name: 'tech',
      uid: 1000,
      groups: [1000, 1000, 20],
      as: 'caller',
    });
    expect(userByName(at(), 'millgate', [])).toEqual({ name: 'millgate', uid: 990, groups: [990, 20], as: 'service' });
    expect(userByName(at(), 'nobody', [])).toBeUndefined();
  });

  it('clock, power, memory and service', async () => {
    expect(await gatherMachine(at())).toEqual({
      ...{ isClockSynchronized: true, isTimeServiceOn: true, timezone: 'Europe/London', throttled: 0 },
      ...{ memoryBytes: 3_978_207_232, availableMemoryBytes: 3_084_636_160 },
    });
    expect(await gatherService(at())).toMatchObject({
      isActive: true,
      isEnabled: true,
      restarts: 2,
      hasWatchdog: true,
    });
  });

  it('nothing where there is nothing', async () => {
    const { context } = contextOf({});
    const empty = machineAt(temporaryFolder(), context);
    expect(await gatherService(empty)).toBeUndefined();
    expect(Object.values(await gatherMachine(empty)).filter((each) => each !== undefined)).toEqual([]);
    expect(gatherDevices(empty).serialPorts).toEqual([]);
    expect(userOfProcess(empty, 'self', 'caller')).toBeUndefined();
  });

  it('the file system of a folder that is not there yet', async () => {
    const disk = await gatherDisk(at({ '/data/x': '' }), '/data/store');
    expect(disk).toMatchObject({ isThere: false, isReadOnly: true, mountPoint: '/data', device: '/dev/sda1' });
    expect(disk.freeBytes).toBeGreaterThan(0);
  });
});

it('a port of the network that is asked by nobody else is tried, and nothing is sent', async () => {
  const world = bench();
  const { createServer } = await import('node:net');
  const received: Buffer[] = [];
  const server = createServer((socket) => socket.on('data', (chunk) => received.push(chunk)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const text = `channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${port}}}
devices: {press: {channel: plc, unit: 1, tags: {speed: {address: "holding:1"}}}}
store: {path: ${world.folder}/store}
`;
  writeFileSync(world.file, text);
  const wellOf = async () => {
    const { context, terminal } = contextOf({ env: { MILLGATE_SOCKET: '', MILLGATE_CONFIG: world.file } });
    await doctor({ json: true }, context, world.machine);
    return JSON.parse(terminal.written);
  };
  expect((await wellOf()).well).toContainEqual({
    where: 'plc',
    saw: expect.stringMatching(/^127\.0\.0\.1:\d+ answers in \d+ ms$/),
  });
  expect(received).toEqual([]);
  await new Promise((resolve) => server.close(resolve));
  expect((await wellOf()).findings).toContainEqual(expect.objectContaining({ where: 'plc', severity: 'broken' }));
});
