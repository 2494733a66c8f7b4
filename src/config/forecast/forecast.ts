/** Forecasts the load of a configuration: requests, bus time, bytes written, and how long an outage may last. */
import { describeModbusAddress } from '../../../hal/modbus/map/address-text.ts';
import { type Shown, shownOf } from '../../core/reading.ts';
import type { ChannelConfig, Config, TagConfig, WriteLimits } from '../config.ts';
import { forecastRules, type RulesForecast } from './forecast-rules.ts';

/**
 * What one commit costs the disk, by the readings in it: bytes handed to the disk, log and file together
 * (`/proc/self/io`), without the uplinks' positions; and bytes of the files in the end. Measured with the store itself on
 * ext4, 7200 commits (1000 readings: 3600), values that wander, half of them rounded to a decimal. A commit writes whole
 * pages and its index whatever it holds, so few readings a commit are dear: 3.3 kB written a reading at 2 a second, 14 B
 * at 1000. `test/long/store-bytes.mjs` measures it again.
 */
export const MEASURED_COMMITS: readonly CommitCost[] = [
  { readings: 2, writtenBytes: 5591, storedBytes: 176 },
  { readings: 20, writtenBytes: 5814, storedBytes: 245 },
  { readings: 200, writtenBytes: 8492, storedBytes: 1072 },
  { readings: 1000, writtenBytes: 12_568, storedBytes: 3162 },
];

/** What a commit of so many readings costs, bytes. */
interface CommitCost {
  readonly readings: number;
  readonly writtenBytes: number;
  readonly storedBytes: number;
}

/** What it costs to note how far the uplinks are, bytes: with a commit, at most each 5 s. From commits of 1 s and of 10 s. */
const POSITION_BYTES = 5200;
const POSITION_EVERY_S = 5;

/**
 * What the states of charts add to a commit that carries any, and what each of them adds, bytes. Measured like the commits:
 * 20 readings with 1, 10 and 40 charts that get a point each second add 2.5, 3.2 and 8.2 kB.
 */
const CHARTS_BYTES = 2400;
const CHART_BYTES = 160;

/** Above this share of its time a line has no room for retries and repeats. */
const TIGHT = 0.8;
const DAY_S = 86_400;

/** Tags of one channel that are read with one period. */
export interface PeriodForecast {
  readonly everyMs: number;
  readonly tags: number;
  readonly requests: number;
  /** Line time of reading them all once. */
  readonly lineMs: number;
  /** Share of the line's time, 0…; of a back-to-back class, what the others leave. */
  readonly utilisation: number;
  /** Readings a second of this class. */
  readonly readingsPerSecond: number;
  /** The requests that take longest, the longest first, at most {@link SLOWEST}. */
  readonly slowest: readonly SlowRequest[];
}

/** A request with the time it takes on the line and the tags it reads. */
interface SlowRequest {
  readonly text: string;
  readonly lineMs: number;
  readonly tags: readonly string[];
}

/** How many of the slowest requests are named. */
const SLOWEST = 3;

/** What a channel will do. */
export interface ChannelForecast {
  readonly channel: string;
  readonly driver: string;
  readonly devices: number;
  readonly periods: readonly PeriodForecast[];
  /** Tags that report by themselves. */
  readonly eventfulTags: number;
  /** Share of the line's time that periods ask for; above 1 they cannot be kept. */
  readonly utilisation: number;
  readonly verdict: 'ok' | 'tight' | 'too-much';
  /** What to do about it; undefined when all is well. */
  readonly advice: string | undefined;
}

/** A tag as `check` lists it. */
export interface TagForecast extends Shown {
  readonly tag: string;
  readonly channel: string;
  readonly address: string;
  readonly unit: string | undefined;
  readonly everyMs: number | undefined;
  /** How the raw value becomes the value: `× 0.1`, `4000…20000 → 0…16`; undefined where it is taken as it comes. */
  readonly scale: string | undefined;
  /** What may be written: `40…80`, `any value`; undefined where nothing may be. */
  readonly writable: string | undefined;
}

/** A place of the Modbus server, as `check` lists it. */
interface ServedForecast {
  /** `holding:1 = 40002, FC 3, int16`. */
  readonly place: string;
  readonly what: string;
  /** Until what age its value is sent, ms; undefined where its age says nothing. */
  readonly staleMs: number | undefined;
}

/** What a configuration will do, before anything is touched. JSON-able. */
export interface Forecast {
  readonly channels: readonly ChannelForecast[];
  readonly tags: readonly TagForecast[];
  readonly rules: RulesForecast;
  /** Tags with `writable` that nothing writes: commands are off, and no alarm sets them. */
  readonly neverWritten: readonly string[];
  /** What masters find at the Modbus server. */
  readonly served: readonly ServedForecast[];
  readonly readingsPerSecond: number;
  readonly store: {
    readonly commitEveryMs: number;
    /** Bytes handed to the disk in a day: what wears flash. */
    readonly writtenBytesPerDay: number;
    /** Of these, what the points of control charts cost. */
    readonly chartBytesPerDay: number;
    /** Bytes that stay in a day. */
    readonly storedBytesPerDay: number;
    readonly maxBytes: number;
    /** Days without an uplink before the oldest readings are given up, about; undefined when nothing is polled. */
    readonly outageDays: number | undefined;
  };
}

