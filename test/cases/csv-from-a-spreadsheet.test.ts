/** Readings that a technician saved from a spreadsheet: every form that one writes is read, or refused by its name. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';

const ROWS = [79.5, 80.5, 81.25, 79.5].map(
  (value, second) => [`2025-11-24T06:00:0${second}Z`, 'oven/temp', value] as const,
);

/** A table as text: its separator, how it writes a number, and how it ends a line. */
function table(separator: string, number: (value: number) => string, end = '\r\n'): string {
  const lines = ROWS.map(([t, tag, value]) => [t, tag, number(value), 'good'].join(separator));
  return [['t', 'tag', 'value', 'quality'].join(separator), ...lines, ''].join(end);
}

const point = (value: number) => String(value);
const comma = (value: number) => String(value).replace('.', ',');
const utf16be = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16();

async function backtest(bytes: string | Buffer) {
  const folder = temporaryFolder();
  const [file, csv] = [join(folder, 'millgate.yaml'), join(folder, 'readings.csv')];
  writeFileSync(
    file,
    `channels: {sim: {driver: mock}}\ndevices: {oven: {channel: sim, tags: {temp: {address: "1", type: float64}}}}\n` +
      `alarms: {hot: {tag: oven/temp, above: 80}}\nstore: {path: ${join(folder, 'store')}}\n`,
  );
  writeFileSync(csv, bytes);
  const run = millgate(['backtest', '--json', '--config', file, '--csv', csv]);
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('a CSV from a spreadsheet', () => {
  it.each([
    ['UTF-8 with a byte order mark', `\ufeff${table(',', point)}`],
    ['Unicode text: UTF-16 with tabs', Buffer.from(`\ufeff${table('\t', point)}`, 'utf16le')],
    ['UTF-16 the other way round', utf16be(table('\t', point))],
    ['UTF-16 without a byte order mark', Buffer.from(table(',', point), 'utf16le')],
    ['semicolons and decimal commas', table(';', comma)],
    ['tabs and decimal commas', table('\t', comma)],
    ['a word about its separator', `sep=;\r\n${table(';', comma)}`],
    [
      'comment lines, before the titles and between',
      `# line 3\n${table(',', point, '\n').replace('\n2025', '\n# early shift\n2025')}`,
    ],
    [
      'quotation marks round each cell',
      table('","', point)
        .replaceAll(/^(?=.)/gm, '"')
        .replaceAll('\r\n', '"\r\n')
        .replace(/"$/, ''),
    ],
  ])('is read: %s', async (_, bytes) => {
    const { exitCode, out, err } = await backtest(bytes);
    expect([exitCode, err]).toEqual([EXIT.ok, '']);
    const { events } = JSON.parse(out) as { events: object[] };
    expect(events).toMatchObject([
      { change: 'raised', t: Date.UTC(2025, 10, 24, 6, 0, 1), value: 80.5 },
      { change: 'returned', value: 79.5 },
    ]);
  });

  it.each([
    ['a comma in a number between commas', table(',', (value) => `"${comma(value)}"`), /decimal comma.*semicolons/],
    [
      'seconds in place of milliseconds',
      table(',', point).replaceAll(/2025-11-24T06:00:0(\d)Z/g, '176396400$1'),
      /seconds.*ms since 1970/,
    ],
    ['a date as people write it', table(';', comma).replaceAll('2025-11-24T', '24.11.2025 '), /ISO 8601/],
  ])('is refused by its name and its line: %s', async (_, text, words) => {
    const { exitCode, out, err } = await backtest(text);
    expect([exitCode, out]).toEqual([EXIT.failed, '']);
    expect(err).toMatch(/line 2/);
    expect(err).toMatch(words);
  });
});
