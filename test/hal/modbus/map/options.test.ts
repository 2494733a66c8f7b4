import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseLocation } from '../../../../hal/modbus/map/address.ts';
import { describeModbusAddress } from '../../../../hal/modbus/map/address-text.ts';
import { modbusDeviceShape, modbusTagShape, parseInvalid } from '../../../../hal/modbus/map/options.ts';
import { addressOf, checkTag, readModbusOracle } from '../../../double/modbus-data.ts';

/** Every message about one tag, or the line that describes its address. */
function verdict(tag: Record<string, unknown>, device?: Record<string, unknown>): string {
  const checked = checkTag('a', { a: tag }, device);
  return checked.ok
    ? describeModbusAddress(checked.value)
    : checked.problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
}

describe('the address of a tag', () => {
  it.each([
    [{ address: 'holding:100' }, 'holding:100 = 40101, FC 3, uint16'],
    [{ address: '40101' }, 'holding:100 = 40101, FC 3, uint16'],
    [{ address: '400101' }, 'holding:100 = 40101, FC 3, uint16'],
    [{ address: 'holding:0xBB7', type: 'float32' }, 'holding:2999 = 43000, FC 3, float32 ABCD'],
    [{ address: 'input:4', type: 'uint32', order: 'CDAB' }, 'input:4 = 30005, FC 4, uint32 CDAB'],
    [{ address: '30001', type: 'int16' }, 'input:0 = 30001, FC 4, int16'],
    [{ address: 'holding:120.3' }, 'holding:120.3 = 40121 bit 3, FC 3, bool'],
    [{ address: 'holding:10.4-7' }, 'holding:10.4-7 = 40011 bits 4 to 7, FC 3, uint16'],
    [{ address: 'holding:10.8-15', type: 'int8' }, 'holding:10.8-15 = 40011 bits 8 to 15, FC 3, int8'],
    [{ address: 'coil:0' }, 'coil:0 = 00001, FC 1, bool'],
    [{ address: '00173' }, 'coil:172 = 00173, FC 1, bool'],
    [{ address: 'discrete:196' }, 'discrete:196 = 10197, FC 2, bool'],
    [{ address: 'holding:65535' }, 'holding:65535 = 465536, FC 3, uint16'],
    [{ address: 'holding:40002', type: 'string', length: 16 }, 'holding:40002 = 440003, FC 3, string of 16 registers'],
  ])('%j is %s', (tag, line) => {
    expect(verdict(tag)).toBe(line);
  });

  it.each([
    [
      { address: 'holding:65536' },
      'address: protocol addresses end at 65535; holding:65536 does not exist: write holding:0 to holding:65535',
    ],
    [
      { address: 'holding:400101' },
      'address: protocol addresses end at 65535; 400101 looks like a Modicon number: write "400101" alone, or "holding:100", which is the same',
    ],
    [
      { address: 'holding:-1' },
      'address: holding:-1 is below 0: protocol addresses count from 0, so register 1 is holding:0',
    ],
    [
      { address: '40000' },
      'address: Modicon numbers count from 1, and 40000 would be number 0: the first holding register is "40001", which is holding:0',
    ],
    [
      { address: '465537' },
      'address: Modicon numbers end at 465536, and "465537" does not exist: write 400001 to 465536',
    ],
    [
      { address: '20001' },
      'address: no Modicon number begins with 2: write one that begins with 0 (coil), 1 (discrete), 3 (input) or 4 (holding), or "holding:20001" if this is the protocol address',
    ],
    [{ address: '100' }, /^address: 100 names no table: write "holding:100" if it is a protocol address/],
    [{ address: '40121.3' }, /write "holding:120.3", with bit 0 the lowest$/],
    [{ address: 'constructor:7' }, /^address: there is no table "constructor": write coil/],
    [
      { address: 'holding 40101' },
      /^address: "holding 40101" is not a Modbus address: write for example "holding:100"/,
    ],
    [{ address: 'hr:100' }, 'address: there is no table "hr": did you mean "holding:100"?'],
    [{ address: 'Coil:7' }, 'address: there is no table "Coil": did you mean "coil:7"?'],
    [{ address: 'db1:7' }, /^address: "db1:7" is not a Modbus address: write for example "holding:100"/],
    [{ address: 'coil:7.1' }, 'address: a coil is one bit already: write "coil:7"'],
    [
      { address: 'holding:7.16' },
      /^address: a register has only bits 0 \(lowest\) to 15\. Bit 16 of a 32-bit value at holding:7 is holding:7\.0, or holding:8\.0 if the words are swapped/,
    ],
    [{ address: 'holding:7', type: 'bool' }, /^type: a register has 16 bits.*write "holding:7.0" for the lowest bit/],
    [
      { address: 'holding:7.1', type: 'uint16' },
      'type: one bit is a bool, not uint16: remove type, or remove ".1" from the address to read the whole register',
    ],
    [
      { address: 'coil:7', type: 'int16' },
      'type: a coil is one bit and so a bool, not int16: did you mean holding:7 or input:7?',
    ],
    [
      { address: 'holding:65535', type: 'float32' },
      'address: float32 at holding:65535 needs 2 registers, and the last register is 65535: write an address up to 65534',
    ],
    [{ address: 'holding:1.7-4' }, /^address: bits 7-4 are not a range: write the lower bit first.*"holding:1.4-7"/],
    [{ address: 'holding:1', type: 'int8' }, /^type: int8 is half a register: write "holding:1.0-7" for its low byte/],
    [{ address: 'holding:1.0-3', type: 'uint8' }, /^type: uint8 has 8 bits and the address names 4/],
    [{ address: 'holding:1.0-3', type: 'float32' }, /^type: 4 bits of a register make a whole number/],
    [{ address: 'holding:1.4-7', invalid: 0x1f }, /^invalid: 0x1f does not fit into the 4 bits/],
    [
      { address: 'holding:1', characters: 1 },
      /^characters: characters is for type: string, and this is a uint16: remove characters/,
    ],
    [
      { address: 'holding:1', type: 'string' },
      'length: a string needs its length in registers (two characters each), such as length: 8',
    ],
    [
      { address: 'holding:1', type: 'int16', length: 2 },
      /^length: length is for type: string, and an int16 always has/,
    ],
    [
      { address: 'holding:1', invalid: 0x10000 },
      'invalid: 0x10000 does not fit into the 16 bits of uint16: write at most 0xffff',
    ],
    [{ address: 'coil:1', invalid: 1 }, 'invalid: a bool has no pattern that means "no value": remove invalid'],
  ])('%j is refused with its remedy', (tag, message) => {
    const said = verdict(tag);
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
  });

  it('asks for quotes when YAML made a number of it', () => {
    const parsed = z.object(modbusTagShape()).safeParse({ address: 40001 });
    expect(parsed.error?.issues[0]?.message).toContain(
      '"holding:40001" if 40001 is the protocol address (from 0), or "40001"',
    );
  });

  it('says where a unit id is found when there is none', () => {
    const parsed = z.object(modbusDeviceShape()).safeParse({});
    expect(parsed.error?.issues[0]?.message).toContain('1 to 247');
    expect(z.object(modbusDeviceShape()).parse({ unit: 0x76 }).unit).toBe(118);
  });

  it('knows which unit ids a serial line has', () => {
    const tags = { a: { address: 'holding:0' } };
    const unitProblem = (unit: number, line: 'rtu' | 'tcp') => {
      const checked = checkTag('a', tags, { unit }, line);
      return checked.ok ? 'fine' : checked.problems[0]!.message;
    };
    expect(unitProblem(247, 'rtu')).toBe('fine');
    expect(unitProblem(0, 'rtu')).toMatch(/^unit 0 is the broadcast address, which no device answers/);
    expect(unitProblem(255, 'rtu')).toMatch(/^unit 255 is reserved on a serial line/);
    expect([unitProblem(0, 'tcp'), unitProblem(255, 'tcp')]).toEqual(['fine', 'fine']);
  });

  it('refuses a value longer than the device answers', () => {
    expect(verdict({ address: 'holding:1', type: 'float64' }, { unit: 1, maxRegisters: 2 })).toBe(
      'length: the value has 4 registers, and the device answers at most 2 per request: write a larger maxRegisters, or a shorter length',
    );
  });

  it('takes the order of the device unless the tag has its own', () => {
    const device = { unit: 1, order: 'CDAB' };
    expect(verdict({ address: 'input:0', type: 'float32' }, device)).toContain('float32 CDAB');
    expect(verdict({ address: 'input:0', type: 'float32', order: 'BADC' }, device)).toContain('float32 BADC');
  });

  it('never throws, and gives only addresses that exist', () => {
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^(coil|discrete|input|holding|hr):-?\d{1,7}(\.\d{1,3})?$/),
      fc.stringMatching(/^\d{1,7}$/),
    );
    fc.assert(
      fc.property(text, (address) => {
        const location = parseLocation(address);
        if (!location.ok) {
          expect(location.problems[0]!.message).not.toBe('');
          return;
        }
        expect(location.value.start).toBeGreaterThanOrEqual(0);
        expect(location.value.start).toBeLessThanOrEqual(65_535);
        expect(location.value.bit ?? 0).toBeLessThanOrEqual(15);
      }),
    );
  });

  it('reads back what it describes', () => {
    const table = fc.constantFrom('coil', 'discrete', 'input', 'holding');
    fc.assert(
      fc.property(table, fc.integer({ min: 0, max: 65_535 }), (name, start) => {
        const named = parseLocation(`${name}:${start}`);
        if (!named.ok) throw new Error('refused');
        const line = describeModbusAddress(addressOf({ ...named.value }));
        expect(parseLocation(/= (\d+)/.exec(line)![1])).toEqual(named);
      }),
    );
  });

  it('agrees with the addressing examples of the oracle', () => {
    for (const [number, table, start] of readModbusOracle().addressing.example) {
      expect(parseLocation(number)).toEqual({ ok: true, value: { table, start, bit: undefined } });
    }
  });
});

