import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellOf, decodeText } from '../../src/backtest/csv.ts';
import { type FileTag, parseReadings } from '../../src/backtest/readings-file.ts';
import { recordsOfFile } from '../../src/backtest/records.ts';

const ANY: FileTag = { form: 'number', min: undefined, max: undefined };
const TAGS = new Map<string, FileTag>([
  ['press-1/oil', { form: 'number', min: 0, max: 100 }],
  ['press-1/running', { form: 'bool', min: undefined, max: undefined }],
  ['press-1/order', { form: 'text', min: undefined, max: undefined }],
  ['oven/temp', ANY],
]);

const SIX = Date.UTC(2025, 10, 24, 6);

/** One reading of a file as `device/tag value quality why`. */
function read(text: string): string[] {
  const { readings } = parseReadings(text, TAGS);
  return Array.from({ length: readings.length }, (_, index) => {
    const field = readings.fieldAt(index);
    const t = readings.timeAt(index);
    const { device } = readings.tagAt(index);
    const value = field.quality === 'bad' ? '–' : field.value;
    const why = field.quality === 'good' ? '' : ` ${field.why}`;
    return `${t - SIX} ${device}/${field.name} ${value} ${field.quality}${why}`;
  });
}

describe('a file of readings', () => {
  it('has time, tag, value and maybe a quality, with or without a header', () => {
    const lines = ['2025-11-24T06:00:00Z,press-1/oil,45.5,good', `${SIX + 1000},press-1/oil,46`];
    const wanted = ['0 press-1/oil 45.5 good', '1000 press-1/oil 46 good'];
    expect(read(lines.join('\n'))).toEqual(wanted);
    expect(read(`\ufefft,tag,value,quality\r\n${lines.join('\r\n')}\r\n`)).toEqual(wanted);
    expect(read('tag,t,unit,value\npress-1/oil,2025-11-24T07:00:00+01:00,°C,45.5\n')).toEqual(wanted.slice(0, 1));
    expect(read('t,tag,value\n"2025-11-24 06:00","press-1/oil","45.5"\n')).toEqual(wanted.slice(0, 1));
  });

  it.each([
    ['press-1/oil,,', 'press-1/oil – bad sensor-failure'],
    ['press-1/oil,50,bad', 'press-1/oil – bad sensor-failure'],
    ['press-1/oil,50,timeout', 'press-1/oil – bad timeout'],
    ['press-1/oil,NaN,', 'press-1/oil – bad sensor-failure'],
    ['press-1/oil,50,uncertain', 'press-1/oil 50 uncertain out-of-range'],
    ['press-1/oil,50,last-usable', 'press-1/oil 50 uncertain last-usable'],
    ['press-1/oil,150,', 'press-1/oil 150 uncertain out-of-range'],
    ['press-1/oil,150,good', 'press-1/oil 150 good'],
    ['press-1/running,1,', 'press-1/running true good'],
    ['press-1/running,off', 'press-1/running false good'],
    ['press-1/order,4711', 'press-1/order 4711 good'],
    ['oven/temp,-1e3', 'oven/temp -1000 good'],
    ['oven/temp,9223372036854775807', 'oven/temp 9223372036854775807 good'],
  ])('%s is %s', (cells, wanted) => {
    expect(read(`t,tag,value,quality\n${SIX},${cells}\n`)).toEqual([`0 ${wanted}`]);
  });

  it.each([
    '2025-11-24T06:00:00.250Z',
    '2025-11-24T07:00:00.25+01:00',
    '2025-11-24T07:00:00,250+01:00',
    '2025-11-24 07:00:00,250 +0100',
    '2025-11-24T11:30:00,25+0530',
    '2025-11-24T05:00:00.250999-01',
    '2025-11-24 06:00:00,250',
    String(SIX + 250),
    `${SIX + 250},0`,
  ])('the time %s is one instant, in a column of a spreadsheet, too', (time) => {
    expect(read(`t;tag;value\n${time};press-1/oil;80,5\n`)).toEqual(['250 press-1/oil 80.5 good']);
    expect(read(`t,tag,value\n"${time}",press-1/oil,80.5\n`)).toEqual(['250 press-1/oil 80.5 good']);
  });

  it('a day is its midnight, and a minute needs no seconds', () => {
    expect(read('t,tag,value\n2025-11-24,press-1/oil,1\n2025-11-24T06:00+01:00,press-1/oil,2\n')).toEqual([
      `${-6 * 3_600_000} press-1/oil 1 good`,
      '-3600000 press-1/oil 2 good',
    ]);
  });

  it('takes what history and watch print as JSON', () => {
    const line = JSON.stringify({ tag: 'press-1/oil', seq: 7, t: SIX, quality: 'bad', why: 'timeout' });
    expect(read(`${line}\n{"tag":"press-1/oil","t":${SIX},"quality":"good","value":4}\n`)).toEqual([
      '0 press-1/oil – bad timeout',
      '0 press-1/oil 4 good',
    ]);
  });

  it.each([
    [
      't,tag,value\nyesterday,press-1/oil,1',
      'line 2: "yesterday" is no time: write ISO 8601 (2025-11-24T06:00:00.000Z) or ms since 1970',
    ],
    ['t,tag,value\n1,press-1/oil,hot', 'line 2: "hot" is no value of press-1/oil, which is a number'],
    ['t,tag,value\n1,press-1/running,5', 'line 2: "5" is no value of press-1/running, which is on or off'],
    ['t,tag,value\n1,oil,5', 'line 2: "oil" is no full tag name: write DEVICE/TAG'],
    ['t,tag\n1,press-1/oil', 'line 1: the column value is missing'],
    ['t,tag,value\n1764000000,press-1/oil,5', 'line 2: the time "1764000000" looks like seconds'],
    ['t;tag;value\n1764000000,5;press-1/oil;5', 'line 2: the time "1764000000,5" looks like seconds'],
    ['t,tag,value\n999999999,press-1/oil,5\n1e9,press-1/oil,5', 'line 3: "1e9" is no time'],
    ['t,tag,value\n2025-13-24T06:00:00Z,press-1/oil,5', 'line 2: "2025-13-24T06:00:00Z" is no time'],
    ['t,tag,value\n1764000000000000,press-1/oil,5', 'looks like microseconds or nanoseconds'],
    ['t,tag,value\n1,press-1/oil,"80,5"', 'line 2: "80,5" has a decimal comma: write a point'],
    ['t,tag,value\n1,press-1/oil', 'line 2: has 2 columns: t,tag,value and maybe quality are expected'],
    ['t,tag,value\n1,"press-1/oil,5', 'line 2: has a quotation mark that is not closed, or in the middle of a cell'],
    ['{"tag":"press-1/oil"}', 'line 1: has no "t" or no "tag"'],
  ])('%j is refused', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it('may be what a spreadsheet writes: semicolons or tabs, decimal commas, comments, any encoding of letters', () => {
    const rows = ['2025-11-24T06:00:00Z;press-1/oil;80,5;good', '2025-11-24T06:00:01Z;press-1/order;1,5;'];
    const wanted = ['0 press-1/oil 80.5 good', '1000 press-1/order 1,5 good'];
    expect(read(['t;tag;value;quality', ...rows].join('\r\n'))).toEqual(wanted);
    expect(read(['# from the press', '', 'sep=;', 't;tag;value;quality', ...rows].join('\r\n'))).toEqual(wanted);
    expect(read(rows.join('\n'))).toEqual(wanted);
    const tabs = ['tag\tt\tvalue', 'press-1/oil\t2025-11-24T06:00:00Z\t80,5'].join('\n');
    expect(read(tabs)).toEqual(wanted.slice(0, 1));
    expect(read('# note\ntag,t,value\n# more\npress-1/oil,2025-11-24T06:00:00Z,80.5\n')).toEqual(wanted.slice(0, 1));
    for (const encoding of ['utf8', 'utf16le'] as const)
      for (const mark of ['', '\ufeff'])
        expect(read(decodeText(Buffer.from(`${mark}${tabs}`, encoding)))).toHaveLength(1);
    expect(read(decodeText(Buffer.from(`\ufeff${tabs}`, 'utf16le').swap16()))).toHaveLength(1);
    expect(() => decodeText(Buffer.from('t,tag,value\n1,press-1/order,20 °C', 'latin1'))).toThrow(/line 2: .* UTF-8/);
  });

  it('gives back every text that an export wrote, and runs none of them in a spreadsheet', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^['=+@\t\r\n",; -]{0,4}$/)), (text) => {
        const cell = cellOf(text);
        expect(cell.replace(/^"/, '')).not.toMatch(/^[=+\-@\t\r]/);
        const { readings } = parseReadings(`t,tag,value,quality\n1,press-1/order,${cell},good\n`, TAGS);
        expect(readings.fieldAt(0)).toEqual({ name: 'order', quality: 'good', value: text });
      }),
    );
  });

  it('counts what the configuration does not know', () => {
    const { unknown, readings } = parseReadings('1,press-9/oil,5\n2,press-9/oil,5\n', TAGS);
    expect([...unknown]).toEqual([['press-9/oil', 2]]);
    expect(readings.length).toBe(0);
  });
});