/** Works out what a checked configuration will do. Pure. */
export function forecast(config: Config): Forecast {
  const channels = config.channels.map(forecastChannel);
  const readingsPerSecond = sum(channels.flatMap(({ periods }) => periods.map((each) => each.readingsPerSecond)));
  const { commitEveryMs, maxBytes } = config.store;
  const scansPerSecond = sum(
    channels.flatMap(({ periods }) => periods.map((each) => each.readingsPerSecond / each.tags)),
  );
  const commitsPerSecond = Math.min(1000 / commitEveryMs, scansPerSecond);
  const commit = costOfCommit(commitsPerSecond > 0 ? readingsPerSecond / commitsPerSecond : 0);
  const positionsPerSecond = config.uplinks.length > 0 ? Math.min(1 / POSITION_EVERY_S, commitsPerSecond) : 0;
  const storedBytesPerDay = DAY_S * commitsPerSecond * commit.storedBytes;
  const chartBytesPerDay = DAY_S * chartBytesPerSecond(config, commitsPerSecond);
  const positionBytes = positionsPerSecond * POSITION_BYTES;
  return {
    channels,
    tags: config.channels.flatMap(tagsOf),
    rules: forecastRules(config),
    neverWritten: neverWritten(config),
    served: servedPlaces(config),
    readingsPerSecond,
    store: {
      commitEveryMs,
      writtenBytesPerDay: DAY_S * (commitsPerSecond * commit.writtenBytes + positionBytes) + chartBytesPerDay,
      chartBytesPerDay,
      storedBytesPerDay,
      maxBytes,
      outageDays: storedBytesPerDay > 0 ? maxBytes / storedBytesPerDay : undefined,
    },
  };
}

function neverWritten({ channels, alarms, commands }: Config): string[] {
  if (commands.enabled) return [];
  const set = new Set(alarms.map((alarm) => alarm.set?.tag));
  const tags = channels.flatMap(({ devices }) => devices.flatMap((device) => device.tags));
  return tags.filter(({ tag, writable }) => writable && !set.has(tag.id)).map(({ tag }) => tag.id);
}

/** A chart is written with the commit of each point; one with a trigger may get one with each reading of that tag. */
function chartBytesPerSecond({ spc, channels }: Config, commitsPerSecond: number): number {
  const periods = new Map(
    channels.flatMap(({ devices }) =>
      devices.flatMap(({ tags }) => tags.map((tag) => [tag.tag.id, tag.everyMs] as const)),
    ),
  );
  const pointsPerSecond = spc.map(({ tag, subgroup }) => {
    const every =
      subgroup.by === 'time' ? subgroup.everyMs : periods.get(subgroup.by === 'trigger' ? subgroup.tag : tag);
    const size = subgroup.by === 'count' ? subgroup.size : 1;
    return every === undefined ? 0 : Math.min(commitsPerSecond, 1000 / (size * every));
  });
  const points = sum(pointsPerSecond);
  return Math.min(commitsPerSecond, points) * CHARTS_BYTES + points * CHART_BYTES;
}

/** The cost of a commit of so many readings: between two measurements, or beyond the last in its direction. */
export function costOfCommit(readings: number): CommitCost {
  const above = MEASURED_COMMITS.findIndex((each) => each.readings > readings);
  const upper = above === -1 ? MEASURED_COMMITS.length - 1 : Math.max(1, above);
  const [from, to] = [MEASURED_COMMITS[upper - 1]!, MEASURED_COMMITS[upper]!];
  const share = (readings - from.readings) / (to.readings - from.readings);
  return {
    readings,
    writtenBytes: from.writtenBytes + share * (to.writtenBytes - from.writtenBytes),
    storedBytes: from.storedBytes + share * (to.storedBytes - from.storedBytes),
  };
}

/** Share of the line's time that the periods of a channel ask for; above 1 they cannot be kept. */
export function plannedUtilisation(channel: ChannelConfig): number {
  const known = utilisations.get(channel);
  if (known !== undefined) return known;
  const { utilisation } = forecastChannel(channel);
  utilisations.set(channel, utilisation);
  return utilisation;
}

/** Worked out once for each channel as it is configured: planning 1,000 tags takes milliseconds. */
const utilisations = new WeakMap<ChannelConfig, number>();

