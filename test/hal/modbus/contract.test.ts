import type { ReadResult, Tag } from '../../../hal/driver.ts';
import type { ModbusAddress } from '../../../hal/modbus/map/address.ts';
import { modbusRtu, modbusTcp } from '../../../hal/modbus/type.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type DriverHarness, describeDriverContract } from '../../contract/driver.ts';
import { faultServer } from '../../double/modbus-fault-server.ts';
import { expectedBit, expectedRegister, modbusSlaves } from '../../double/modbus-slave.ts';
import { modbusChannel, modbusTag } from '../../double/modbus-tags.ts';
import { udpDevice } from '../../double/modbus-udp.ts';
import { ptyTo } from '../../double/pty.ts';
import { selfSigned } from '../../double/self-signed.ts';

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
  world: { cut?: () => Promise<void> | void; stop: () => Promise<void> },
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
    ...world,
  };
}

async function tcpHarness(framing: 'tcp' | 'rtu', more = {}): Promise<DriverHarness<ModbusAddress>> {
  const slaves = modbusSlaves({ units: UNITS });
  const server = await faultServer({ slaves, framing: framing === 'rtu' ? 'rtu' : 'mbap', units: UNITS });
  const world = { cut: () => server.close(), stop: () => server.close() };
  return harnessOf(modbusTcp, { host: '127.0.0.1', port: server.port, framing, ...more }, world);
}

/** A pty whose other end is the fault server. */
async function ptyHarness(): Promise<DriverHarness<ModbusAddress>> {
  const server = await faultServer({ slaves: modbusSlaves({ units: UNITS }), framing: 'rtu', units: UNITS });
  const pty = await ptyTo(server.port);
  const stop = async () => {
    await pty.stop();
    await server.close();
  };
  return harnessOf(modbusRtu, { port: pty.path }, { cut: pty.unplug, stop });
}

async function udpHarness(): Promise<DriverHarness<ModbusAddress>> {
  const device = await udpDevice(modbusSlaves({ units: UNITS }));
  const options = { host: '127.0.0.1', port: device.port, framing: 'udp' };
  return harnessOf(modbusTcp, options, { stop: () => device.close() });
}

/** A device with a certificate that it signed itself, which is its own authority. */
async function tlsHarness(): Promise<DriverHarness<ModbusAddress>> {
  const certificate = await selfSigned();
  const slaves = modbusSlaves({ units: UNITS });
  const server = await faultServer({ slaves, framing: 'mbap', units: UNITS, tls: certificate });
  const stop = async () => {
    await server.close();
    await certificate.remove();
  };
  const options = { host: '127.0.0.1', port: server.port, tls: { ca: certificate.certPath } };
  return harnessOf(modbusTcp, options, { cut: () => server.close(), stop });
}

describeDriverContract('Modbus TCP', () => tcpHarness('tcp'));
describeDriverContract('Modbus TCP, four questions at once', () => tcpHarness('tcp', { pipeline: 4 }));
describeDriverContract('Modbus RTU over TCP', () => tcpHarness('rtu'));
describeDriverContract('Modbus RTU on a pty', ptyHarness);
describeDriverContract('Modbus over UDP', udpHarness, {
  cut: 'datagrams have no connection; that nobody listens is the result of each question',
});
describeDriverContract('Modbus TCP over TLS', tlsHarness);
