import { NotConnected } from '../../hal/driver.ts';
import type { DriverDeps } from '../../hal/driver-type.ts';
import type { ModbusChannel } from '../../hal/modbus/channel.ts';
import { ModbusDriver } from '../../hal/modbus/driver.ts';
import { lineOn } from '../../hal/modbus/type.ts';
import { decodeLine, encodeLine, type RecordedChannel, type RecordingHeader } from '../../hal/recording/recording.ts';
import { LineBuilder, type RecordedLine } from '../../hal/recording/recording-exchanges.ts';
import { ReplayPlayer } from '../../hal/recording/replay.ts';
import { SerialLineDriver } from '../../hal/serial/driver.ts';
import type { SerialLineChannel } from '../../hal/serial/options.ts';
import type { Transport } from '../../hal/transport.ts';
import { LineTap, tapped } from '../../hal/transport.ts';
import type { ChannelConfig } from '../../src/config/config.ts';
import type { Clock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { DeviceRecord, Field } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Poller } from '../../src/poll/poller.ts';

/** What a run on a channel gave. */
export interface ChannelRun {
  /** Records as text, for comparing: device, then each tag with its value or why it has none. */
  readonly records: readonly string[];
  /** The traffic as a recording, line by line. */
  readonly recording: readonly string[];
}

/** A record without its times: `press-1 oil-temp=45.2 pressure=timeout`. */
export function recordText({ device, fields }: DeviceRecord): string {
  const text = (field: Field): string =>
    field.quality === 'good' ? `${field.value}` : `${'value' in field ? `${field.value}:` : ''}${field.why}`;
  return [device, ...[...fields].map((field) => `${field.name}=${text(field)}`)].join(' ');
}

/**
 * The values of each tag in their order, or why there was none. Times are not compared: what happened when is what the
 * line makes of the replayed times. Nor is the order of two requests that were due at the same moment.
 */
export function byTag(records: readonly string[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const record of records) {
    const [device, ...fields] = record.split(' ');
    for (const field of fields) {
      const [name, value] = field.split('=') as [string, string];
      const tag = `${device}/${name}`;
      found[tag] ??= [];
      found[tag].push(value);
    }
  }
  return found;
}

/** Polls a channel through the real driver for some simulated time, and records its traffic. */
export async function runChannel(
  channel: ChannelConfig,
  transportOn: (clock: Clock) => Transport,
  forMs: number,
  learned?: unknown,
): Promise<ChannelRun> {
  const clock = new SimulatedClock(undefined, 'promises');
  const deps = { clock, log: silentLogger, random: seededRandom(1), learned };
  const tap = new LineTap();
  const wire = channel.driver.wire!(channel.options);
  const header: RecordingHeader = {
    ...{ gateway: 'bench', program: '0.1.0', config: { file: 'millgate.yaml', hash: '0123456789ab' } },
    ...{ wallMs: clock.wallMs(), clockKnown: true, notRecorded: {} },
    channels: { [channel.name]: { driver: channel.driver.type, ...wire } },
  };
  const recording = [encodeLine({ kind: 'header', header })];
  tap.listen((event) => {
    const us = Math.round(clock.monoMs() * 1000);
    recording.push(encodeLine({ kind: 'event', recorded: { us, channel: channel.name, event } }));
  });
  const transport = tapped(transportOn(clock), tap);
  const driver =
    wire.framing === 'text'
      ? new SerialLineDriver(channel.options as SerialLineChannel, transport, deps)
      : modbusOn(channel.options as ModbusChannel, transport, deps);
  const records: string[] = [];
  const poller = new Poller(
    channel,
    driver as never,
    { ...deps, simulated: false },
    {
      onRecord: (record) => void records.push(recordText(record)),
      onHealth() {},
    },
  );
  const stop = new AbortController();
  const polling = poller.run(stop.signal);
  await clock.advance(forMs);
  stop.abort();
  await polling;
  recording.push(encodeLine({ kind: 'end', why: 'the time was up' }));
  return { records, recording };
}

function modbusOn(options: ModbusChannel, transport: Transport, deps: DriverDeps): ModbusDriver {
  return new ModbusDriver(options, lineOn(transport, options, deps.clock), deps);
}

/** The one channel of a recording, with its header. */
export function lineOfRecording(recording: readonly string[]): { line: RecordedLine; channel: RecordedChannel } {
  let builder: LineBuilder | undefined;
  let channel: RecordedChannel | undefined;
  for (const text of recording) {
    const decoded = decodeLine(text);
    if (!decoded.ok) throw new Error(`no line of a recording: ${text}`);
    if (decoded.line.kind === 'header') {
      const [name, first] = Object.entries(decoded.line.header.channels)[0]!;
      channel = first;
      builder = new LineBuilder(name, first);
    } else if (decoded.line.kind === 'event') builder!.add(decoded.line.recorded);
  }
  return { line: builder!.line(), channel: channel! };
}

/** The recorded line as a transport: what a driver would find on the wire. Questions that were not recorded are an error. */
export function replayTransport(line: RecordedLine, clock: Clock, strangers: string[]): Transport {
  const player = new ReplayPlayer({
    ...{ line, clock, speed: 1, overNetwork: false },
    events: { onNotRecorded: (request) => void strangers.push(request), onPlayedOut() {} },
  });
  let end = (): void => {};
  let receive: ((bytes: Uint8Array) => void) | undefined;
  let awayUntilMs = 0;
  return {
    async connect(events, signal) {
      signal.throwIfAborted();
      if (clock.monoMs() < awayUntilMs) throw new NotConnected('the recorded connection was away here.');
      let isOpen = true;
      const connection = player.attach({
        send: (bytes) => isOpen && events.onBytes(bytes),
        hangUp(forMs) {
          if (!isOpen) return;
          awayUntilMs = clock.monoMs() + forMs;
          end();
          events.onLost(new NotConnected('the recorded connection was lost here.'));
        },
      });
      end = () => {
        isOpen = false;
        connection.end();
      };
      receive = (bytes) => isOpen && connection.receive(bytes);
    },
    write: (bytes) => receive?.(bytes),
    verify() {},
    async close() {
      end();
    },
  };
}
