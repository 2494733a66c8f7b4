import { tagsIn } from '../core/expression.ts';
import type { ChannelConfig, Config, TagConfig } from './config.ts';

/**
 * Bytes written to disk, measured with better-sqlite3 12 in WAL mode with synchronous=FULL and columnar compressed
 * batches, 200 tags a second: 61 B a reading with a commit each second, 14 B with one each 10 s. Two unknowns explain
 * both: what a commit costs whatever it holds (10 444 B: log frames, checkpoint) and what a reading adds (8.78 B).
 */
export const MEASURED = { readingsPerSecond: 200, bytesPerReadingAt1s: 61, bytesPerReadingAt10s: 14 } as const;

const READINGS_1S = MEASURED.readingsPerSecond;
const READINGS_10S = MEASURED.readingsPerSecond * 10;

/** What one reading adds to a commit, bytes. */
export const BYTES_A_READING =
  (READINGS_10S * MEASURED.bytesPerReadingAt10s - READINGS_1S * MEASURED.bytesPerReadingAt1s) /
  (READINGS_10S - READINGS_1S);

/** What a commit costs whatever it holds, bytes. */
export const BYTES_A_COMMIT = READINGS_1S * (MEASURED.bytesPerReadingAt1s - BYTES_A_READING);

/**
 * What stays of a commit once its log is checkpointed: a row, its index and the batch's header. An upper bound, so that
 * the days of outage are a lower one; the log's copy of the readings is counted too.
 */
export const STORED_BYTES_A_COMMIT = 256;

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
  /** The request that takes longest. */
  readonly slowest: { readonly text: string; readonly lineMs: number; readonly tags: readonly string[] } | undefined;
}

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
export interface TagForecast {
  readonly tag: string;
  readonly channel: string;
  readonly address: string;
  readonly unit: string | undefined;
  readonly everyMs: number | undefined;
}

/** What is made of readings: computed tags, and how many rules judge them. */
export interface RulesForecast {
  readonly derived: readonly {
    readonly tag: string;
    readonly unit: string | undefined;
    readonly from: readonly string[];
  }[];
  readonly alarms: number;
  /** Alarms for the instruments that alarms watch. */
  readonly instruments: number;
  readonly charts: number;
}

/** What a configuration will do, before anything is touched. JSON-able. */
export interface Forecast {
  readonly channels: readonly ChannelForecast[];
  readonly tags: readonly TagForecast[];
  readonly rules: RulesForecast;
  readonly readingsPerSecond: number;
  readonly store: {
    readonly commitEveryMs: number;
    /** Bytes handed to the disk in a day: what wears flash. */
    readonly writtenBytesPerDay: number;
    /** Bytes that stay in a day. */
    readonly storedBytesPerDay: number;
    readonly maxBytes: number;
    /** Days without an uplink before the oldest readings are given up; undefined when nothing is polled. */
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
  const perDay = (commit: number): number => DAY_S * (commitsPerSecond * commit + readingsPerSecond * BYTES_A_READING);
  const storedBytesPerDay = perDay(STORED_BYTES_A_COMMIT);
  return {
    channels,
    tags: config.channels.flatMap(tagsOf),
    rules: rulesOf(config),
    readingsPerSecond,
    store: {
      commitEveryMs,
      writtenBytesPerDay: perDay(BYTES_A_COMMIT),
      storedBytesPerDay,
      maxBytes,
      outageDays: storedBytesPerDay > 0 ? maxBytes / storedBytesPerDay : undefined,
    },
  };
}

/** Share of the line's time that the periods of a channel ask for; above 1 they cannot be kept. */
export function plannedUtilisation(channel: ChannelConfig): number {
  return forecastChannel(channel).utilisation;
}

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
  const slowest = [...requests].sort((a, b) => b.lineMs - a.lineMs)[0];
  const perSecond = everyMs > 0 ? 1000 / everyMs : (shareLeft * 1000) / Math.max(lineMs, 1);
  return {
    everyMs,
    tags: tags.length,
    requests: requests.length,
    lineMs,
    utilisation: everyMs > 0 ? lineMs / everyMs : shareLeft,
    readingsPerSecond: tags.length * perSecond,
    slowest: slowest && { text: slowest.text, lineMs: slowest.lineMs, tags: slowest.tags },
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

/** An alarm on stale readings tells of a dead instrument by itself. */
function rulesOf({ derived, alarms, spc }: Config): RulesForecast {
  const watched = alarms.filter(({ condition }) => condition.kind !== 'stale').map(({ tag }) => tag);
  return {
    derived: derived.map(({ tag, expression }) => ({ tag: tag.tag.id, unit: tag.unit, from: tagsIn(expression) })),
    alarms: alarms.length,
    instruments: new Set(watched).size,
    charts: spc.length,
  };
}

function tagsOf(channel: ChannelConfig): TagForecast[] {
  return channel.devices.flatMap(({ tags }) =>
    tags.map(({ tag, unit, everyMs }) => ({
      tag: tag.id,
      channel: channel.name,
      address: channel.driver.describeAddress(tag.address),
      unit,
      everyMs,
    })),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
