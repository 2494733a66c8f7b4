import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeLine,
  encodeLine,
  hexOf,
  type LineEvent,
  type RecordedChannel,
  type RecordingLine,
} from '../../../hal/recording/recording.ts';
import { differing, LineBuilder, type RecordedLine } from '../../../hal/recording/recording-exchanges.ts';
import { mbapFrame, rtuFrame } from '../../double/modbus-slave.ts';

const HEADER: RecordingLine = {
  kind: 'header',
  header: {
    ...{
      gateway: 'press-shop-1',
      program: '0.1.0',
      config: { file: '/etc/millgate/millgate.yaml', hash: '9b1e00c0ffee' },
    },
    ...{ wallMs: Date.UTC(2025, 10, 24, 6), clockKnown: true, notRecorded: { pins: 'gpio' } },
    channels: {
      'line-a': {
        driver: 'modbus-rtu',
        framing: 'rtu',
        characterMs: 0.573,
        settings: { port: '/dev/ttyUSB0', baud: 19_200 },
      },
    },
  },
};

const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 }).map((array) => Buffer.from(array));
const anyEvent: fc.Arbitrary<LineEvent> = fc.oneof(
  fc.record({ what: fc.constantFrom('in' as const, 'out' as const), bytes }),
  fc.record({ what: fc.constantFrom('connecting' as const, 'open' as const, 'closed' as const) }),
  fc.record({ what: fc.constantFrom('failed' as const, 'lost' as const), why: fc.string() }),
);

const word = (hex: string): Uint8Array => Buffer.from(hex, 'hex');

