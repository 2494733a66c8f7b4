import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReadResult, Tag } from '../../../hal/driver.ts';
import type { ModbusAddress } from '../../../hal/modbus/address.ts';
import { modbusRtu, modbusTcp } from '../../../hal/modbus/types.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type DriverHarness, describeDriverContract } from '../../contract/driver.ts';
import { type FaultServer, faultServer } from '../../double/modbus-fault-server.ts';
import { expectedBit, expectedRegister, modbusSlaves } from '../../double/modbus-slave.ts';
import { modbusChannel, modbusTag } from '../../double/modbus-tags.ts';

const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };
const UNITS = [3, 7];
const SILENT_UNIT = 9;

function judge({ address }: Tag<ModbusAddress>, result: ReadResult): string | undefined {
  if (!result.ok) return `${result.why}: ${result.detail}`;
  const { unit, start, table } = address;
  if (table === 'coil') return result.value === expectedBit(unit, start) ? undefined : 'another coil';
  const scans = Array.from({ length: 50 }, (_, scan) => expectedRegister(unit, start, scan));
  return scans.includes(Number(result.value)) ? undefined : 'another register';
}

function harnessOf(
  type: typeof modbusTcp,
  options: Record<string, unknown>,
  world: { server: FaultServer; cut: () => void; stop: () => Promise<void> },
): DriverHarness<ModbusAddress> {
  const channel = modbusChannel(type, { timeout: 60, retries: 0, ...options });
  const at = (unit: number, address: string, more = {}) => modbusTag(unit, { address, ...more }, channel);
  return {
    driver: type.create(channel, deps),
    tags: UNITS.flatMap((unit) => [
      at(unit, 'holding:0'),
      at(unit, 'holding:2'),
      at(unit, 'input:40'),
      at(unit, 'coil:5'),
    ]),
    judge,
    silent: [at(SILENT_UNIT, 'holding:0'), at(SILENT_UNIT, 'holding:1')],
    writable: { tag: at(7, 'holding:300', { type: 'float32', order: 'CDAB' }), value: 21.5 },
    cut: world.cut,
    stop: world.stop,
  };
}

async function tcpHarness(framing: 'tcp' | 'rtu'): Promise<DriverHarness<ModbusAddress>> {
  const slaves = modbusSlaves({ units: UNITS });
  const server = await faultServer({ slaves, framing: framing === 'rtu' ? 'rtu' : 'mbap', units: UNITS });
  const world = { server, cut: () => server.dropConnections(), stop: () => server.close() };
  return harnessOf(modbusTcp, { host: '127.0.0.1', port: server.port, framing }, world);
}

/** A pty whose other end is the fault server, through socat. */
async function ptyHarness(): Promise<DriverHarness<ModbusAddress>> {
  if (spawnSync('socat', ['-V']).error) throw new Error('this test needs socat: apt-get install socat');
  const server = await faultServer({ slaves: modbusSlaves({ units: UNITS }), framing: 'rtu', units: UNITS });
  const folder = mkdtempSync(join(tmpdir(), 'millgate-pty-'));
  const port = join(folder, 'line');
  const socat = spawn('socat', [`PTY,link=${port},rawer`, `TCP:127.0.0.1:${server.port},nodelay`]);
  for (let waited = 0; !existsSync(port) && waited < 200; waited++) await systemClock.sleep(5);
  const stop = async () => {
    await ended(socat);
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return harnessOf(modbusRtu, { port }, { server, cut: () => void socat.kill(), stop });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill();
  });
}

describeDriverContract('Modbus TCP', () => tcpHarness('tcp'));
describeDriverContract('Modbus RTU over TCP', () => tcpHarness('rtu'));
describeDriverContract('Modbus RTU on a pty', ptyHarness);
