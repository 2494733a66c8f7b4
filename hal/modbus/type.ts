/** The two kinds of Modbus channel, as the configuration and the gateway know them. */
import { z } from 'zod';
import { failed, passed } from '../../src/core/checked.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Driver, Tag } from '../driver.ts';
import type { ChannelPlace, DriverDeps, DriverType, PlanEstimate } from '../driver-type.ts';
import type { RecordedWire } from '../recording/recording.ts';
import { SerialTransport } from '../serial/port.ts';
import { characterMsOn, serialKeys } from '../serial/settings.ts';
import type { Transport } from '../transport.ts';
import { tapped } from '../transport.ts';
import {
  lineCostOf,
  type ModbusChannel,
  type RtuOptions,
  rtuChannel,
  rtuChannelShape,
  type TcpOptions,
  tcpChannel,
  tcpChannelShape,
} from './channel.ts';
import { ModbusDriver } from './driver.ts';
import { KeptLine } from './line/kept-line.ts';
import { type Line, lateReplyWindowMsOf } from './line/line.ts';
import { MbapLine } from './line/mbap-line.ts';
import { RtuLine } from './line/rtu-line.ts';
import { tcpTransport, udpTransport } from './line/tcp.ts';
import { silenceMsOf } from './line/timing.ts';
import type { ModbusAddress } from './map/address.ts';
import { describeModbusAddress } from './map/address-text.ts';
import { checkModbusTag, checkSerialDevice, modbusDeviceShape, modbusTagShape, rtuDeviceShape } from './map/options.ts';
import { planReads } from './map/plan.ts';
import { modulusOf } from './map/register-values.ts';

/** Rest between frames on a converter, which keeps the silence of its own line: enough to see what comes uncalled. */
const CONVERTER_SILENCE_MS = 2;

/** A connection is given this long at least, whatever the timeout of an answer is. */
const SHORTEST_CONNECT_MS = 3000;

/** What both kinds of channel have in common. */
const common = {
  simulated: false,
  tagShape: modbusTagShape,
  describeAddress: describeModbusAddress,
  formOf: ({ type }: ModbusAddress) => (type === 'bool' ? 'bool' : type === 'string' ? 'text' : 'number'),
  modulusOf,
  whyReadOnly: ({ table }: ModbusAddress) =>
    table === 'input' || table === 'discrete'
      ? `${table === 'input' ? 'input registers' : 'discrete inputs'} can only be read: remove writable, or name the ${table === 'input' ? 'holding register' : 'coil'} that is written`
      : undefined,
  isEventful: () => false,
  placeOf: (channel: ModbusChannel): ChannelPlace =>
    channel.kind === 'serial'
      ? { kind: 'serial', path: channel.serial.port }
      : { kind: 'tcp', host: channel.host, port: channel.port },
  stationOf: (channel: ModbusChannel, { unit, timeoutMs }: ModbusAddress) => ({
    text: `unit ${unit}`,
    timeoutMs: timeoutMs ?? channel.timeoutMs,
  }),
  estimate: estimateModbus,
  wire: wireOf,
  create: (channel: ModbusChannel, deps: DriverDeps) => new ModbusDriver(channel, keptLine(channel, deps), deps),
};

/** Modbus RTU on a serial port. */
export const modbusRtu: DriverType<ModbusChannel, ModbusAddress> = {
  ...common,
  type: 'modbus-rtu',
  channelShape: rtuChannelShape,
  deviceShape: rtuDeviceShape,
  checkChannel(options) {
    const channel = rtuChannel(options as RtuOptions);
    if (channel.kind === 'serial' && channel.serial.dataBits === 7)
      return failed(['dataBits'], 'Modbus RTU needs 8 data bits; 7 is for Modbus ASCII. Write dataBits: 8');
    return passed(channel);
  },
  checkDevice: checkSerialDevice,
  checkTag: (source, channel) => checkModbusTag(source, channel),
};

/** Modbus TCP, and RTU frames over TCP. */
export const modbusTcp: DriverType<ModbusChannel, ModbusAddress> = {
  ...common,
  type: 'modbus-tcp',
  channelShape: tcpChannelShape,
  deviceShape: modbusDeviceShape,
  checkChannel(options) {
    const channel = tcpChannel(options as TcpOptions);
    if (channel.kind === 'tcp' && channel.framing === 'rtu' && channel.pipeline > 1)
      return failed(['pipeline'], 'RTU frames have no transaction id: one question at a time. Leave pipeline out');
    if (channel.kind === 'tcp' && channel.tls && channel.framing === 'udp')
      return failed(['tls'], 'TLS needs a connection, and datagrams have none. Leave tls or framing: udp out');
    return passed(channel);
  },
  checkTag: (source, channel) => checkModbusTag(source, channel),
};

