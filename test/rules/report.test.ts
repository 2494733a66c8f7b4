import { describe, expect, it } from 'vitest';
import { type DeviceRecord, type Field, Fields } from '../../src/core/reading.ts';
import { ReportFilter } from '../../src/rules/report.ts';

function record(monoMs: number, ...fields: Field[]): DeviceRecord {
  return {
    device: 'press-1',
    at: { wallMs: monoMs, monoMs },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(fields),
  };
}
const oil = (value: number): Field => ({ name: 'oil-temp', quality: 'good', value });

/** Values of oil-temp that are reported when read once a second. */
function reported(filter: ReportFilter, values: number[]): number[] {
  return values.flatMap((value, second) => {
    const field = filter.filter(record(second * 1000, oil(value)))?.fields.at(0);
    return field && field.quality === 'good' ? [field.value as number] : [];
  });
}

describe('report by exception', () => {
  it('reports every reading of a tag without a deadband', () => {
    expect(reported(new ReportFilter(new Map()), [45, 45, 45])).toEqual([45, 45, 45]);
  });

  it('leaves out what has not moved by the deadband since the last report', () => {
    const filter = new ReportFilter(new Map([['press-1/oil-temp', { deadband: 0.2, heartbeatMs: undefined }]]));
    expect(reported(filter, [45, 45.1, 45.19, 45.2, 45.3, 45.4, 45.1])).toEqual([45, 45.2, 45.4, 45.1]);
  });

  it('reports again at the heartbeat although nothing changed', () => {
    const filter = new ReportFilter(new Map([['press-1/oil-temp', { deadband: 1, heartbeatMs: 3000 }]]));
    expect(reported(filter, [45, 45, 45, 45, 45, 45, 45])).toEqual([45, 45, 45]);
  });

  it('a change of quality or of its reason is always news', () => {
    const filter = new ReportFilter(new Map([['press-1/oil-temp', { deadband: 10, heartbeatMs: undefined }]]));
    const qualities: Field[] = [
      oil(45),
      { name: 'oil-temp', quality: 'bad', why: 'timeout' },
      { name: 'oil-temp', quality: 'bad', why: 'timeout' },
      { name: 'oil-temp', quality: 'bad', why: 'garbled' },
      { name: 'oil-temp', quality: 'uncertain', value: 45, why: 'out-of-range' },
      oil(45),
    ];
    const kept = qualities.map((field, index) => filter.filter(record(index, field)) !== undefined);
    expect(kept).toEqual([true, true, false, true, true, true]);
  });

  it('leaves out single fields and drops a record only when nothing of it is news', () => {
    const filter = new ReportFilter(new Map([['press-1/oil-temp', { deadband: 1, heartbeatMs: undefined }]]));
    const parts: Field = { name: 'parts', quality: 'good', value: 7 };
    filter.filter(record(0, oil(45), parts));
    expect(filter.filter(record(1, oil(45), parts))?.fields).toEqual(Fields.of([parts]));
    expect(filter.filter(record(2, oil(45)))).toBeUndefined();
  });
});