function forecastChannel(channel: ChannelConfig): ChannelForecast {
  const tags = channel.devices.flatMap((device) => device.tags);
  const classes = new Map<number, TagConfig[]>();
  for (const tag of tags) {
    if (tag.everyMs === undefined) continue;
    classes.set(tag.everyMs, [...(classes.get(tag.everyMs) ?? []), tag]);
  }
  const timed = [...classes].filter(([everyMs]) => everyMs > 0).sort(([a], [b]) => a - b);
  const periods = timed.map(([everyMs, group]) => forecastPeriod(channel, everyMs, group, 0));
  const utilisation = sum(periods.map((each) => each.utilisation));
  const backToBack = classes.get(0);
  if (backToBack) periods.push(forecastPeriod(channel, 0, backToBack, Math.max(0, 1 - utilisation)));
  const verdict = utilisation > 1 ? 'too-much' : utilisation > TIGHT ? 'tight' : 'ok';
  return {
    channel: channel.name,
    driver: channel.driver.type,
    devices: channel.devices.length,
    periods,
    eventfulTags: tags.filter(({ everyMs }) => everyMs === undefined).length,
    utilisation,
    verdict,
    advice: verdict === 'ok' ? undefined : advise(periods, utilisation),
  };
}

function forecastPeriod(
  channel: ChannelConfig,
  everyMs: number,
  tags: readonly TagConfig[],
  shareLeft: number,
): PeriodForecast {
  const { requests } = channel.driver.estimate(
    channel.options,
    tags.map(({ tag }) => tag),
  );
  const lineMs = sum(requests.map((each) => each.lineMs));
  const slowest = [...requests].filter(({ lineMs }) => lineMs > 0).sort((a, b) => b.lineMs - a.lineMs);
  const perSecond = everyMs > 0 ? 1000 / everyMs : (shareLeft * 1000) / Math.max(lineMs, 1);
  return {
    everyMs,
    tags: tags.length,
    requests: requests.length,
    lineMs,
    utilisation: everyMs > 0 ? lineMs / everyMs : shareLeft,
    readingsPerSecond: tags.length * perSecond,
    slowest: slowest.slice(0, SLOWEST).map(({ text, lineMs, tags: read }) => ({ text, lineMs, tags: read })),
  };
}

/** Which class to slow down, and to what: the one that asks for most, so that the line is at most at 80 %. */
function advise(periods: readonly PeriodForecast[], utilisation: number): string {
  const timed = periods.filter(({ everyMs }) => everyMs > 0);
  const greediest = [...timed].sort((a, b) => b.utilisation - a.utilisation)[0]!;
  const left = TIGHT - (utilisation - greediest.utilisation);
  const enoughMs = left > 0 ? niceMs(greediest.lineMs / left) : undefined;
  const slower =
    enoughMs === undefined
      ? 'make every period longer'
      : `read the ${greediest.tags} tags of ${ms(greediest.everyMs)} every ${ms(enoughMs)} instead`;
  return `${slower}, or use a faster line, fewer tags, or a second channel`;
}

/** The next 1, 2 or 5 times a power of ten. */
function niceMs(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 5, 10].map((step) => step * power).find((value) => value >= atLeast)!;
}

function ms(value: number): string {
  return value >= 1000 ? `${value / 1000}s` : `${value}ms`;
}

function tagsOf(channel: ChannelConfig): TagForecast[] {
  return channel.devices.flatMap(({ tags }) =>
    tags.map((tag) => ({
      tag: tag.tag.id,
      channel: channel.name,
      address: channel.driver.describeAddress(tag.tag.address),
      unit: tag.unit,
      everyMs: tag.everyMs,
      scale: scaleText(tag),
      writable: tag.writable && limitsText(tag.writable),
      ...shownOf(tag),
    })),
  );
}

function scaleText({ scale, offset, linear }: TagConfig): string | undefined {
  if (linear) return `${linear.raw.join('…')} → ${linear.value.join('…')}`;
  const factor = scale === 1 ? '' : `× ${scale}`;
  const shift = offset === 0 ? '' : `${offset < 0 ? '−' : '+'} ${Math.abs(offset)}`;
  return [factor, shift].filter((part) => part !== '').join(' ') || undefined;
}

function limitsText({ min, max }: WriteLimits): string {
  if (min === undefined && max === undefined) return 'any value';
  if (max === undefined) return `from ${min}`;
  return min === undefined ? `to ${max}` : `${min}…${max}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function servedPlaces({ serve }: Config): ServedForecast[] {
  return (serve?.modbus?.points ?? []).map((point) => {
    const place = describeModbusAddress(point.address);
    if (point.kind === 'status') return { place, what: `status of ${point.tags.join(', ')}`, staleMs: undefined };
    const { tag, scale, offset, staleMs } = point;
    const scaled = `${scale === 1 ? '' : ` ÷ ${scale}`}`;
    return { place, what: `${tag}${offset === 0 ? '' : ` - ${offset}`}${scaled}`, staleMs };
  });
}
