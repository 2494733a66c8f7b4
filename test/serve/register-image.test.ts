/** What a master is answered out of the last readings: never a number that is old, bad or cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import type { ModbusServerConfig } from '../../src/config/config.ts';
import { formatProblems } from '../../src/config/file/problems.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Outcome, Reading, TagId } from '../../src/core/reading.ts';
import { createImage } from '../../src/serve/register-image.ts';
import { BUILT_IN, memoryFiles } from '../config/double/files.ts';

const TAGS = `
channels: {sim: {driver: mock}}
devices:
  press:
    channel: sim
    every: 1s
    tags:
      oil: {address: "constant(value=1)"}
      flow: {address: "constant(value=1)"}
      parts: {address: "constant(value=1)"}
      run: {address: "constant(value=true)"}
`;

/** The server of a map, with the tags above. */
function serverOf(map: string, more = ''): ModbusServerConfig {
  const text = `${TAGS}serve: {modbus: {${more}map: {${map}}}}\n`;
  const loaded = loadConfig({
    file: 'millgate.yaml',
    drivers: DRIVERS,
    hostname: 'gate-1',
    timezone: 'UTC',
    files: memoryFiles({ 'millgate.yaml': text }),
    profiles: BUILT_IN,
  });
  if (!loaded.ok) throw new Error(formatProblems(loaded.problems));
  return loaded.config.serve!.modbus!;
}

/** A master that asks a map; `set` is what the devices said last, and how long ago (ms). */
function master(map: string, more = '') {
  const readings = new Map<TagId, Reading>();
  const nowMs = 1_000_000;
  const image = createImage(serverOf(map, more), (tag) => readings.get(tag));
  return {
    set(tag: string, outcome: Outcome, ageMs = 100) {
      readings.set(`press/${tag}`, { tag: `press/${tag}`, wallMs: 0, monoMs: nowMs - ageMs, ...outcome });
    },
    good(tag: string, value: number | boolean | bigint, ageMs = 100) {
      this.set(tag, { quality: 'good', value }, ageMs);
    },
    /** What stands in the answer, in hexadecimal; `exception N` where it is refused. */
    ask(...pdu: number[]): string {
      const answer = image.answer(Uint8Array.from(pdu), nowMs);
      if (answer[0]! >= 0x80) return `exception ${answer[1]}`;
      return Buffer.from(answer.subarray(2)).toString('hex');
    },
  };
}

const holding = (start: number, count: number) => [3, start >> 8, start & 0xff, count >> 8, count & 0xff];

describe('values of a map', () => {
  it('are sent in their type, order and scale', () => {
    const map =
      '"holding:0": press/oil, "holding:2": {tag: press/oil, order: CDAB}, "holding:4": {tag: press/oil, type: int16, scale: 0.1}, "holding:5": {tag: press/parts, type: uint32}';
    const hmi = master(map);
    hmi.good('oil', 45.26);
    hmi.good('parts', 70_000);
    expect(hmi.ask(...holding(0, 2))).toBe('42350a3d');
    expect(hmi.ask(...holding(2, 2))).toBe('0a3d4235');
    expect(hmi.ask(...holding(4, 1))).toBe((453).toString(16).padStart(4, '0'));
    expect(hmi.ask(...holding(5, 2))).toBe('00011170');
  });

  it('of truth are bits, or 0 and 1 in a register', () => {
    const hmi = master('"coil:7": press/run, "discrete:0": press/run, "input:0": press/run');
    hmi.good('run', true);
    expect(hmi.ask(1, 0, 7, 0, 1)).toBe('01');
    expect(hmi.ask(2, 0, 0, 0, 1)).toBe('01');
    expect(hmi.ask(4, 0, 0, 0, 1)).toBe('0001');
  });

  it('are not cut: half of a value beside half of a later one is a number that never was', () => {
    const hmi = master('"holding:0": press/oil');
    hmi.good('oil', 1);
    expect(hmi.ask(...holding(0, 1))).toBe('exception 2');
    expect(hmi.ask(...holding(1, 1))).toBe('exception 2');
  });

  it('are there where the map has them, and nowhere else', () => {
    const hmi = master('"holding:0": press/oil, "holding:3": press/flow');
    hmi.good('oil', 1);
    hmi.good('flow', 1);
    expect(hmi.ask(...holding(0, 5))).toBe('exception 2');
    expect(hmi.ask(4, 0, 0, 0, 2)).toBe('exception 2');
  });

  it('that do not fit their registers are not sent', () => {
    const hmi = master('"holding:0": {tag: press/oil, type: int16}, "holding:1": {status: press/oil}');
    hmi.good('oil', 40_000);
    expect(hmi.ask(...holding(0, 1))).toBe('exception 4');
    expect(hmi.ask(...holding(1, 1))).toBe('0110');
  });
});

