import { describe, expect, it } from 'vitest';
import { type CheckReport, checkLines } from '../../../src/cli/check/check-text.ts';
import { colorsFor } from '../../../src/cli/terminal/context.ts';
import { displayWidth } from '../../../src/cli/terminal/table.ts';
import { forecast } from '../../../src/config/forecast/forecast.ts';
import { load, yaml } from '../../config/double/files.ts';
import { GOOD } from '../../config/double/good.ts';

/** What `check` shows of a file; a request on the doubles' line takes 10 ms and reads one tag. */
function shown(text: string, columns = 80, over: Partial<CheckReport> = {}): string[] {
  const result = load({ 'millgate.yaml': text });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const page = { columns: () => columns, colors: colorsFor(false, {}), hostname: 'bench', isTerminal: true };
  return checkLines({ forecast: forecast(result.config), machine: [], readings: undefined, ...over }, page);
}

/** A line with so many tags, each read with this period. */
function line(tags: number, every: string): string {
  const list = Array.from({ length: tags }, (_, index) => `t${index}: {address: "holding:${index}", type: int16}`);
  return yaml(
    'channels: {line: {driver: modbus-rtu, port: /dev/ttyS0}}',
    `devices: {${'p'.repeat(50)}: {channel: line, unit: 1, every: ${every}, tags: {${list.join(', ')}}}}`,
  );
}

describe('the text of check', () => {
  it('is calm, aligned and fits a terminal', () => {
    expect(shown(GOOD).join('\n')).toBe(EXPECTED);
  });

  it.each([40, 80, 120])('is at most %i columns wide, whatever the file', (columns) => {
    const machine = [
      {
        severity: 'broken',
        where: 'line',
        cause: 'the port is not there',
        remedy: 'Plug the adapter in, or write another',
      },
    ] as const;
    for (const text of shown(line(150, '1s'), columns, { machine, readings: new Map() }))
      if (text.trim().includes(' ') && !/p{50}/.test(text))
        expect(displayWidth(text), text).toBeLessThanOrEqual(columns);
  });

  it('names the slowest requests of a line that has too much to do', () => {
    const text = shown(line(150, '1s').replaceAll('p'.repeat(50), 'press')).join('\n');
    expect(text).toContain(
      "  TOO MUCH: the periods ask for 150 % of the line's time (1500 ms each\n    second), so scans will be skipped: read the 150 tags of 1s every 2s instead",
    );
    expect(text).toMatch(
      /slowest: unit 1 holding:0, 10ms each 1s: press\/t0\n {2}then unit 1 holding:1, .*\n {2}then unit 1/,
    );
  });

  it('shows values and their quality beside the tags when they were read', () => {
    const readings = new Map([
      ['press-1/oil-temp', { tag: 'press-1/oil-temp', t: 0, quality: 'good', value: 45.2 } as const],
      ['meter/power', { tag: 'meter/power', t: 0, quality: 'bad', why: 'timeout' } as const],
    ]);
    expect(shown(GOOD, 80, { readings }).join('\n')).toContain(`
Tags                value  unit  quality      every      address
  press-1/oil-temp   45.2        good         1s         holding:100 = 40101
  press-1/parts         –        not read     1s         holding:1 = 40002
  meter/power           –        bad timeout  1s         input:52 = 30053
  door/open             –        not read     on change  GPIO17
`);
  });

  it('shows scale, range and who writes, where the file has any', () => {
    const tags = [
      'temp: {address: "holding:100", type: int16, scale: 0.1, offset: -40, writable: {min: 40, max: 80}}',
      'flow: {address: "holding:101", type: int16, linear: {raw: [4000, 20000], value: [0, 16]}, writable: true}',
      'run: {address: "holding:102", type: int16}',
    ];
    const file = (commands: boolean) =>
      yaml(
        'channels: {line: {driver: modbus-rtu, port: /dev/ttyS0}}',
        `devices: {press: {channel: line, unit: 1, tags: {${tags.join(', ')}}}}`,
        `commands: {enabled: ${commands}}`,
      );
    const text = shown(file(false), 100).join('\n');
    expect(text).toContain(`
Tags          unit  every  scale              writable   address
  press/temp        1s     × 0.1 − 40         40…80      holding:100 = 40101
  press/flow        1s     4000…20000 → 0…16  any value  holding:101 = 40102
  press/run         1s                                   holding:102 = 40103
`);
    expect(text).toMatch(/hint: press\/temp, press\/flow may be written by the file, but nothing writes/);
    expect(shown(file(true), 100).join('\n')).not.toContain('hint');
  });
});

const EXPECTED = `line-a (modbus-rtu), 1 device
  every  tags  requests  line time  of period
  1s        2         2       20ms        2 %
  line in use 2 % of the time
  slowest: unit 3 holding:100, 10ms each 1s: press-1/oil-temp

plc (modbus-tcp), 1 device
  every  tags  requests  line time  of period
  1s        1         1       10ms        1 %
  line in use 1 % of the time
  slowest: unit 1 input:52, 10ms each 1s: meter/power

pins (gpio), 1 device
  1 on change, not counted in the numbers below

Tags                unit  every      address
  press-1/oil-temp        1s         holding:100 = 40101
  press-1/parts           1s         holding:1 = 40002
  meter/power             1s         input:52 = 30053
  door/open               on change  GPIO17

Store
  readings  3/s at most
  written   about 574 MB a day, with one commit each 1s
  kept      about 15.5 MB a day
  outage    about 129 days fit in 2 GB, then the oldest go`;
