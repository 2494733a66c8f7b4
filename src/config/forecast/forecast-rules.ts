/** Forecasts what the rules of a configuration will make of the readings. */
import type { AlarmConfig } from '../../core/alarm.ts';
import { tagsIn } from '../../core/expression.ts';
import { formatDuration } from '../../core/quantity.ts';
import { isOutside } from '../../core/reading.ts';
import type { InventoryConfig, PartsConfig } from '../../core/rules/scanned.ts';
import type { SpcConfig } from '../../core/spc.ts';
import { type Config, type TagConfig, tagsOf } from '../config.ts';
import { type MachineForecast, machineDoubts, machineForecast } from './forecast-production.ts';

/** A rule that is right in itself, and still may never say what it is meant to say. */
interface RuleDoubt {
  /** `alarms.oil-hot`, `spc.shaft`. */
  readonly rule: string;
  readonly why: string;
  readonly remedy: string;
}

/** What is made of readings: computed tags, and how many rules judge them. */
export interface RulesForecast {
  readonly derived: readonly {
    readonly tag: string;
    readonly unit: string | undefined;
    readonly from: readonly string[];
  }[];
  readonly alarms: number;
  /** Alarms for the instruments that alarms need: one a device. */
  readonly instruments: number;
  readonly charts: number;
  /** Tags that at least one rule judges. */
  readonly judgedTags: number;
  /** What stations and stocks make of scans. */
  readonly scanned: readonly { readonly what: string; readonly says: readonly string[] }[];
  /** What will be counted of each machine. */
  readonly machines: readonly MachineForecast[];
  readonly doubts: readonly RuleDoubt[];
}

/** A chart that has no limits for longer than this is one that nobody waits for, ms. */
const LONG_BASELINE_MS = 7 * 86_400_000;

/** Works out what the rules of a configuration will do. Alarms that their own tag can never raise were refused before. */
export function forecastRules(config: Config): RulesForecast {
  const { derived, alarms, spc } = config;
  const tags = new Map(tagsOf(config).map((tag) => [tag.tag.id, tag]));
  const inputs = new Map(config.derived.map(({ tag, expression }) => [tag.tag.id, tagsIn(expression)]));
  const devicesOf = (tag: string): string[] => inputs.get(tag)?.flatMap(devicesOf) ?? [tag.split('/')[0]!];
  // An alarm on stale readings tells of a dead instrument by itself.
  const needed = alarms.flatMap(({ condition, tag, while: gate }) => [
    ...(condition.kind === 'stale' ? [] : devicesOf(tag)),
    ...(gate ? devicesOf(gate.tag) : []),
  ]);
  return {
    derived: derived.map(({ tag, expression }) => ({ tag: tag.tag.id, unit: tag.unit, from: tagsIn(expression) })),
    alarms: alarms.length,
    instruments: new Set(needed).size,
    charts: spc.length,
    judgedTags: new Set([...alarms, ...spc].map(({ tag }) => tag)).size,
    scanned: [...config.parts.map(stationForecast), ...config.inventory.map(stockForecast)],
    machines: config.production.map(machineForecast),
    doubts: [
      ...alarms.flatMap((alarm) => alarmDoubts(alarm, tags, config)),
      ...spc.flatMap((chart) => chartDoubts(chart, tags.get(chart.tag))),
      ...config.production.flatMap((machine) => machineDoubts(machine, tags)),
    ],
  };
}

function alarmDoubts(alarm: AlarmConfig, tags: ReadonlyMap<string, TagConfig>, { derived }: Config): RuleDoubt[] {
  const rule = `alarms.${alarm.id}`;
  const doubts: RuleDoubt[] = [];
  const gate = alarm.while && tags.get(alarm.while.tag);
  const equals = alarm.while?.equals;
  if (gate && typeof equals === 'number' && isOutside(equals, gate))
    doubts.push({
      rule,
      why: `is suppressed for ever: it works only while ${gate.tag.id} == ${equals}, which goes over ${rangeText(gate)}`,
      remedy: 'correct while:, or the range of that tag',
    });
  const own = tags.get(alarm.tag);
  const isComputed = derived.some(({ tag }) => tag.tag.id === alarm.tag);
  if (alarm.condition.kind === 'stale' && own?.everyMs === undefined && !isComputed)
    doubts.push({
      rule,
      why: `comes whenever nothing happens for ${formatDuration(alarm.condition.afterMs)}: ${alarm.tag} reports only when it changes`,
      remedy: 'leave it out if that is not meant: a dead input is told of by the alarm of its instrument',
    });
  return doubts;
}

