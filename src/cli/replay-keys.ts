import { stringify } from 'yaml';
import type { RecordedChannel } from '../../hal/recording/recording.ts';
import { parseDuration } from '../core/quantity.ts';

/** Keys of a channel as a configuration file has them. */
export type ChannelKeys = Readonly<Record<string, string | number>>;

/** Keys of a serial line that a network has not. */
const SERIAL_KEYS = new Set(['port', 'baud', 'parity', 'dataBits', 'stopBits']);

/** Keys that are durations, which a faster replay shortens. */
const TIMES = new Set(['timeout', 'pause', 'idle']);

/** A duration of the configuration has no less than this, ms. */
const SHORTEST_MS = { timeout: 1, pause: 0, idle: 20 } as const;

/** The channel as it is read from the replay over TCP; frames of a serial line come as RTU over TCP. */
export function keysOnTcp(channel: RecordedChannel, host: string, port: number, speed: number): ChannelKeys {
  const framing = channel.framing === 'tcp' ? 'tcp' : 'rtu';
  const others = Object.entries(channel.settings).filter(
    ([key]) => !SERIAL_KEYS.has(key) && key !== 'host' && key !== 'framing',
  );
  return { driver: 'modbus-tcp', host, port, framing, ...timed(others, speed) };
}

/** The channel as it is read from a replay on a pseudo terminal. */
export function keysOnPty(channel: RecordedChannel, port: string, speed: number): ChannelKeys {
  return { driver: channel.driver, ...timed(Object.entries(channel.settings), speed), port };
}

/** Channels as a part of a configuration file, for copying. */
export function channelsYaml(channels: Readonly<Record<string, ChannelKeys>>): string[] {
  const flow = { collectionStyle: 'flow', lineWidth: 0 } as const;
  const line = (value: unknown): string => stringify(value, flow).trimEnd();
  return ['channels:', ...Object.entries(channels).map(([name, keys]) => `  ${line(name)}: ${line(keys)}`)];
}

function timed(entries: readonly (readonly [string, string | number])[], speed: number): ChannelKeys {
  return Object.fromEntries(
    entries.map(([key, value]) => {
      const ms = TIMES.has(key) && typeof value === 'string' ? parseDuration(value) : undefined;
      if (ms === undefined || speed === 1) return [key, value];
      const shortestMs = SHORTEST_MS[key as keyof typeof SHORTEST_MS];
      return [key, `${Number(Math.max(shortestMs, ms / speed).toFixed(3))}ms`];
    }),
  );
}