describe('patterns that mean "no value"', () => {
  it('may be numbers, negative numbers of a signed type, or text beyond 53 bits', () => {
    expect(parseInvalid([0x8000, -32_767], 'int16')).toEqual({ ok: true, value: [0x8000n, 0x8001n] });
    expect(parseInvalid('0x8000000000000000', 'int64')).toEqual({ ok: true, value: [0x8000000000000000n] });
    expect(parseInvalid(undefined, 'string')).toEqual({ ok: true, value: [] });
  });

  it.each([
    [
      2 ** 63,
      'int64',
      '9223372036854776000 is not a whole number that YAML holds exactly: write it in quotes, such as "0x8000000000000000"',
    ],
    [-9999, 'float32', 'invalid is the raw pattern: for -9999 as float32 write 0xc61c3c00'],
    [-1, 'uint16', 'uint16 has no negative values: for -1 write the raw pattern 0xffff'],
    [
      -40_000,
      'int16',
      '-40000 is below -32768, the lowest int16: write -32768 or more, or the raw pattern such as 0x8000',
    ],
    ['NaN', 'uint16', '"NaN" is not a number: write a whole number, or hexadecimal digits such as 0x8000'],
  ] as const)('%s for %s is refused', (pattern, type, message) => {
    expect(parseInvalid(pattern, type)).toEqual({ ok: false, problems: [{ path: ['invalid'], message }] });
  });
});

