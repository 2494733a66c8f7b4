/** Turns what a driver read into engineering units with a quality, and back for writes. */
import type { ReadResult, Tag, WriteResult } from '../../hal/driver.ts';
import type { TagConfig } from '../config/config.ts';
import type { Failure } from '../core/quality.ts';
import type { DeviceRecord, Field, Instant, Outcome, Value } from '../core/reading.ts';
import type { JobEnd } from './schedule.ts';

/** What turns a raw value into engineering units and judges its range; a slice of `TagConfig`. */
interface Conversion {
  readonly scale: number;
  readonly offset: number;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/**
 * raw · scale + offset. Where 1/scale is a whole number the raw value is divided by it, because 3/10 is 0.3 and
 * 3·0.1 is not. A scaled 64-bit integer becomes a double; unscaled it stays exact.
 */
function scaled(raw: number | bigint, { scale, offset }: Conversion): number | bigint {
  if (scale === 1 && offset === 0) return raw;
  const divisor = Math.round(1 / scale);
  const value = Number(raw);
  return (divisor > 1 && 1 / divisor === scale ? value / divisor : value * scale) + offset;
}

/**
 * The outcome of one result of a driver, in engineering units: scaled, checked to be finite, and doubted when it lies
 * outside min…max (kept, since a value out of its engineering range is still what the sensor said).
 */
export function outcomeOf(conversion: Conversion, result: ReadResult): Outcome {
  if (!result.ok) return { quality: 'bad', why: result.why };
  const raw: Value = result.value;
  if (typeof raw === 'boolean' || typeof raw === 'string') return judged(raw, result.doubt);
  const value = scaled(raw, conversion);
  if (typeof value === 'number' && !Number.isFinite(value)) return { quality: 'bad', why: 'overflow' };
  const { min, max } = conversion;
  if ((min !== undefined && value < min) || (max !== undefined && value > max)) {
    return { quality: 'uncertain', value, why: 'out-of-range' };
  }
  return judged(value, result.doubt);
}

function judged(value: Value, doubt: 'last-usable' | 'missed-edges' | 'counter-reset' | undefined): Outcome {
  return doubt ? { quality: 'uncertain', value, why: doubt } : { quality: 'good', value };
}

/**
 * What a driver is asked to write for a value in engineering units, the reverse of {@link outcomeOf}. Text and bits
 * are not scaled; a 64-bit integer passes unchanged where the tag is not scaled.
 *
 * @returns undefined when the value is no finite number after the conversion
 */
export function rawOf(conversion: Conversion, value: Value): Value | undefined {
  const { scale, offset } = conversion;
  if (typeof value === 'boolean' || typeof value === 'string' || (scale === 1 && offset === 0)) return value;
  const raw = (Number(value) - offset) / scale;
  return Number.isFinite(raw) ? raw : undefined;
}

/** The result of a write in engineering units, as its driver gave it in raw ones. */
export function writtenIn(conversion: Conversion, result: WriteResult, at: Instant): WriteResult {
  if (!result.ok || result.readBack === undefined) return result;
  const outcome = outcomeOf(conversion, { at, ok: true, value: result.readBack });
  return { ok: true, readBack: outcome.quality === 'bad' ? undefined : outcome.value };
}

interface Open {
  readonly device: string;
  readonly at: Instant;
  readonly fields: Field[];
}

/**
 * One record for each (device, instant) among the results, in the order of their first tags. Tags that one request
 * answered need not stand together.
 *
 * @param configs by tag id, at least of every tag here
 */
export function recordsOf(
  tags: readonly Tag[],
  results: readonly ReadResult[],
  configs: ReadonlyMap<string, TagConfig>,
  make: (device: string, at: Instant, fields: Field[]) => DeviceRecord,
): DeviceRecord[] {
  const open: Open[] = [];
  let last: Open | undefined;
  for (let index = 0; index < tags.length; index++) {
    const tag = tags[index]!;
    const result = results[index]!;
    if (last === undefined || last.at !== result.at || last.device !== tag.device) {
      last = open.find(({ device, at }) => at === result.at && device === tag.device);
      if (last === undefined) {
        last = { device: tag.device, at: result.at, fields: [] };
        open.push(last);
      }
    }
    last.fields.push({ name: tag.name, ...outcomeOf(configs.get(tag.id)!, result) });
  }
  return open.map(({ device, at, fields }) => make(device, at, fields));
}

/** Failures that mean that nobody answered; every other word came from the device or about it. */
const SILENCE: ReadonlySet<string> = new Set<Failure>([
  'timeout',
  'garbled',
  'gateway-target',
  'gateway-path',
  'not-connected',
  'offline',
]);

/** What the results say of the device. One answer is enough; what was not asked says nothing. */
export function endOf(results: readonly ReadResult[]): JobEnd {
  const asked = results.filter((result) => result.ok || result.asked !== false);
  if (asked.length === 0) return 'not-asked';
  if (asked.some((result) => result.ok || !SILENCE.has(result.why))) return 'answered';
  return asked.some((result) => !result.ok && result.why === 'gateway-path') ? 'path' : 'silent';
}

/** Why the first tag that was asked for has no value. */
export function firstFailure(results: readonly ReadResult[]): Failure {
  for (const result of results) if (!result.ok && result.asked !== false) return result.why;
  return 'timeout';
}