describe('a value that is not good and fresh', () => {
  const cases: readonly [name: string, outcome: Outcome, ageMs: number, word: string][] = [
    ['is bad', { quality: 'bad', why: 'timeout' }, 100, '0104'],
    ['is older than three periods', { quality: 'good', value: 5 }, 3001, '0108'],
    ['was kept while the device was busy', { quality: 'uncertain', value: 5, why: 'last-usable' }, 100, '0108'],
  ];

  it.each(cases)('that %s: exception 4, and the status word tells', (_name, outcome, ageMs, word) => {
    const hmi = master('"holding:0": press/oil, "holding:2": press/flow, "holding:9": {status: "press/*"}');
    hmi.good('flow', 7);
    hmi.good('oil', 5, 3000);
    expect(hmi.ask(...holding(9, 1))).toBe('0001');
    hmi.set('oil', outcome, ageMs);
    expect(hmi.ask(...holding(0, 2))).toBe('exception 4');
    expect(hmi.ask(...holding(0, 4))).toBe('exception 4');
    expect(hmi.ask(...holding(2, 2))).toBe('40e00000');
    expect(hmi.ask(...holding(9, 1))).toBe(word);
  });

  it('that was not read yet has none', () => {
    const hmi = master('"holding:0": press/oil, "holding:9": {status: press/oil}');
    expect(hmi.ask(...holding(0, 2))).toBe('exception 4');
    expect(hmi.ask(...holding(9, 1))).toBe('0104');
  });

  it('is sent with a doubt where the doubt is of the value, not of its age', () => {
    const hmi = master('"holding:0": press/oil, "holding:9": {status: press/oil}');
    hmi.set('oil', { quality: 'uncertain', value: 5, why: 'out-of-range' });
    expect(hmi.ask(...holding(0, 2))).toBe('40a00000');
    expect(hmi.ask(...holding(9, 1))).toBe('0003');
  });

  it('is flagged by a pattern of its type where the file asks for it, and no value looks like it', () => {
    const types = ['float32', 'int16', 'uint16', 'int32', 'uint32', 'float64', 'bcd16'];
    const map = types.map((type, index) => `"holding:${index * 10}": {tag: press/oil, type: ${type}}`).join(', ');
    const hmi = master(`${map}, "coil:0": press/run`, 'whenBad: flag, ');
    const sizes = [2, 1, 1, 2, 2, 4, 1];
    const absent = types.map((_, index) => hmi.ask(...holding(index * 10, sizes[index]!)));
    expect(absent).toEqual(['7fc00000', '8000', 'ffff', '80000000', 'ffffffff', '7ff8000000000000', 'ffff']);
    hmi.good('oil', -32_768);
    expect(hmi.ask(...holding(10, 1))).toBe('8000');
    expect(hmi.ask(...holding(30, 2))).toBe('ffff8000');
    // One bit has no pattern to spare.
    expect(hmi.ask(1, 0, 0, 0, 1)).toBe('exception 4');
  });

  it('of any age, quality and type is never sent as it was', () => {
    const hmi = master('"holding:0": {tag: press/oil, type: int32}', 'stale: 2s, ');
    const doubtful = fc.oneof(
      fc.record({ ageMs: fc.integer({ min: 2001, max: 1e9 }), isBad: fc.constant(false) }),
      fc.record({ ageMs: fc.integer({ min: 0, max: 1e9 }), isBad: fc.constant(true) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: -1e6, max: 1e6 }), doubtful, (value, { ageMs, isBad }) => {
        hmi.set('oil', isBad ? { quality: 'bad', why: 'offline' } : { quality: 'good', value }, ageMs);
        expect(hmi.ask(...holding(0, 2))).toBe('exception 4');
      }),
      { numRuns: 300 },
    );
  });
});

describe('a request', () => {
  it.each([5, 6, 15, 16, 22, 23, 7, 8, 43, 0x7f])('of function %i is refused: nothing is written', (code) => {
    const hmi = master('"holding:0": press/oil');
    hmi.good('oil', 1);
    expect(hmi.ask(code, 0, 0, 0, 1)).toBe('exception 1');
  });

  it('of any bytes is answered or refused, and nothing breaks', () => {
    const hmi = master('"holding:0": press/oil, "coil:3": press/run, "holding:9": {status: "press/*"}');
    hmi.good('oil', 1);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 253 }), (pdu) => {
        expect(hmi.ask(...pdu)).toMatch(/^(exception [1234]|[0-9a-f]*)$/);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [[3, 0, 0, 0, 0], 3],
    [[3, 0, 0, 0, 126], 3],
    [[1, 0, 0, 7, 209], 3],
    [[3, 0, 0, 0], 3],
    [[3, 255, 255, 0, 2], 2],
  ] as const)('%j has exception %i', (pdu, code) => {
    expect(master('"holding:0": press/oil').ask(...pdu)).toBe(`exception ${code}`);
  });
});