describe('scaleFrom', () => {
  const factor = { address: 'holding:40084', type: 'int16', invalid: [0x8000] };
  const power = { address: 'holding:40083', type: 'int16', scaleFrom: 'factor' };

  it('resolves to the register of the tag it names', () => {
    const checked = checkTag('power', { power, factor });
    expect(checked).toMatchObject({ ok: true, value: { start: 40_083, scaleAt: 40_084 } });
  });

  it.each([
    [{ power }, 'this device has no tag "factor": add it with type: int16, or name another tag'],
    [
      { power, factor: { ...factor, type: 'uint16' } },
      '"factor" must have type: int16, as every SunSpec scale factor has',
    ],
    [{ power, factor: { ...factor, address: 'input:84' } }, /^"factor" is in the input table; it must be in holding/],
    [{ power, factor: { ...factor, address: 'holding:40300' } }, /^the value and its scale factor span 218 registers/],
    [{ power: { ...power, scaleFrom: 'power' } }, /^a tag cannot scale itself/],
    [{ power, factor: { ...factor, scaleFrom: 'power' } }, /^"factor" is itself scaled/],
  ])('%j is refused', (tags: Record<string, Record<string, unknown>>, message) => {
    const checked = checkTag('power', tags);
    const said = checked.ok ? 'accepted' : checked.problems[0]!.message;
    expect(said).toMatch(message);
  });
});
