/** Decides whether data flows again under a configuration on trial. */
import type { DeviceFlow } from '../../core/configuration.ts';
import type { ChannelConfig, Config, DeviceConfig } from '../config.ts';

/** How a device stands. */
export interface DeviceStand {
  readonly device: string;
  readonly channel: string;
  /** Whether one of its own tags reads good now. */
  readonly isGood: boolean;
  /** When it last gave a good value, monotonic ms; undefined: never. */
  readonly lastGoodMs: number | undefined;
  readonly isConnected: boolean;
}

/** A good reading is awaited for this long at least, ms, or for so many periods, but never longer than the most. */
const FLOW_MS = { least: 30_000, periods: 3, most: 600_000 } as const;

/** A device that has to give a good reading again. */
export interface Expected {
  readonly device: string;
  readonly channel: string;
  /** Whether its silence rolls the configuration back; else it is only told of. */
  readonly required: boolean;
  /** A device that reports by itself may have nothing to say: then its channel has to be connected. */
  readonly by: 'reading' | 'connection';
  readonly deadlineMs: number;
  /** Silent for so long after a good reading, it flows no more, ms. */
  readonly silentMs: number;
}

/**
 * What must be seen before a configuration is kept: every device that read good and is still there. Devices that are
 * new, or that are silent on a channel that is started anew, are awaited too, but do not decide. Devices on untouched
 * channels that are silent, or so slow that no reading comes in time, are not awaited.
 *
 * @param stands how the devices stood before
 * @param touched channels that are started anew
 */
export function expected(
  after: Config,
  stands: readonly DeviceStand[],
  touched: ReadonlySet<string>,
): readonly Expected[] {
  const good = new Set(stands.filter(({ isGood }) => isGood).map(({ device }) => device));
  return after.channels.flatMap((channel) =>
    channel.devices.flatMap((device): Expected[] => {
      const required = good.has(device.name);
      const isTouched = touched.has(channel.name);
      const periodMs = fastestMs(device);
      if (!required && !isTouched) return [];
      if (!isTouched && periodMs !== undefined && periodMs > FLOW_MS.most) return [];
      return [expectation(channel, device, periodMs, required)];
    }),
  );
}

function expectation(
  channel: ChannelConfig,
  device: DeviceConfig,
  periodMs: number | undefined,
  required: boolean,
): Expected {
  const wantedMs = Math.max(FLOW_MS.least, (periodMs ?? 0) * FLOW_MS.periods);
  return {
    device: device.name,
    channel: channel.name,
    required,
    by: periodMs === undefined ? 'connection' : 'reading',
    deadlineMs: Math.min(FLOW_MS.most, wantedMs),
    // Without the most: a device that is read once an hour has not fallen silent between two readings.
    silentMs: wantedMs,
  };
}

/** The shortest period of its polled tags; undefined when it reports by itself. */
function fastestMs({ tags }: DeviceConfig): number | undefined {
  const periods = tags.flatMap(({ everyMs }) => everyMs ?? []);
  return periods.length === 0 ? undefined : Math.min(...periods);
}

/**
 * How the awaited devices stand: one that gave a good reading flows as long as the next ones come.
 *
 * @param sinceMs when the configuration came into force, monotonic ms
 */
export function flowOf(
  awaited: readonly Expected[],
  stands: readonly DeviceStand[],
  sinceMs: number,
  nowMs: number,
): readonly DeviceFlow[] {
  const byName = new Map(stands.map((stand) => [stand.device, stand]));
  return awaited.map(({ device, channel, required, by, deadlineMs, silentMs }) => {
    const stand = byName.get(device);
    const lastGoodMs = stand?.lastGoodMs ?? Number.NEGATIVE_INFINITY;
    const hasFlowed = by === 'reading' ? lastGoodMs > sinceMs : stand?.isConnected === true;
    const isSilent = by === 'reading' && nowMs - lastGoodMs > silentMs;
    const isLate = hasFlowed ? isSilent : nowMs - sinceMs >= deadlineMs;
    const state = isLate ? 'late' : hasFlowed ? 'flows' : 'waiting';
    return { device, channel, required, state, deadlineMs };
  });
}

/** Devices without which a configuration is not kept, and which give nothing now. */
export function silent(flow: readonly DeviceFlow[]): readonly DeviceFlow[] {
  return flow.filter(({ state, required }) => required && state !== 'flows');
}
