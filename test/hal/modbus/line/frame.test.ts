import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  crc16,
  encodePdu,
  hasValidCrc,
  judgePdu,
  type ModbusRequest,
  parseIdentification,
  questionOf,
} from '../../../../hal/modbus/line/frame.ts';
import { scanMbap } from '../../../../hal/modbus/line/mbap.ts';
import { rtuQuestion, scanRtu } from '../../../../hal/modbus/line/scan-rtu.ts';
import { mbapFrame, rtuFrame, slowCrc } from '../../../double/modbus-slave.ts';
import { readOracle } from '../../../double/oracle.ts';

const PLAIN = { quiet: false, echo: 'unknown' as const, believeExceptions: true };
const QUIET = { ...PLAIN, quiet: true };
const READ: ModbusRequest = { kind: 'read', unit: 17, table: 'holding', start: 107, count: 3 };

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.split(' ').map((byte) => Number.parseInt(byte, 16)));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

describe('published frames', () => {
  const oracle = () => {
    return readOracle('modbus/modbus.json') as {
      rtu_frames_with_crc: string[];
      computed_frames: string[];
      pdu_examples_from_spec: [string, string][];
    };
  };

  it('their checksums are ours', () => {
    for (const hex of [...oracle().rtu_frames_with_crc, ...oracle().computed_frames]) {
      const frame = bytesOf(hex);
      expect([hex, hasValidCrc(frame, 0, frame.length)]).toEqual([hex, true]);
    }
  });

  it('the examples of the specification are asked in its bytes, and their answers believed', () => {
    const asked: ModbusRequest[] = [
      { kind: 'read', unit: 1, table: 'coil', start: 0x13, count: 0x13 },
      { kind: 'read', unit: 1, table: 'discrete', start: 0xc4, count: 0x16 },
      { kind: 'read', unit: 1, table: 'holding', start: 0x6b, count: 3 },
      { kind: 'read', unit: 1, table: 'input', start: 8, count: 1 },
      { kind: 'write-coil', unit: 1, start: 0xac, on: true },
      { kind: 'write-register', unit: 1, start: 1, register: 3 },
      {
        kind: 'write-coils',
        unit: 1,
        start: 0x13,
        coils: [true, false, true, true, false, false, true, true, true, false],
      },
      { kind: 'write-registers', unit: 1, start: 1, registers: Uint16Array.of(10, 0x102) },
      { kind: 'mask-register', unit: 1, start: 4, and: 0xf2, or: 0x25 },
    ];
    asked.forEach((request, index) => {
      const [question, answer] = oracle().pdu_examples_from_spec[index]!;
      expect(encodePdu(request)).toEqual(bytesOf(question));
      expect(judgePdu(questionOf(request), bytesOf(answer)).kind).toBe('answer');
    });
  });
});

describe('the checksum', () => {
  it('is that of the specification, drawn bit by bit', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => crc16(bytes) === slowCrc(bytes)));
  });
});