describe('a line of a recording', () => {
  it('is text that a person can read', () => {
    const recorded = { us: 1200, channel: 'line-a', event: { what: 'out', bytes: word('0103000000010a84') } } as const;
    expect(encodeLine({ kind: 'event', recorded })).toBe('{"us":1200,"channel":"line-a","out":"0103000000010a84"}');
    const lost = { us: 5, channel: 'line-a', event: { what: 'lost', why: 'the port is gone' } } as const;
    expect(encodeLine({ kind: 'event', recorded: lost })).toBe(
      '{"us":5,"channel":"line-a","is":"lost","why":"the port is gone"}',
    );
    expect(encodeLine(HEADER)).toMatch(/^\{"schema":"millgate\/recording\/1","gateway":"press-shop-1"/);
  });

  it('comes back as it was', () => {
    expect(decodeLine(encodeLine(HEADER))).toEqual({ ok: true, line: HEADER });
    fc.assert(
      fc.property(fc.nat(), fc.string(), anyEvent, (us, channel, event) => {
        const line: RecordingLine = { kind: 'event', recorded: { us, channel, event } };
        expect(decodeLine(encodeLine(line))).toEqual({ ok: true, line });
      }),
    );
  });

  it('is never believed when it is torn or made up, and never throws', () => {
    const whole = encodeLine(HEADER);
    for (let length = 0; length < whole.length; length++)
      expect(decodeLine(whole.slice(0, length))).toEqual({ ok: false, why: 'damaged' });
    fc.assert(fc.property(fc.string(), (text) => !decodeLine(text).ok));
    fc.assert(fc.property(fc.json(), (text) => !decodeLine(text).ok));
    for (const text of ['{"us":-1,"channel":"a","in":"00"}', '{"us":1,"channel":"a","in":"0"}', '{"us":1,"in":"00"}'])
      expect(decodeLine(text).ok, text).toBe(false);
  });

  it('of another version says so', () => {
    expect(decodeLine('{"schema":"millgate/recording/2"}')).toEqual({ ok: false, why: 'version', version: '2' });
  });
});

/** The line that these events make: time in µs, what, and the bytes in hexadecimal or why. */
function lineOf(
  framing: RecordedChannel['framing'],
  events: readonly [number, LineEvent['what'], string?][],
): RecordedLine {
  const builder = new LineBuilder('line', { driver: 'any', framing, characterMs: 0, settings: {} });
  for (const [us, what, text] of events) {
    const carries = what === 'in' || what === 'out';
    const event = carries ? { what, bytes: word(text!) } : { what, why: text };
    builder.add({ us, channel: 'line', event: event as LineEvent });
  }
  return builder.line();
}

const QUESTION = hexOf(rtuFrame(1, word('0300000001')));
const ANSWER = hexOf(rtuFrame(1, word('0302002a')));

describe('the exchanges of a recording', () => {
  it('are a question with all that came after it, in its pieces and with its times', () => {
    const line = lineOf('rtu', [
      [0, 'open'],
      [1000, 'out', QUESTION],
      [9000, 'in', ANSWER.slice(0, 4)],
      [11_000, 'in', ANSWER.slice(4)],
      [20_000, 'out', QUESTION],
    ]);
    expect(
      line.exchanges.map(({ key, pieces }) => [key, pieces.map((piece) => [piece.afterUs, hexOf(piece.bytes)])]),
    ).toEqual([
      [
        '010300000001',
        [
          [8000, ANSWER.slice(0, 4)],
          [10_000, ANSWER.slice(4)],
        ],
      ],
      ['010300000001', []],
    ]);
  });

  it('of Modbus TCP are told apart by their transaction, however late the answer', () => {
    const [first, second] = [7, 8].map((id) => hexOf(mbapFrame(id, 1, word('0300000001'))));
    const late = hexOf(mbapFrame(7, 1, word('0302002a')));
    const { exchanges } = lineOf('tcp', [
      [0, 'open'],
      [1000, 'out', first],
      [2000, 'out', second],
      [3000, 'in', late],
    ]);
    const [piece] = exchanges[0]!.pieces;
    expect(exchanges[1]!.pieces).toEqual([]);
    expect(piece!.afterUs).toBe(2000);
    // Asked again under another id, the answer carries that one; a wrong id stays as wrong as it was.
    expect(hexOf(differing(piece!.bytes, piece!.transactionAt!, 0x1234))).toBe(
      hexOf(mbapFrame(0x1234, 1, word('0302002a'))),
    );
  });

  it('lose no byte of Modbus TCP, whatever comes', () => {
    const question = hexOf(mbapFrame(1, 1, word('0300000001')));
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 20 }), (chunks) => {
        const came = chunks.map((chunk, index): [number, 'in', string] => [2000 + index, 'in', hexOf(chunk)]);
        const { exchanges } = lineOf('tcp', [[0, 'open'], [1000, 'out', question], ...came]);
        const served = exchanges[0]!.pieces.map((piece) => {
          const { transactionAt } = piece;
          return hexOf(transactionAt ? differing(piece.bytes, transactionAt, exchanges[0]!.transaction) : piece.bytes);
        });
        expect(served.join('')).toBe(chunks.map(hexOf).join(''));
      }),
    );
  });

  it('end with the loss of the connection, which lasts until an attempt after the last that failed', () => {
    const { exchanges } = lineOf('rtu', [
      [0, 'open'],
      [1000, 'out', QUESTION],
      [5000, 'lost', 'gone'],
      [6000, 'connecting'],
      [7000, 'failed', 'no such port'],
      [9000, 'connecting'],
      [9500, 'open'],
    ]);
    expect(exchanges[0]!.loss).toEqual({ afterUs: 4000, forUs: 3000 });
  });

  it('leave out what came before the first question, but lines that a device sends by itself are served', () => {
    expect(
      lineOf('rtu', [
        [0, 'open'],
        [10, 'in', 'ffff'],
      ]),
    ).toMatchObject({ exchanges: [], uncalled: [], strayBytes: 2 });
    const [piece] = lineOf('text', [
      [5, 'open'],
      [10, 'in', '53540d0a'],
    ]).uncalled;
    expect(piece).toEqual({ afterUs: 5, bytes: word('53540d0a') });
  });
});
