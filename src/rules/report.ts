/** Leaves out readings that say nothing new, by deadband and heartbeat. */
import type { DeviceRecord, Field, TagId, Value } from '../core/reading.ts';

/** When a tag with a deadband is reported; a slice of `TagConfig`. */
export interface ReportPolicy {
  /** Report changes of at least this much, in engineering units; 0 is any change. */
  readonly deadband: number;
  /** Report at least this often; undefined: however long nothing changes, nothing is reported. */
  readonly heartbeatMs: number | undefined;
}

interface Reported {
  readonly field: Field;
  readonly monoMs: number;
}

/** Doubles carry rounding: 0.3 − 0.1 is a change by a deadband of 0.2. */
const ROUNDING = 1e-9;

/**
 * Report by exception: leaves out of each record the readings that say nothing new. A change of quality or of its
 * reason is always news, and so is the first reading.
 */
export class ReportFilter {
  private readonly policies: ReadonlyMap<TagId, ReportPolicy>;
  private readonly reported = new Map<TagId, Reported>();

  /** @param policies tags that have a deadband; every reading of the others is reported */
  constructor(policies: ReadonlyMap<TagId, ReportPolicy>) {
    this.policies = policies;
  }

  /** Goes on with what another filter has reported, of the tags that are in both. */
  takeOver(before: ReportFilter): void {
    for (const [tag, reported] of before.reported) if (this.policies.has(tag)) this.reported.set(tag, reported);
  }

  /** What is news of several records; the same list when all is. */
  news(records: readonly DeviceRecord[]): readonly DeviceRecord[] {
    return this.policies.size === 0 ? records : records.flatMap((record) => this.filter(record) ?? []);
  }

  /** The record with the fields that are news; undefined when there are none. The same object when all are. */
  filter(record: DeviceRecord): DeviceRecord | undefined {
    if (this.policies.size === 0) return record;
    const { device, at } = record;
    const { names } = record.fields;
    const fields = record.fields.filter((place) => {
      const tag = `${device}/${names[place]}`;
      const policy = this.policies.get(tag);
      return policy === undefined || this.isNews(tag, policy, record.fields.at(place), at.monoMs);
    });
    if (fields === record.fields) return record;
    return fields.length === 0 ? undefined : { ...record, fields };
  }

  private isNews(tag: TagId, policy: ReportPolicy, field: Field, monoMs: number): boolean {
    const last = this.reported.get(tag);
    const news =
      !last ||
      (policy.heartbeatMs !== undefined && monoMs - last.monoMs >= policy.heartbeatMs) ||
      differs(last.field, field, policy.deadband);
    if (news) this.reported.set(tag, { field, monoMs });
    return news;
  }
}

function differs(before: Field, after: Field, deadband: number): boolean {
  if (before.quality !== after.quality) return true;
  if (before.quality === 'bad') return after.quality !== 'bad' || before.why !== after.why;
  if (after.quality === 'bad') return true;
  if (before.quality === 'uncertain' && after.quality === 'uncertain' && before.why !== after.why) return true;
  return movedBy(before.value, after.value, deadband);
}

function movedBy(before: Value, after: Value, deadband: number): boolean {
  if (before === after) return false;
  if (typeof before === 'bigint' && typeof after === 'bigint') {
    const change = after > before ? after - before : before - after;
    return Number(change) >= deadband;
  }
  if (isNumeric(before) && isNumeric(after)) {
    return Math.abs(Number(after) - Number(before)) >= deadband * (1 - ROUNDING);
  }
  return true;
}

function isNumeric(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}
