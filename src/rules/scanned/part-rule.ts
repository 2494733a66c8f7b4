/** The rule of a station: a scan opens a part, its results are gathered, and its record says pass, fail or incomplete. */
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import type { EventBody } from '../../core/event.ts';
import type { Instant, Reading, Value } from '../../core/reading.ts';
import type { PartsConfig, PartValue, ResultConfig, ResultVerdict } from '../../core/rules/scanned.ts';
import { isFresh, isSame } from '../alarm/condition.ts';
import type { Rule, Step, Tick } from '../rule.ts';
import { MOST_CODE, type Seen, scanOf } from './scan.ts';

/** A part that is at the station. */
interface OpenPart {
  /** Null: the reader could not read it; `unread` is what it said. */
  readonly serial: string | null;
  readonly unread: string | null;
  /** How often it was scanned, and whether the part before it had the same number. */
  readonly scans: number;
  readonly isRepeat: boolean;
  readonly fromMs: number;
  /** Null after a restart. */
  readonly monoMs: number | null;
  readonly job: string | null;
  /** What was read of each result since; a text, a truth value or a number. */
  readonly values: Readonly<Record<string, string | number | boolean>>;
}

/** What a station remembers; JSON, but for the times of the monotonic clock. */
interface PartState {
  readonly open: OpenPart | null;
  readonly seen: Seen | null;
  /** The number of the part before. */
  readonly before: string | null;
  /** What `done` was last; null: not read yet. */
  readonly done: number | null;
  readonly job: string | null;
}

/** Longest job and text of a result that is kept, characters. */
const MOST_TEXT = 64;

const INITIAL: PartState = { open: null, seen: null, before: null, done: null, job: null };

interface Work {
  state: PartState;
  readonly events: EventBody[];
}

/** The rule of a station. */
export function partRule(config: PartsConfig): Rule<PartState> {
  const tags = [config.serial.tag, config.job, ...config.results.map(({ tag }) => tag), config.done];
  const result = ({ state, events }: Work): Step<PartState> => ({
    state,
    findings: events.map((body) => ({ kind: 'event', body })),
    wakeAtMonoMs: state.open?.monoMs == null ? undefined : state.open.monoMs + config.withinMs,
  });
  const stepRecord = (state: PartState, readings: readonly Reading[]): Step<PartState> => {
    const work: Work = { state, events: [] };
    for (const reading of readings) if (reading.tag === config.job) takeJob(work, reading);
    for (const reading of readings) if (reading.tag === config.serial.tag) takeSerial(config, work, reading);
    for (const reading of readings) takeResult(config, work, reading);
    for (const reading of readings) if (reading.tag === config.done) takeDone(config, work, reading);
    return result(work);
  };
  return {
    id: config.id,
    tags: [...new Set(tags.filter((tag) => tag !== undefined))],
    initial: INITIAL,
    step(state, input) {
      if (!('kind' in input)) return stepRecord(state, [input]);
      const work: Work = { state, events: [] };
      takeTime(config, work, input);
      return result(work);
    },
    stepRecord,
    restore: restored,
  };
}

function takeJob(work: Work, reading: Reading): void {
  if (reading.quality === 'bad') return;
  const text = String(reading.value).trim().slice(0, MOST_TEXT);
  work.state = { ...work.state, job: text === '' ? null : text };
}

/** A scan opens a part; what was there before is recorded as it is. */
function takeSerial(config: PartsConfig, work: Work, reading: Reading): void {
  const { scan, seen } = scanOf(config.serial, work.state.seen ?? undefined, reading, config.noRead);
  if (seen && seen !== work.state.seen) work.state = { ...work.state, seen };
  if (!scan) return;
  const { open } = work.state;
  if (open && scan.code !== null && open.serial === scan.code) {
    work.state = { ...work.state, open: { ...open, scans: open.scans + 1 } };
    return;
  }
  if (open) close(config, work, reading, 'the next part was scanned');
  const opened: OpenPart = {
    serial: scan.code,
    unread: scan.unread ?? null,
    scans: 1,
    isRepeat: scan.code !== null && scan.code === work.state.before,
    fromMs: reading.wallMs,
    monoMs: reading.monoMs,
    job: work.state.job,
    values: {},
  };
  work.state = { ...work.state, open: opened };
}

function takeResult(config: PartsConfig, work: Work, reading: Reading): void {
  const { open } = work.state;
  const isOfPart = open && (open.monoMs === null || reading.monoMs >= open.monoMs);
  const own = config.results.filter(({ tag }) => tag === reading.tag);
  if (!isOfPart || own.length === 0 || reading.quality === 'bad' || !isFresh(reading)) return;
  const value = storable(reading.value);
  const values = { ...open.values, ...Object.fromEntries(own.map(({ name }) => [name, value])) };
  work.state = { ...work.state, open: { ...open, values } };
  const isComplete = config.results.every(({ name }) => Object.hasOwn(values, name));
  if (config.done === undefined && isComplete) close(config, work, reading, null);
}

