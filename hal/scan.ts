/** Searches wires for devices, whatever kind of wire it is. */
import type { Clock } from '../src/core/clock.ts';
import type { DriverType } from './driver-type.ts';
import { Bus } from './i2c/bus.ts';
import type { I2cChannel } from './i2c/options.ts';
import { type FoundDevice, scanI2c } from './i2c/scan.ts';
import { kernelWire } from './i2c/wire.ts';
import type { ModbusChannel } from './modbus/channel.ts';
import { type SearchOptions, type SearchResult, searchLine } from './modbus/search/discover.ts';
import {
  type LineSetting,
  longestMs,
  type SearchLimits,
  settingsOn,
  settingText,
} from './modbus/search/discover-plan.ts';
import { type HostFinding, longestAtHost, searchHosts } from './modbus/search/discover-tcp.ts';
import { SerialTransport } from './serial/port.ts';
import { serialPorts } from './serial/ports.ts';

export type { FoundDevice, HostFinding, LineSetting, SearchLimits, SearchResult };
/**
 * What can be found on the wires of this machine before anything is configured. Nothing here changes anything in a
 * device.
 */
export { longestAtHost, longestMs, searchHosts, serialPorts, settingText };

/** Where a channel is, whatever its driver calls it. */
export type ScanWire =
  | { readonly kind: 'serial'; readonly port: string; readonly setting: LineSetting }
  | { readonly kind: 'host'; readonly host: string; readonly port: number; readonly framing: 'tcp' | 'rtu' }
  | { readonly kind: 'i2c'; readonly bus: number };

/** The wire of a channel that passed its driver's checks; undefined for drivers whose wires cannot be searched. */
export function wireOf(driver: Pick<DriverType, 'type'>, options: unknown): ScanWire | undefined {
  if (driver.type === 'i2c') return { kind: 'i2c', bus: (options as I2cChannel).bus };
  if (driver.type !== 'modbus-rtu' && driver.type !== 'modbus-tcp') return undefined;
  const channel = options as ModbusChannel;
  if (channel.kind === 'tcp') {
    const { host, port, framing } = channel;
    return framing === 'udp' ? undefined : { kind: 'host', host, port, framing };
  }
  const { port, baud, parity, stopBits } = channel.serial;
  return { kind: 'serial', port, setting: { baud, parity, stopBits } };
}

/** Searches a serial port for settings and units. See `searchLine`. */
export function searchPort(
  port: string,
  options: Omit<SearchOptions, 'open'>,
  signal: AbortSignal,
): Promise<SearchResult> {
  return searchLine({ ...options, open: (setting) => new SerialTransport(settingsOn(port, setting)) }, signal);
}

/** How long one transfer on a bus may take while it is searched, ms. */
const I2C_TIMEOUT_MS = 500;

/**
 * Looks for chips on the bus `/dev/i2c-N`. See `scanI2c`.
 *
 * @throws NotConnected the bus cannot be opened or is stuck; the signal's reason
 */
export async function searchI2cBus(
  bus: number,
  clock: Clock,
  signal: AbortSignal,
  onProgress?: (address: number, done: number) => void,
): Promise<FoundDevice[]> {
  const opened = new Bus({ name: `/dev/i2c-${bus}`, timeoutMs: I2C_TIMEOUT_MS, retries: 0 }, kernelWire(bus), clock);
  try {
    await opened.connect(signal);
    return await scanI2c(opened, signal, onProgress);
  } finally {
    await opened.close();
  }
}