function transportOf(channel: ModbusChannel, clock: Clock): Transport {
  if (channel.kind === 'serial') return new SerialTransport(channel.serial);
  const connectTimeoutMs = Math.max(channel.timeoutMs, SHORTEST_CONNECT_MS);
  if (channel.framing === 'udp') return udpTransport(channel);
  return tcpTransport({ ...channel, connectTimeoutMs }, clock);
}

/** The line of a channel with a connection that comes and goes; an answer as another unit is told once for each. */
function keptLine(channel: ModbusChannel, { clock, log, tap }: DriverDeps): Line {
  const told = new Set<number>();
  const onForeignUnit = (asked: number, answered: number): void => {
    if (told.has(asked)) return;
    told.add(asked);
    log.warn(
      `unit ${asked} answers as unit ${answered}. Its answers count by their transaction id; foreignUnit: refuse turns them away`,
    );
  };
  const line = lineOn(tapped(transportOf(channel, clock), tap), channel, clock, onForeignUnit);
  return new KeptLine(line, { connectPauseMs: channel.connectPauseMs, closeAfterMs: channel.closeAfterMs }, clock);
}

/** The line of a channel over a transport, whatever carries its bytes; nothing is opened. */
export function lineOn(
  transport: Transport,
  channel: ModbusChannel,
  clock: Clock,
  onForeignUnit: (asked: number, answered: number) => void = () => {},
): Line {
  const { pauseMs } = channel;
  const lateReplyWindowMs = lateReplyWindowMsOf(channel.timeoutMs);
  if (channel.kind === 'serial') {
    const { serial } = channel;
    const times = { characterMs: characterMsOn(serial), silenceMs: silenceMsOf(serial.baud) };
    return new RtuLine(transport, { ...times, pauseMs, lateReplyWindowMs, echo: channel.echo }, clock);
  }
  const { pipeline, foreignUnit } = channel;
  if (channel.framing !== 'rtu')
    return new MbapLine(transport, { pipeline, pauseMs, lateReplyWindowMs, foreignUnit, onForeignUnit }, clock);
  return new RtuLine(transport, { characterMs: 0, silenceMs: CONVERTER_SILENCE_MS, pauseMs, lateReplyWindowMs }, clock);
}

/** What a recording keeps of a channel. */
function wireOf(channel: ModbusChannel): RecordedWire {
  const common = {
    timeout: `${channel.timeoutMs}ms`,
    retries: channel.retries,
    pause: `${channel.pauseMs}ms`,
    ...(channel.maxGap !== undefined && { maxGap: channel.maxGap }),
    ...(channel.maxRegisters !== undefined && { maxRegisters: channel.maxRegisters }),
  };
  if (channel.kind === 'serial') {
    const { serial } = channel;
    return { framing: 'rtu', characterMs: characterMsOn(serial), settings: { ...serialKeys(serial), ...common } };
  }
  const { host, port, framing, pipeline } = channel;
  // Datagrams carry the frames of Modbus TCP.
  const recorded = framing === 'rtu' ? 'rtu' : 'tcp';
  return { framing: recorded, characterMs: 0, settings: { host, port, framing, pipeline, ...common } };
}

/** The requests of one scan of all `tags`, nothing learned, and their line time. */
function estimateModbus(channel: ModbusChannel, tags: readonly Tag<ModbusAddress>[]): PlanEstimate {
  const cost = lineCostOf(channel);
  const blocks = planReads(
    tags.map(({ address }) => address),
    [],
    cost,
  );
  return {
    requests: blocks.map(({ unit, table, start, count, members }) => ({
      device: tags[members[0]!]!.device,
      text: `unit ${unit} ${table}:${start}${count > 1 ? `…${start + count - 1}` : ''}`,
      tags: members.map((member) => tags[member]!.id),
      lineMs: cost.requestMs + count * (table === 'coil' || table === 'discrete' ? cost.bitMs : cost.registerMs),
    })),
  };
}

/**
 * A Modbus TCP driver for a device that is served on this machine: how `run --simulate` reads its twins with the real
 * driver. Nothing is opened before `connect`.
 */
export function loopbackModbus(port: number, framing: 'tcp' | 'rtu', deps: DriverDeps): Driver {
  const options = z.strictObject(tcpChannelShape()).parse({ host: '127.0.0.1', port, framing });
  const driver = common.create(tcpChannel(options), { ...deps, learned: undefined });
  return driver as unknown as Driver;
}