/** A value as it is kept in a state: numbers that no double holds are texts, as on the wire. */
function storable(value: Value): string | number | boolean {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'string' ? value.slice(0, MOST_TEXT) : value;
}

/** The station says that the part is finished: a truth value that comes on, or a number that is another one. */
function takeDone(config: PartsConfig, work: Work, reading: Reading): void {
  if (reading.quality === 'bad' || typeof reading.value === 'string') return;
  const now = Number(reading.value);
  const { done: before, open } = work.state;
  if (now === before) return;
  work.state = { ...work.state, done: now };
  const isDone = before !== null && (typeof reading.value === 'boolean' ? reading.value : now !== 0);
  if (!isDone) return;
  if (open) {
    close(config, work, reading, null);
    return;
  }
  const { wallMs, monoMs } = reading;
  const nobody = { serial: null, unread: null, scans: 0, isRepeat: false, fromMs: wallMs, monoMs, values: {} };
  work.state = { ...work.state, open: { ...nobody, job: work.state.job } };
  close(config, work, reading, 'it was finished without a scan');
}

function takeTime(config: PartsConfig, work: Work, { monoMs, wallMs }: Tick): void {
  const { open } = work.state;
  if (!open) return;
  if (open.monoMs === null) {
    // The power was cut: how much of its time has passed, only the wall clock may know.
    const passedMs = Math.min(Math.max(0, wallMs - open.fromMs), config.withinMs);
    work.state = { ...work.state, open: { ...open, monoMs: monoMs - passedMs } };
    if (passedMs < config.withinMs) return;
  } else if (monoMs - open.monoMs < config.withinMs) return;
  close(config, work, { monoMs, wallMs }, 'its time was over');
}

/** Ends a part with its record. `why`: why it ended before it was finished; null: it was finished. */
function close(config: PartsConfig, work: Work, at: Instant, why: string | null): void {
  const open = work.state.open!;
  const values = config.results.map((result) => judged(result, open.values));
  const has = (verdict: ResultVerdict): boolean => values.some((value) => value.verdict === verdict);
  const result = has('fail') ? 'fail' : has('missing') ? 'incomplete' : 'pass';
  const { serial, unread, scans, isRepeat, fromMs, job } = open;
  const name = serial ?? (unread === null ? 'a part that was not scanned' : `a part that was not read (${unread})`);
  const wrong = values
    .filter(({ verdict }) => verdict !== 'pass')
    .map(({ name: each, verdict }) => `${each} ${verdict}`);
  const detail = [...wrong, ...(why === null || result === 'pass' ? [] : [why])].join(', ');
  work.events.push({
    kind: 'quality',
    what: 'part',
    station: config.id,
    serial,
    ...(unread !== null && { unread }),
    result,
    job,
    from: fromMs,
    to: at.wallMs,
    scans,
    ...(isRepeat && { repeat: true }),
    ...(why !== null && { why }),
    values,
    message: `${config.id}: ${name}: ${result}${detail === '' ? '' : ` (${detail})`}`,
  });
  work.state = { ...work.state, open: null, before: serial };
}

function judged({ name, tag, unit, min, max, equals }: ResultConfig, values: OpenPart['values']): PartValue {
  const value = Object.hasOwn(values, name) ? values[name]! : null;
  const limits = { min, max, equals };
  const verdict: ResultVerdict = value === null ? 'missing' : isWithin(value, limits) ? 'pass' : 'fail';
  return { name, tag, value, unit, ...limits, verdict };
}

function isWithin(
  value: string | number | boolean,
  { min, max, equals }: Pick<ResultConfig, 'min' | 'max' | 'equals'>,
) {
  if (equals !== undefined) return isSame(value, equals);
  const number = Number(value);
  return !Number.isNaN(number) && !(min !== undefined && number < min) && !(max !== undefined && number > max);
}

const text = (most: number) => z.string().max(most);
const stored = lazily(
  () =>
    z.strictObject({
      open: z
        .strictObject({
          serial: text(MOST_CODE).nullable(),
          unread: text(MOST_CODE + MOST_TEXT).nullable(),
          scans: z.int().min(0),
          isRepeat: z.boolean(),
          fromMs: z.number(),
          monoMs: z.number().nullable(),
          job: text(MOST_TEXT).nullable(),
          values: z.record(text(63), z.union([text(MOST_TEXT), z.number(), z.boolean()])),
        })
        .nullable(),
      seen: z.strictObject({ code: text(MOST_CODE + MOST_TEXT).nullable(), monoMs: z.number().nullable() }).nullable(),
      before: text(MOST_CODE).nullable(),
      done: z.number().nullable(),
      job: text(MOST_TEXT).nullable(),
    }) satisfies z.ZodType<PartState>,
);

function restored(kept: unknown): PartState {
  const read = stored().safeParse(kept);
  if (!read.success) return INITIAL;
  const { open, seen, ...rest } = read.data;
  // Times of a clock that is no more.
  return { ...rest, open: open && { ...open, monoMs: null }, seen: seen && { ...seen, monoMs: null } };
}
