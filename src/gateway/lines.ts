/** Makes, starts and stops the channels of a configuration. */
import { type Driver, hasLearned } from '../../hal/driver.ts';
import type { DriverDeps } from '../../hal/driver-type.ts';
import { simulatedDriver } from '../../hal/mock/simulate.ts';
import { loopbackModbus } from '../../hal/modbus/type.ts';
import type { ChannelConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { Alarms, EventBody } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { DeviceRecord } from '../core/reading.ts';
import type { Health } from '../poll/health.ts';
import type { Trouble } from '../poll/outcome.ts';
import { Poller } from '../poll/poller.ts';
import { type Line, reasonOf } from './channel-status.ts';
import type { Recorder } from './recorder.ts';

/** What the channels of a gateway are run with. */
interface LinesParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** Swaps every channel for a simulated one that serves the same devices. */
  readonly simulate: boolean;
  readonly recorder: Pick<Recorder, 'tapOf' | 'knows'>;
  readonly onRecord: (record: DeviceRecord) => void;
  readonly event: (body: EventBody) => void;
  readonly alarms: Alarms;
  /** Called when a poller ended in a way that is a bug. */
  readonly onFailed: (cause: unknown) => void;
}

/** A channel that is made, and not started. */
export interface MadeLine extends Line {
  readonly stop: AbortController;
}

/** The channels at work. */
export interface Lines {
  /** In the order of the file. */
  all(): readonly Line[];
  /** The channel a device is on. */
  of(device: string): Line | undefined;
  /** Makes a channel; touches no hardware. `learned`: what its driver learned before, untrusted. */
  make(channel: ChannelConfig, learned: unknown): MadeLine;
  /** Puts these in the place of all there are; those that are not among them any more must have been halted. */
  set(lines: readonly MadeLine[]): void;
  /** Starts a line that was set. */
  start(line: MadeLine): void;
  /** Ends lines and waits until they have let go of their hardware. */
  halt(lines: readonly MadeLine[]): Promise<void>;
  made(): readonly MadeLine[];
  /** What the drivers learned, by channel. */
  learned(): ReadonlyMap<string, unknown>;
}

/** A tag that reports by itself is polled at this period when its channel is simulated. */
const SIMULATED_EVERY_MS = 1000;

/** No channel yet. */
export function createLines(parts: LinesParts): Lines {
  const { clock, log, random, simulate, recorder, onRecord, onFailed } = parts;
  const running = new Map<MadeLine, Promise<void>>();
  let lines: readonly MadeLine[] = [];

  return {
    all: () => lines,
    made: () => lines,
    of: (device) => lines.find(({ poller }) => poller.channel.devices.some(({ name }) => name === device)),
    make(channel, learned) {
      const scoped = log.scoped(channel.name);
      const driver = driverOf(channel, simulate, {
        clock,
        log: scoped,
        random,
        learned,
        tap: recorder.tapOf(channel.name),
      });
      const simulated = simulate || channel.driver.simulated;
      const warn = otherMasterTeller(channel, scoped, parts);
      const onRecordHere = (record: DeviceRecord): void => {
        warn(record);
        onRecord(record);
      };
      const events = {
        onRecord: onRecordHere,
        onHealth: healthTeller(channel, scoped, parts.event, (name) => poller.trouble(name)),
        onConnection: connectionTeller(channel, parts.event),
      };
      const polled = simulate ? polledChannel(channel) : channel;
      const poller: Poller = new Poller(polled, driver, { clock, log: scoped, random, simulated }, events);
      return { driver, poller, stop: new AbortController() };
    },
    set(next) {
      lines = next;
    },
    start(line) {
      recorder.knows(line.poller.channel.name, line.driver);
      const ended = line.poller.run(line.stop.signal);
      running.set(line, ended);
      ended.catch(onFailed);
    },
    async halt(stopped) {
      for (const { stop } of stopped) stop.abort();
      await Promise.allSettled(stopped.map((line) => running.get(line)));
      for (const line of stopped) running.delete(line);
    },
    learned: () =>
      new Map(
        lines.flatMap(({ driver, poller }): [string, unknown][] =>
          !simulate && hasLearned(driver) ? [[poller.channel.name, driver.learned()]] : [],
        ),
      ),
  };
}

function healthTeller(
  channel: ChannelConfig,
  log: Logger,
  event: (body: EventBody) => void,
  troubleOf: (device: string) => Trouble | undefined,
) {
  return (device: string, { state }: Health): void => {
    if (state === 'degraded') return;
    const trouble = troubleOf(device);
    // What answered something else is not silent.
    const why = trouble === undefined || trouble.why === 'timeout' ? 'no answer' : reasonOf(trouble);
    const message = state === 'offline' ? `${why}; probing it now and then` : 'answers again';
    log.scoped(device).warn(message);
    event({ kind: 'quality', what: state, device, channel: channel.name, message: `${device}: ${message}` });
  };
}

/** That a channel has been without a connection for a while, and that it has one again; the poller logs the reasons. */
function connectionTeller({ name }: ChannelConfig, event: (body: EventBody) => void) {
  return (reason: string | undefined): void => {
    const what = reason === undefined ? 'connected' : 'not-connected';
    const words = reason ?? 'connected again';
    const message = words.startsWith(`${name}: `) ? words : `${name}: ${words}`;
    event({ kind: 'quality', what, channel: name, message });
  };
}

/** Another master is gone when no reading was doubtful because of it for so long. */
const OTHER_MASTER_GONE_MS = 600_000;

/** Raises an alarm when another master shows on a line, and clears it once none was heard for a while. */
function otherMasterTeller(channel: ChannelConfig, log: Logger, { clock, alarms }: LinesParts) {
  const id = `line/${channel.name}/other-master`;
  let lastMs = clock.monoMs();
  let isHeard = false;
  return ({ fields }: DeviceRecord): void => {
    const remarks = fields.remarks === undefined ? [] : [...fields.remarks.values()];
    const isHere = remarks.some(({ why }) => why === 'other-master');
    if (isHere) lastMs = clock.monoMs();
    else if (clock.monoMs() - lastMs > OTHER_MASTER_GONE_MS) {
      isHeard = false;
      alarms.clear(id, `${channel.name}: no other master asks on this line any more`);
    }
    if (!isHere || isHeard) return;
    isHeard = true;
    const message = 'another master asks on this line: its readings are uncertain. Only one master may be on a line';
    log.warn(message);
    alarms.raise(id, `${channel.name}: ${message}`, { channel: channel.name });
  };
}

/** The driver of a channel: its own, or a simulated one that serves the same devices. */
function driverOf(channel: ChannelConfig, simulate: boolean, deps: DriverDeps): Driver {
  if (!simulate) return channel.driver.create(channel.options, deps);
  const tags = channel.devices.flatMap(({ tags: all }) =>
    all.map((config) => ({ ...config.tag, ...config, address: config.tag.address })),
  );
  return simulatedDriver(channel, tags, deps, (_host, port, framing) => loopbackModbus(port, framing, deps));
}

/** The channel with every tag polled. */
function polledChannel(channel: ChannelConfig): ChannelConfig {
  const devices = channel.devices.map((device) => ({
    ...device,
    tags: device.tags.map((tag) => ({ ...tag, everyMs: tag.everyMs ?? SIMULATED_EVERY_MS })),
  }));
  return { ...channel, devices };
}
