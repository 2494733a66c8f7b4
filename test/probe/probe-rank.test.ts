import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DECODINGS, seriesAt, type Watched } from '../../src/probe/probe-decode.ts';
import { fitOf, parseExpected } from '../../src/probe/probe-expected.ts';
import { describePlace, listRegisters, tagLine } from '../../src/probe/probe-list.ts';
import { SCALE_EXPONENTS } from '../../src/probe/probe-prior.ts';
import { type Asked, rank } from '../../src/probe/probe-rank.ts';
import { configured } from '../double/configured.ts';
import { expectedOf } from '../hal/modbus/probe-accuracy.ts';
import { numberIn, wordsOf } from '../hal/modbus/probe-words.ts';

const BOTH: Asked = { table: undefined, first: 0, last: 20 };

/** Registers from address 0 on as they were seen, one row a look. */
function watched(looks: readonly (readonly (number | undefined)[])[], table: 'input' | 'holding' = 'input'): Watched {
  return { table, start: 0, looks };
}

describe('a lone value among zeros', () => {
  it('is the simplest that explains it: zeros beside it do not make it wider', () => {
    const map = Array.from({ length: 20 }, (_, index) => (index === 7 ? 452 : 0));
    const [best] = rank([watched([map])], BOTH, [expectedOf('45.2')])[0]!;
    expect(best).toMatchObject({ address: 7, exponent: -1, decoding: { type: 'uint16', order: 'ABCD' } });
  });
});

describe('a decoding', () => {
  it('is what the type and the order say, whatever the registers hold', () => {
    const word = fc.nat({ max: 0xffff });
    fc.assert(
      fc.property(fc.constantFrom(...DECODINGS), fc.array(word, { minLength: 4, maxLength: 4 }), (decoding, words) => {
        const series = seriesAt(watched([words]), 0, decoding);
        const expected = numberIn(decoding.type, decoding.order, words.slice(0, decoding.registers));
        // A float32 is decoded to the fewest digits that are the same float32.
        const same = decoding.type === 'float32' ? Math.fround : (value: number) => value;
        if (series) expect(same(Number(series.last))).toBe(same(Number(expected)));
        else expect(Number.isFinite(Number(expected))).toBe(false);
      }),
    );
  });

  it('needs all its registers at once', () => {
    const pair = DECODINGS.find(({ type, order }) => type === 'uint32' && order === 'ABCD')!;
    expect(
      seriesAt(
        watched([
          [1, undefined],
          [undefined, 2],
        ]),
        0,
        pair,
      ),
    ).toBeUndefined();
    expect(
      seriesAt(
        watched([
          [1, undefined],
          [1, 2],
        ]),
        0,
        pair,
      )?.values,
    ).toEqual([65_538]);
  });
});

describe('a value as a display shows it', () => {
  it.each([
    ['231.4', 231.4, 0.05],
    ['-0.50', -0.5, 0.005],
    ['50', 50, 0.5],
    ['.5', 0.5, 0.05],
    ['1.25e3', 1250, 5],
  ])('%s is known to its last digit', (text, value, halfStep) => {
    const { value: parsed } = parseExpected(text) as { value: { value: number; halfStep: number } };
    expect(parsed.value).toBe(value);
    expect(parsed.halfStep).toBeCloseTo(halfStep, 12);
  });

  it('may be given a tolerance', () => {
    expect(parseExpected('200', 0.02)).toMatchObject({ ok: true, value: { halfStep: 4 } });
  });

  it.each(['', 'abc', '12,5', '1.2.3', '0x10', '-'])('%s is refused', (text) => {
    expect(parseExpected(text).ok).toBe(false);
  });

  it('fits what rounds to it better than what nearly does, and nothing else', () => {
    const expected = expectedOf('231.4');
    expect(fitOf(expected, [231.38, 231.41], 0)).toBeGreaterThan(0.8);
    expect(fitOf(expected, [231.48, 231.48], 0)).toBeLessThan(0.05);
    expect(fitOf(expected, [190, 190], 0)).toBeLessThan(1e-6);
    // A register in whole volts cannot be what a display with tenths shows, but it can be close.
    expect(fitOf(expected, [231], 1)).toBeLessThan(0.05);
  });
});