function chartDoubts({ id, tag, limits, subgroup, spec }: SpcConfig, own: TagConfig | undefined): RuleDoubt[] {
  const rule = `spc.${id}`;
  const doubts: RuleDoubt[] = [];
  const { everyMs, min, max } = own ?? { everyMs: undefined, min: undefined, max: undefined };
  const pointMs =
    subgroup.by === 'time'
      ? subgroup.everyMs
      : subgroup.by === 'count' && everyMs !== undefined
        ? subgroup.size * everyMs
        : undefined;
  if (limits.from === 'baseline' && pointMs !== undefined && limits.points * pointMs > LONG_BASELINE_MS)
    doubts.push({
      rule,
      why: `has no limits for ${formatDuration(limits.points * pointMs)}: its baseline is ${limits.points} points, one each ${formatDuration(pointMs)}`,
      remedy: `read ${tag} more often, make subgroups smaller, or give limits: {center: …, sigma: …}`,
    });
  const reportMs = own?.heartbeatMs;
  const isEachPoll = subgroup.by === 'count' && everyMs !== undefined && everyMs > 0;
  if (isEachPoll && pointMs !== undefined && reportMs !== undefined && pointMs < reportMs)
    doubts.push({
      rule,
      why: `takes a point every ${formatDuration(pointMs)}, and ${tag} is reported every ${formatDuration(reportMs)} when it does not change: most points repeat the one before, and the limits are too narrow`,
      remedy: `write subgroup: {trigger: TAG} with a tag that changes with each part, or {every: ${formatDuration(reportMs)}}`,
    });
  else if (isEachPoll)
    doubts.push({
      rule,
      why: `takes every poll of ${tag} as a reading: a value that changes more slowly than each ${formatDuration(everyMs)} is counted again and again`,
      remedy:
        'write subgroup: {trigger: TAG} with a tag that changes with each part; for what has no parts (voltage, temperature, pressure) write chart: i-mr and subgroup: {every: 10s}, or a period in which the value is new',
    });
  const isOff =
    (spec?.usl !== undefined && min !== undefined && spec.usl < min) ||
    (spec?.lsl !== undefined && max !== undefined && spec.lsl > max);
  if (isOff && own)
    doubts.push({
      rule,
      why: `no value can meet its spec: ${tag} goes over ${rangeText(own)}`,
      remedy: 'correct spec:, or min and max of the tag',
    });
  return doubts;
}

function rangeText({ min, max }: TagConfig): string {
  return `${min ?? 'any'}…${max ?? 'any'}`;
}

function stationForecast({ id, serial, results, done, job, withinMs }: PartsConfig): RulesForecast['scanned'][number] {
  const judged = results.map(({ name, tag, unit, min, max, equals }) => {
    const limits = equals === undefined ? `${min ?? ''}…${max ?? ''} ${unit ?? ''}`.trim() : `has to be ${equals}`;
    return `${name} from ${tag}, ${limits}`;
  });
  const end = done === undefined ? 'when each result was read' : `when ${done} comes on or counts`;
  return {
    what: `Parts at ${id}`,
    says: [
      `A part begins with a scan of ${serial.tag}, and is finished ${end}, or after ${formatDuration(withinMs)}.`,
      `Its results: ${judged.join('; ')}.`,
      ...(job === undefined ? [] : [`Its lot is what ${job} says.`]),
    ],
  };
}

function stockForecast({ id, in: into, out, items }: InventoryConfig): RulesForecast['scanned'][number] {
  const ways = [...(into ? [`in by ${into.tag}`] : []), ...(out ? [`out by ${out.tag}`] : [])];
  const watched = items.filter(({ minimum }) => minimum !== undefined).length;
  const count = `${items.length} ${items.length === 1 ? 'article' : 'articles'}`;
  return { what: `Stock ${id}`, says: [`Counted ${ways.join(', ')}; ${count}, ${watched} with a minimum.`] };
}
