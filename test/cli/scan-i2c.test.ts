import { describe, expect, it } from 'vitest';
import { showChips } from '../../src/cli/scan/scan.ts';
import { EXIT } from '../../src/core/errors.ts';
import { contextOf } from '../double/command-line.ts';
import { Terminal } from '../double/terminal.ts';

function shown(found: Parameters<typeof showChips>[1], json = false, columns = 80) {
  const terminal = new Terminal(columns, 24);
  const { context, err } = contextOf({ terminal, env: { NO_COLOR: '1' } });
  const exitCode = showChips(1, found, { json }, context);
  return { exitCode, lines: terminal.lines, err: err(), out: terminal.written };
}

const BME280 = { address: 0x76, chip: 'bme280', candidates: [], trouble: undefined };
const UNKNOWN = { address: 0x29, chip: undefined, candidates: ['vl6180x'], trouble: undefined };
const STUCK = { address: 0x50, chip: undefined, candidates: [], trouble: 'the device holds the clock' };

describe('scan of an I²C bus', () => {
  it('names the chips, those that may be, and what is in the way', () => {
    const { exitCode, lines, err } = shown([UNKNOWN, STUCK, BME280]);
    expect(lines).toEqual([
      'address  chip            trouble',
      '0x29     may be vl6180x',
      '0x50     not known here  the device holds the clock',
      '0x76     bme280',
    ]);
    expect(err).toContain('devices: {vl6180x: {channel: sensors, unit: 0x29, chip: vl6180x}}');
    expect(exitCode).toBe(EXIT.ok);
  });

  it('fits 40 columns', () => {
    for (const line of shown([UNKNOWN, STUCK, BME280], false, 40).lines) expect(line.length).toBeLessThanOrEqual(40);
  });

  it('gives JSON', () => {
    expect(JSON.parse(shown([BME280], true).out)).toEqual({
      bus: 1,
      found: [{ address: 0x76, chip: 'bme280', candidates: [] }],
    });
  });

  it('says what to check when nothing is there, exit 69', () => {
    const { exitCode, err } = shown([]);
    expect(err).toMatch(/^Nothing acknowledged on \/dev\/i2c-1\. Check power, SDA and SCL/);
    expect(exitCode).toBe(EXIT.unavailable);
  });
});