describe('ranking', () => {
  it('finds a scaled integer, and says which types nobody can tell from it', () => {
    const [candidates] = rank([watched([[17, 2314, 0, 9600]])], BOTH, [expectedOf('231.4')]);
    const [best] = candidates!;
    expect(best).toMatchObject({ address: 1, exponent: -1, value: 231.4, decoding: { type: 'uint16' } });
    const same = best!.same.map(({ address, decoding }) => `${address} ${decoding.type} ${decoding.order}`);
    expect(same).toEqual(expect.arrayContaining(['1 int16 ABCD', '1 uint32 CDAB']));
    expect(describePlace(best!)).toBe('input:1 = 30002, FC 4, uint16');
    expect(tagLine('voltage', best!)).toBe('voltage: {address: "input:1", type: uint16, scale: 0.1}');
  });

  it('tells the order of a float by how its registers move', () => {
    const looks = [231.37, 231.41, 231.39, 231.44].map((value, index) => [
      ...wordsOf('float32', 'CDAB', value),
      ...wordsOf('float32', 'CDAB', 229.1 + index / 7),
    ]);
    const [candidates] = rank([watched(looks, 'holding')], BOTH, [expectedOf('231.4')]);
    expect(candidates![0]).toMatchObject({ address: 0, decoding: { type: 'float32', order: 'CDAB' }, exponent: 0 });
    expect(tagLine('value', candidates![0]!)).toBe('value: {address: "holding:0", type: float32, order: CDAB}');
  });

  it('prefers the table and the addresses that were named, and looks one beside them', () => {
    const registers = watched([[2314, 7, 2314, 7, 2314]]);
    const [named] = rank([registers], { table: undefined, first: 2, last: 3 }, [expectedOf('231.4')]);
    expect(named!.map(({ address }) => address)).toEqual([2, 4].slice(0, named!.length));
    const [beside] = rank([registers], { table: undefined, first: 1, last: 1 }, [expectedOf('231.4')]);
    expect(new Set(beside!.map(({ address }) => address))).toEqual(new Set([0, 2]));
    const tables = [registers, watched([[2314, 7, 2314, 7, 2314, 5]], 'holding')];
    const [inTables] = rank(tables, { table: 'holding', first: 2, last: 2 }, [expectedOf('231.4')]);
    expect(inTables![0]!.table).toBe('holding');
  });

  it('takes several values of one device to be of one kind', () => {
    // 50.0 is at 1 and, as a whole number, at 5; the voltages are tenths.
    const registers = watched([[2314, 500, 2299, 0, 0, 50]]);
    const ranking = rank([registers], BOTH, ['231.4', '50.0', '229.9'].map(expectedOf));
    expect(ranking.map(([best]) => best!.address)).toEqual([0, 1, 2]);
    expect(ranking.map(([best]) => best!.exponent)).toEqual([-1, -1, -1]);
  });

  it('has nothing where nothing fits', () => {
    expect(rank([watched([[1, 2, 3]])], BOTH, [expectedOf('231.4')])).toEqual([[]]);
  });

  it('gives shares that add up to one', () => {
    const [candidates] = rank([watched([[50, 7, 500, 9, 5000]])], BOTH, [expectedOf('50')]);
    expect(candidates!.length).toBeGreaterThan(1);
    expect(candidates!.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  });
});

describe('what is to be pasted', () => {
  it('is accepted by the loader, whatever the type, the order and the scale', () => {
    const places = DECODINGS.flatMap((decoding) =>
      SCALE_EXPONENTS.map((exponent) => ({ table: 'input' as const, address: 7, decoding, exponent })),
    );
    const tags = places.map((place, index) => `      ${tagLine(`value-${index}`, place)}`);
    const file = [
      'channels: {plc: {driver: modbus-tcp, host: 10.0.0.1}}',
      'devices:',
      '  meter:',
      '    channel: plc',
      '    unit: 1',
      '    tags:',
      ...tags,
    ];
    const [channel] = configured(file.join('\n'));
    const { tags: loaded } = channel!.devices[0]!;
    expect(loaded.map(({ scale }) => scale)).toEqual(places.map(({ exponent }) => Number(`1e${exponent}`)));
    expect(loaded.map(({ tag }) => tag.address)).toMatchObject(
      places.map(({ decoding }) => ({ start: 7, type: decoding.type, order: decoding.order })),
    );
  });
});

describe('listing', () => {
  it('shows what a register may begin, and nothing that is only possible', () => {
    const looks = [49.98, 50.01, 50.03].map((value) => [
      ...wordsOf('float32', 'ABCD', value),
      0x5344,
      0x4d36,
      0x3330,
      0,
    ]);
    const sights = listRegisters(watched(looks), 0, 5, false);
    expect(sights[0]!.readings[0]).toMatchObject({ type: 'float32', order: 'ABCD', value: 50.03 });
    expect(sights[0]!.moved || sights[1]!.moved).toBe(true);
    expect(sights[2]!.readings).toMatchObject([{ type: 'string', registers: 3, value: 'SDM630' }]);
    expect(sights.flatMap(({ readings }) => readings).length).toBeLessThan(6);
  });

  it('shows everything when asked to, and holes as holes', () => {
    const sights = listRegisters(watched([[1, 2, undefined, 3, 4]]), 0, 4, true);
    expect(sights[0]!.readings.length).toBeGreaterThan(10);
    expect(sights[2]).toEqual({ address: 2, word: undefined, moved: false, readings: [] });
  });
});