describe('records of a file', () => {
  const records = (...lines: string[]) =>
    [...recordsOfFile(parseReadings(lines.join('\n'), TAGS).readings)].map(
      ({ device, at, fields }) => `${at.monoMs} ${device} ${[...fields].map(({ name }) => name)}`,
    );

  it('hold what one device gave at one instant', () => {
    expect(records('1,press-1/oil,5', '1,oven/temp,7', '1,press-1/running,on', '2,press-1/oil,5')).toEqual([
      '1 press-1 oil,running',
      '1 oven temp',
      '2 press-1 oil',
    ]);
  });

  it('put a file that gives one tag after the other in the order of time', () => {
    expect(records('1,press-1/oil,5', '3,press-1/oil,6', '1,oven/temp,1', '2,oven/temp,2')).toEqual([
      '1 press-1 oil',
      '1 oven temp',
      '2 oven temp',
      '3 press-1 oil',
    ]);
  });

  it('keep a late reading late, and a repeated one apart', () => {
    expect(
      records('1,press-1/oil,5', '3,press-1/oil,6', '2,press-1/oil,7', '3,press-1/oil,8', '4,press-1/oil,9'),
    ).toEqual(['1 press-1 oil', '3 press-1 oil', '2 press-1 oil', '3 press-1 oil', '4 press-1 oil']);
  });
});
