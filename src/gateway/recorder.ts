/** Listens in on the channels of a gateway and hands their traffic on. */
import { type Driver, hasLearned } from '../../hal/driver.ts';
import { encodeLine, type RecordedChannel, type RecordingHeader } from '../../hal/recording/recording.ts';
import { LineTap } from '../../hal/transport.ts';
import type { RecordingView } from '../api/view.ts';
import type { ChannelConfig, Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';

/** What a recorder is made of. */
interface RecorderOptions {
  /** The configuration in force. */
  readonly config: () => Config;
  readonly version: string;
  readonly clock: Clock;
  /** Whether the channels are simulated: then their twins' traffic is what is recorded. */
  readonly simulate: boolean;
}

/** Listens in on the channels of a gateway. */
export interface Recorder {
  readonly view: RecordingView;
  /** The tap of a channel, the same for every driver that the channel gets. */
  tapOf(channel: string): LineTap;
  /** Says which driver a channel has now, so that a recording can begin with what it knows. */
  knows(channel: string, driver: Driver): void;
}

/** A recorder of the channels of a configuration; nothing is recorded before `view.record`. */
export function createRecorder(options: RecorderOptions): Recorder {
  const { clock } = options;
  const taps = new Map<string, LineTap>();
  const drivers = new Map<string, Driver>();
  const tapOf = (channel: string): LineTap => {
    const known = taps.get(channel) ?? new LineTap();
    taps.set(channel, known);
    return known;
  };
  return {
    tapOf,
    knows: (channel, driver) => void drivers.set(channel, driver),
    view: {
      record(names, onLine) {
        const channels = chosen(options.config(), names);
        const startMs = clock.monoMs();
        const us = (): number => Math.round((clock.monoMs() - startMs) * 1000);
        onLine(encodeLine({ kind: 'header', header: headerOf(options, channels, drivers) }));
        const ends = channels.map(({ name }) => {
          const tap = tapOf(name);
          const write: Parameters<LineTap['listen']>[0] = (event) =>
            onLine(encodeLine({ kind: 'event', recorded: { us: us(), channel: name, event } }));
          if (tap.isOpen) write({ what: 'open' });
          return tap.listen(write);
        });
        return () => {
          for (const end of ends) end();
        };
      },
    },
  };
}

/** The channels to record; refuses what is not there and what carries no bytes, by name. */
function chosen({ channels }: Config, names: readonly string[]): ChannelConfig[] {
  const recordable = channels.filter(({ driver }) => driver.wire !== undefined);
  const which = recordable.length > 0 ? `Those that can be: ${listed(recordable)}.` : 'This file has none that can be.';
  for (const name of names) {
    const found = channels.find((channel) => channel.name === name);
    if (!found) throw new Fault(`channel ${name.slice(0, 80)}: there is none of this name. ${which}`, EXIT.usage);
    if (!found.driver.wire)
      throw new Fault(
        `channel ${name}: ${found.driver.type} carries no bytes, so it cannot be recorded. ${which}`,
        EXIT.usage,
      );
  }
  if (recordable.length === 0)
    throw new Fault(`no channel can be recorded: only modbus-rtu, modbus-tcp and serial-line carry bytes.`, EXIT.usage);
  return names.length > 0 ? recordable.filter(({ name }) => names.includes(name)) : recordable;
}

function headerOf(
  { config: configured, version, clock, simulate }: RecorderOptions,
  channels: readonly ChannelConfig[],
  drivers: ReadonlyMap<string, Driver>,
): RecordingHeader {
  const config = configured();
  const silent = config.channels.filter(({ driver }) => !driver.wire);
  return {
    gateway: config.gateway.id,
    program: version,
    config: { file: config.file, hash: config.hash },
    wallMs: clock.wallMs(),
    clockKnown: clock.known(),
    channels: Object.fromEntries(
      channels.map((channel) => [channel.name, recorded(channel, drivers.get(channel.name), simulate)]),
    ),
    notRecorded: Object.fromEntries(silent.map(({ name, driver }) => [name, driver.type])),
  };
}

function recorded({ driver, options }: ChannelConfig, running: Driver | undefined, simulate: boolean): RecordedChannel {
  const wire = driver.wire!(options);
  const learned = running && hasLearned(running) ? running.learned() : undefined;
  // A twin is served on this machine: its bytes take no time on the wire.
  const characterMs = simulate ? 0 : wire.characterMs;
  return { driver: driver.type, ...wire, characterMs, ...(learned !== undefined && { learned }) };
}

function listed(channels: readonly ChannelConfig[]): string {
  return channels.map(({ name }) => name).join(', ');
}
