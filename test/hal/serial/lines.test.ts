import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksumOf, withoutChecksum } from '../../../hal/serial/checksum.ts';
import { type Heard, LineReader, type LineSettings } from '../../../hal/serial/lines.ts';

const SETTINGS: LineSettings = {
  delimiters: [Buffer.from('\r\n')],
  start: undefined,
  length: undefined,
  maxLine: 32,
  encoding: 'ascii',
  checksum: 'none',
  idleMs: 500,
  endsByPause: false,
};

function reader(more: Partial<LineSettings> = {}) {
  const lines = new LineReader({ ...SETTINGS, ...more }, -10_000);
  return { lines, hear: (text: string, nowMs = 0) => lines.push(Buffer.from(text, 'latin1'), nowMs).map(short) };
}

function short(heard: Heard): string {
  return heard.kind === 'line' ? heard.text : `(${heard.detail})`;
}

describe('lines out of bytes', () => {
  it('are the same however the bytes are split', () => {
    const word = fc.string({ unit: fc.constantFrom('a', '1', '.', ' ', '\r'), minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(120), { maxLength: 6 }),
        (words, cuts) => {
          const text = words.map((each) => `${each.replaceAll('\r', '-')}\r\n`).join('');
          const { hear } = reader();
          const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
          const heard = places.slice(1).flatMap((to, index) => hear(text.slice(places[index], to)));
          expect(heard).toEqual(words.map((each) => each.replaceAll('\r', '-')));
        },
      ),
    );
  });

  it('never hold more than the longest line, and go on after one that is too long', () => {
    const { hear } = reader();
    for (let index = 0; index < 1000; index++) expect(hear('ST,GS,  12')).toEqual([]);
    expect(hear('\r\nnext\r\n')).toEqual(['(no delimiter in 32 bytes)', 'next']);
  });

  it('take a line of exactly the longest length', () => {
    expect(reader().hear(`${'x'.repeat(32)}\r\n`)).toEqual(['x'.repeat(32)]);
    expect(reader().hear(`${'x'.repeat(33)}\r\n`)).toEqual(['(no delimiter in 32 bytes)']);
  });

  it('never join half a line and a later one to a value that nobody sent', () => {
    const { lines, hear } = reader();
    expect(hear('ST,GS, 12', 0)).toEqual([]);
    expect(hear('3.4kg\r\n', 400)).toEqual(['ST,GS, 123.4kg']);
    expect(hear('ST,GS, 12', 1000)).toEqual([]);
    expect(lines.expire(1400)).toEqual([]);
    expect(hear('ST,GS, 99.0kg\r\n', 1500)).toEqual([
      '(half a line, and then nothing: if nothing ends its lines but a pause, write delimiter: idle)',
      'ST,GS, 99.0kg',
    ]);
  });

  it('do not begin in the middle of one that was under way when the port was opened', () => {
    const lines = new LineReader(SETTINGS, 0);
    expect(lines.push(Buffer.from('3.4kg\r\n5.6kg\r\n'), 100).map(short)).toEqual([
      '(the line had begun before the port was opened)',
      '5.6kg',
    ]);
  });

  it('drop the rest of a line that was cut off', () => {
    const { lines, hear } = reader();
    hear('ST,GS, 12');
    lines.cut();
    expect(hear('3.4kg\r\n5.6kg\r\n')).toEqual(['(a line was cut off by a request)', '5.6kg']);
  });

  it('begin after what is left over of the end of the last one: LF, ETX, a second DC3', () => {
    const { lines, hear } = reader({ delimiters: [Buffer.from('\r')] });
    expect(hear('TAICB1160999\r\nTAICB1161000\r\n\x03', 0)).toEqual(['TAICB1160999', 'TAICB1161000']);
    expect(lines.expire(10_000)).toEqual([]);
    expect(reader({ delimiters: [Buffer.from('\x13')] }).hear('978\x13\x13979\x13\x13')).toEqual(['978', '979']);
    expect(reader().hear('\x02050020\r\n\x03\x02050021\r\n\x03')).toEqual(['\x02050020', '\x02050021']);
  });

  it('end with CR, LF or both where the file does not say which', () => {
    const delimiters = [Buffer.from('\r'), Buffer.from('\n')];
    for (const end of ['\r', '\n', '\r\n', '\n\r', '\r\r', '\r\n\x03'])
      expect(reader({ delimiters }).hear(`978${end}979${end}`), JSON.stringify(end)).toEqual(['978', '979']);
  });

  it('that end with another character than the file says are told of by that character', () => {
    const { lines, hear } = reader();
    expect(hear('978\r')).toEqual([]);
    expect(lines.expire(600).map(short)).toEqual([expect.stringContaining('byte 0x0d, and not with the delimiter')]);
  });

  it('begin with the start character where there is one, whatever was before it', () => {
    const { hear } = reader({ start: 0x02, delimiters: [Buffer.from('\x03')] });
    expect(hear('noise\x02 12.5\x03\r\nmore\x02 13.0\x03')).toEqual([' 12.5', ' 13.0']);
    expect(hear('\x02 12.\x02 14.0\x03')).toEqual(['(a line without its end)', ' 14.0']);
  });

  it('are frames of a length where there is no delimiter', () => {
    expect(reader({ delimiters: [], length: 4 }).hear('12.513.0')).toEqual(['12.5', '13.0']);
    const { lines, hear } = reader({ delimiters: [], length: 5, start: 0x02 });
    expect(hear('??\x0212.5\x0213')).toEqual(['12.5']);
    expect(lines.expire(1000).map(short)).toEqual(['(half a line, and then nothing)']);
  });

  it('are none with bytes that no text has: noise', () => {
    const { hear } = reader();
    expect(hear('12\xff34\r\n')).toEqual(['(byte 0xff in a line of text)']);
    expect(hear('12\x0034\r\n')).toEqual(['(byte 0x00 in a line of text)']);
    expect(reader({ encoding: 'latin1' }).hear('20 \xb0C\r\n')).toEqual(['20 °C']);
    expect(reader({ encoding: 'utf8' }).hear('20 \xc2\xb0C\r\n21 \xb0C\r\n')).toEqual(['20 °C', '(not UTF-8)']);
  });

  it('survive any bytes, within their bounds', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 20 }), (chunks) => {
        const { lines } = reader();
        for (const [index, chunk] of chunks.entries())
          for (const heard of lines.push(chunk, index * 100))
            if (heard.kind === 'line') expect(heard.bytes).toBeLessThan(33);
      }),
    );
  });

  it('may end with a bare newline, with or without a return', () => {
    expect(reader({ delimiters: [Buffer.from('\n')] }).hear('a\r\nb\n\n')).toEqual(['a', 'b']);
  });
});

describe('checksums', () => {
  const GGA = '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47';

  it('nmea: the sentence of many manuals is right, and wrong with any other digit', () => {
    expect(withoutChecksum(GGA, 'nmea')).toBe(GGA.slice(0, -3));
    expect(withoutChecksum(GGA.replace('4807', '4808'), 'nmea')).toBeUndefined();
    expect(withoutChecksum(GGA.slice(0, -3), 'nmea')).toBeUndefined();
  });

  it('xor and sum: two hex digits at the end', () => {
    expect(checksumOf('AB', 'xor')).toBe(0x03);
    expect(withoutChecksum('AB03', 'xor')).toBe('AB');
    expect(checksumOf('AB', 'sum')).toBe(0x83);
    expect(withoutChecksum('AB83', 'sum')).toBe('AB');
    expect(withoutChecksum('AB84', 'sum')).toBeUndefined();
  });
});
