import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseRate, parseSize } from '../../src/core/quantity.ts';

describe('durations, sizes and rates', () => {
  it.each([
    ['200us', 0.2],
    ['250ms', 250],
    ['1s', 1000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['8h', 28_800_000],
    ['30d', 2_592_000_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBeCloseTo(ms, 9));

  it.each(['', '5', 's', '5 s', '-1s', '1e3s', '1s ', '1w'])('%j is no duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('reads sizes as disks are sold and rates by second, minute or hour', () => {
    expect(parseSize('500MB')).toBe(500_000_000);
    expect(parseSize('2GB')).toBe(2_000_000_000);
    expect(parseSize('2GiB')).toBeUndefined();
    expect(parseRate('500/s')).toBe(500);
    expect(parseRate('90/m')).toBe(1.5);
    expect(parseRate('500')).toBeUndefined();
  });

  it.each([
    [0.25, '250us'],
    [250, '250ms'],
    [1500, '1.5s'],
    [90_000, '1m 30s'],
    [3_600_000, '1h'],
    [93_600_000, '1d 2h'],
  ])('%d ms reads %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it.each([
    [12, '12 B'],
    [1_500_000, '1.5 MB'],
    [2_000_000_000, '2 GB'],
  ])('%d bytes read %s', (bytes, text) => expect(formatSize(bytes)).toBe(text));
});