describe('an RTU question', () => {
  const question = rtuQuestion(questionOf(READ));
  const answer = rtuFrame(17, bytesOf('03 06 02 2B 00 00 00 64'));

  it('waits for the whole answer, however it is cut', () => {
    for (let length = 0; length < answer.length; length++)
      expect(scanRtu(answer.slice(0, length), question, PLAIN)).toMatchObject({ kind: 'more', damaged: false });
    expect(scanRtu(answer, question, PLAIN)).toMatchObject({ kind: 'answer', data: bytesOf('02 2B 00 00 00 64') });
  });

  it('believes an exception of its own function', () => {
    expect(scanRtu(rtuFrame(17, bytesOf('83 02')), question, PLAIN)).toMatchObject({ kind: 'exception', code: 2 });
    expect(scanRtu(rtuFrame(17, bytesOf('84 02')), question, PLAIN).kind).toBe('more');
  });

  it('strips its echo and says so', () => {
    const scan = scanRtu(joined(question.frame, answer), question, PLAIN);
    expect(scan).toMatchObject({ kind: 'answer', oddities: [{ kind: 'echo', bytes: 8 }] });
  });

  it('steps over a frame of another unit as a whole, even if it holds what looks like the answer', () => {
    const inside = rtuFrame(9, joined(bytesOf('03 0C'), answer, bytesOf('00')));
    expect(scanRtu(inside, question, QUIET)).toMatchObject({ kind: 'more', oddities: [{ kind: 'frame', unit: 9 }] });
    expect(scanRtu(joined(inside, answer), question, PLAIN)).toMatchObject({ kind: 'answer' });
  });

  it('finds the answer after noise once the line is quiet', () => {
    expect(scanRtu(joined(bytesOf('00 11 03'), answer), question, QUIET)).toMatchObject({ kind: 'answer' });
  });

  it('knows its answer with a damaged byte from no answer at all', () => {
    const damaged = answer.slice();
    damaged[5]! ^= 0x40;
    expect(scanRtu(damaged, question, QUIET)).toMatchObject({ kind: 'more', damaged: true });
  });

  it('takes the second copy of a write on a line that echoes', () => {
    const write = rtuQuestion(questionOf({ kind: 'write-register', unit: 17, start: 1, register: 3 }));
    const echoing = { ...PLAIN, echo: 'yes' as const };
    expect(scanRtu(write.frame, write, echoing).kind).toBe('more');
    expect(scanRtu(joined(write.frame, write.frame), write, echoing).kind).toBe('answer');
  });

  it('never takes an answer with one wrong byte, nor one of another length, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, quiet) => {
        const scan = scanRtu(bytes, question, { ...PLAIN, quiet });
        return scan.kind === 'more' || bytes.includes(17);
      }),
    );
    fc.assert(
      fc.property(fc.nat(answer.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const flipped = answer.slice();
        flipped[at]! ^= flip;
        return scanRtu(flipped, question, QUIET).kind === 'more';
      }),
    );
  });
});

describe('a Modbus TCP stream', () => {
  const nothing = () => undefined;
  const question = questionOf({ kind: 'read', unit: 17, table: 'holding', start: 0, count: 1 });
  const asked = (id: number) => (id === 7 ? question : undefined);
  const answer = mbapFrame(7, 17, bytesOf('03 02 01 4A'));

  it('is cut by the lengths it names, however it arrives', () => {
    const frames = [mbapFrame(1, 17, bytesOf('03 02 00 01')), mbapFrame(0xffff, 3, bytesOf('83 02'))];
    fc.assert(
      fc.property(fc.nat(frames[0]!.length + frames[1]!.length), (cut) => {
        const stream = joined(...frames);
        const first = scanMbap(stream.slice(0, cut), nothing, false);
        const second = scanMbap(stream.slice(first.taken), nothing, false);
        return first.frames.length + second.frames.length === 2 && first.noise.length + second.noise.length === 0;
      }),
    );
  });

  it('shows the answer behind whatever else came, in whatever pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(50), (noise, cut) => {
        const stream = joined(noise, answer);
        const first = scanMbap(stream.slice(0, cut), asked, false);
        const second = scanMbap(joined(stream.slice(first.taken)), asked, true);
        return [...first.frames, ...second.frames].some(
          ({ transaction, pdu }) => transaction === 7 && pdu.length === 4 && pdu[3] === 0x4a,
        );
      }),
    );
  });

  it.each(['00 47', 'FF FF', '00 04'])('believes the byte count of a read against a length of %s', (length) => {
    const damaged = joined(answer.slice(0, 4), bytesOf(length), answer.slice(6));
    const { frames, taken } = scanMbap(damaged, asked, false);
    expect(frames).toMatchObject([{ transaction: 7, wrongLength: expect.any(Number) }]);
    expect(frames[0]!.pdu).toEqual(bytesOf('03 02 01 4A'));
    expect(taken).toBe(damaged.length);
  });

  it('holds whatever comes without harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (bytes, isQuiet) => {
        const { taken, noise } = scanMbap(bytes, asked, isQuiet);
        return noise.length <= taken && (isQuiet ? taken === bytes.length : taken <= bytes.length);
      }),
    );
  });
});

describe('an identification', () => {
  it('gives its objects and where to go on', () => {
    const request: ModbusRequest = { kind: 'read-identification', unit: 1, category: 1, firstObject: 0 };
    const pdu = bytesOf('2B 0E 01 81 FF 01 01 00 04 41 43 4D 45');
    const judged = judgePdu(questionOf(request), pdu);
    expect(judged.kind === 'answer' && parseIdentification(judged.data)).toEqual({
      objects: [{ id: 0, text: 'ACME' }],
      next: 1,
    });
  });
});
