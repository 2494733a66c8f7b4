/** Words an alarm: its event, its message and its status. */
import type { AlarmCondition, AlarmConfig } from '../../core/alarm.ts';
import type { AlarmChange, AlarmState, EventBody, Priority } from '../../core/event.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { Reading, TagId, Value } from '../../core/reading.ts';
import { numberText, type Shown, shownAs } from '../../core/reading.ts';
import { type Instrument, instrumentMessage } from './instrument.ts';
import type { AlarmRuleState, KeptAlarm } from './state.ts';

/** What happened, for the event that tells it. */
interface AlarmNews {
  readonly change: AlarmChange;
  readonly was: AlarmState;
  readonly state: AlarmState;
  readonly occurrence: number;
  /** More fields of the event: `by` and `comment` of an order, `until` of a shelving, `since` of a condition. */
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * The event of a transition. Beside the fields every alarm event has: `was`, the state before; `quality` and `why` of a
 * value that is not good; `tags` of an instrument alarm; `since`, UTC ms, when a condition that had to last began (or went, for a return).
 */
export function alarmEvent(
  config: AlarmConfig,
  news: AlarmNews,
  { kept, now: { reading } }: AlarmRuleState,
): EventBody {
  const { occurrence, change, state, was, details } = news;
  return {
    kind: 'alarm',
    id: config.id,
    occurrence,
    change,
    state,
    was,
    priority: config.priority,
    tag: config.tag,
    ...(config.condition.kind === 'instrument' ? failed(kept.instruments) : shownValue(reading)),
    ...limitOf(config.condition),
    message: alarmMessage(config, shownValue(reading).value, kept.instruments),
    ...details,
  };
}

/** The message with its fields filled in. The default ones say what is, so that they are true of every change. */
function alarmMessage(config: AlarmConfig, now: Value | undefined, instruments: readonly Instrument[] = []): string {
  const { condition, tag, unit, shown = {} } = config;
  if (condition.kind === 'instrument') return instrumentMessage(condition.device, instruments);
  const value = now === undefined ? 'unknown' : (shownAs(now, shown) ?? formatValue(now));
  const fields: Record<string, string> = { value, unit: unit ?? '', limit: limitText(condition, shown), tag };
  return (config.message ?? defaultMessage(condition))
    .replace(/\{(value|unit|limit|tag)\}/g, (_, field: string) => fields[field]!)
    .replace(/ {2,}/g, ' ')
    .replace(/ (?=[),.;]|$)/g, '')
    .trim();
}

/** An alarm as lists and the page show it. Times are UTC ms. */
export interface AlarmStatus {
  readonly id: string;
  readonly tag: TagId;
  readonly state: AlarmState;
  /** 0: never annunciated. An acknowledgement must name it. */
  readonly occurrence: number;
  readonly priority: Priority;
  /** Whether the condition holds, also while nothing is annunciated. */
  readonly active: boolean;
  readonly sinceMs: number | undefined;
  readonly shelvedUntilMs: number | undefined;
  /** Undefined when the tag was not read since the start, or reads bad. */
  readonly value: Value | undefined;
  readonly limit: Value | readonly Value[] | undefined;
  readonly message: string;
}

/** What a state says, for people. A normal alarm behind a closed gate is `suppressed` here, though no event says so. */
export function alarmStatus(config: AlarmConfig, { kept, now }: AlarmRuleState): AlarmStatus {
  return {
    id: config.id,
    tag: config.tag,
    state: kept.gated && kept.state === 'normal' ? 'suppressed' : kept.state,
    occurrence: kept.occurrence,
    priority: config.priority,
    active: kept.active,
    sinceMs: kept.sinceWallMs ?? kept.raised?.wallMs,
    shelvedUntilMs: kept.shelf?.untilWallMs,
    value: config.condition.kind === 'instrument' ? undefined : shownValue(now.reading).value,
    limit: limitOf(config.condition).limit,
    message: alarmMessage(config, toldValue(kept, shownValue(now.reading).value), kept.instruments),
  };
}

/** The value that the message tells: the one it was raised for, when the tag is back or cannot be read. */
function toldValue({ raised, active }: KeptAlarm, now: Value | undefined): Value | undefined {
  return active && now !== undefined ? now : (raised?.value ?? now);
}

/** The first tag that failed, and all of them. */
function failed(instruments: readonly Instrument[] = []): {
  tag?: TagId;
  tags?: readonly TagId[];
  quality?: string;
  why?: string;
} {
  const bad = instruments.filter(({ why }) => why !== undefined);
  const [first] = bad;
  return first ? { tag: first.tag, tags: bad.map(({ tag }) => tag), quality: 'bad', why: first.why! } : {};
}

function shownValue(reading: Reading | undefined): { value?: Value; quality?: string; why?: string } {
  if (!reading) return {};
  if (reading.quality === 'good') return { value: reading.value };
  if (reading.quality === 'bad') return { quality: 'bad', why: reading.why };
  return { value: reading.value, quality: 'uncertain', why: reading.why };
}

function limitOf(condition: AlarmCondition): { limit?: Value | readonly Value[] } {
  if (condition.kind === 'outside') return { limit: [condition.low, condition.high] };
  if (condition.kind === 'equals') return { limit: condition.value };
  return 'limit' in condition ? { limit: condition.limit } : {};
}

function limitText(condition: AlarmCondition, shown: Shown): string {
  switch (condition.kind) {
    case 'above':
    case 'below':
      return formatValue(condition.limit);
    case 'outside':
      return `${formatValue(condition.low)}…${formatValue(condition.high)}`;
    case 'equals':
      return shownAs(condition.value, shown) ?? formatValue(condition.value);
    case 'rateAbove':
      return `${formatValue(condition.limit)} in ${formatDuration(condition.perMs)}`;
    case 'stale':
      return formatDuration(condition.afterMs);
    case 'changed':
    case 'instrument':
      return '';
  }
}

function defaultMessage(condition: AlarmCondition): string {
  switch (condition.kind) {
    case 'above':
    case 'below':
    case 'outside':
      return `{tag} at {value} {unit} (alarm ${condition.kind} {limit} {unit})`;
    case 'equals':
      return '{tag} at {value} {unit} (alarm at {limit} {unit})';
    case 'rateAbove':
      return '{tag} at {value} {unit} (alarm at a change of more than {limit})';
    case 'stale':
      return '{tag} at {value} {unit} (alarm without a reading for {limit})';
    case 'changed':
      return '{tag} at {value} {unit} (alarm at every change)';
    case 'instrument':
      return '{tag}';
  }
}

function formatValue(value: Value): string {
  return typeof value === 'number' ? numberText(value) : String(value);
}
