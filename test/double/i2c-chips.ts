import { crc8 } from '../../hal/i2c/chips/sht3x.ts';
import type { Clock } from '../../src/core/clock.ts';
import { byteRegisters, type FakeDevice, wordRegisters } from './i2c-bus.ts';

/** A BMP280 or BME280 whose trimming is that of the data sheet's example, after power-on. */
export function fakeBosch(id: number, data = [0x65, 0x5a, 0xc0, 0x7e, 0xed, 0x00, 0x75, 0x30]) {
  const low = new DataView(new ArrayBuffer(26));
  const words = [27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000];
  for (const [index, word] of words.entries()) low.setInt16(2 * index, word, true);
  low.setUint8(25, 75);
  return byteRegisters(
    {
      136: [...new Uint8Array(low.buffer)],
      208: id,
      225: [0x6a, 0x01, 0x00, 0x13, 0x29, 0x03, 0x1e],
      // Nothing measured yet.
      247: [0x80, 0, 0, 0x80, 0, 0, 0x80, 0],
    },
    (register, value, registers) => {
      // Forced mode: 415148 and 519888 of the example, and about half the humidity there is.
      if (register === 0xf4 && (value & 3) === 1) registers.set(data, 0xf7);
    },
  );
}

/** An SHT3x; `damage` is laid over the bytes of the next answers. Without a measurement it does not acknowledge. */
export function fakeSht3x(): FakeDevice & { damage: number } {
  let measured = false;
  return {
    damage: 0,
    write(bytes) {
      measured = bytes.length === 2 && bytes[0] === 0x24;
    },
    read() {
      if (!measured) throw Object.assign(new Error('no measurement'), { code: 'ENXIO' });
      measured = false;
      const temperature = Uint8Array.of(0x66, 0x66);
      const humidity = Uint8Array.of(0x80, 0x00);
      const answer = Uint8Array.of(...temperature, crc8(temperature), ...humidity, crc8(humidity));
      answer[1]! ^= this.damage;
      return answer;
    },
  };
}

/** An ADS1115 whose inputs a0…a3 have these codes. */
export function fakeAds1115(codes: readonly number[]) {
  return wordRegisters({ 0: 0, 1: 0x8583 }, (register, value, registers) => {
    if (register === 1) registers.set(0, codes[((value >> 12) & 7) - 4] ?? 0);
  });
}

/** An ADXL345 that swings on z with 100 Hz and 0.5 g around 1 g, in its own time; its FIFO loses what is not fetched. */
export function fakeAdxl345(clock: Clock): FakeDevice {
  const registers = byteRegisters({ 0: 0xe5, 44: 0x0a });
  let startedMs = 0;
  let taken = 0;
  let pointer = 0;
  const rate = (): number => ({ 10: 100, 11: 200, 12: 400, 13: 800 })[registers.registers[0x2c]!]!;
  const waiting = (): number => Math.floor(((clock.monoMs() - startedMs) * rate()) / 1000) - taken;
  return {
    write(bytes) {
      pointer = bytes[0]!;
      registers.write(bytes);
      if (pointer !== 0x38 || bytes.length < 2) return;
      startedMs = clock.monoMs();
      taken = 0;
    },
    read(length) {
      if (pointer === 0x39) return Uint8Array.of(Math.min(32, waiting()));
      if (pointer !== 0x32) return registers.read(length);
      const z = Math.round((1 + 0.5 * Math.sin((2 * Math.PI * 100 * taken++) / rate())) / 0.0039);
      const x = taken % 2 === 0 ? 1 : -1;
      return Uint8Array.of(x & 0xff, (x >> 8) & 0xff, 0, 0, z & 0xff, z >> 8);
    },
  };
}

/** A VL6180X with 16-bit register numbers that sees something at `mm`. */
export function fakeVl6180x(mm: number, status = 0): FakeDevice {
  const registers = new Map([
    [0x000, 0xb4],
    [0x016, 1],
    [0x04d, status],
  ]);
  let pointer = 0;
  return {
    write(bytes) {
      pointer = (bytes[0]! << 8) | bytes[1]!;
      if (bytes.length < 3) return;
      registers.set(pointer, bytes[2]!);
      if (pointer === 0x018) registers.set(0x062, mm).set(0x04f, 4);
      if (pointer === 0x015) registers.set(0x04f, 0);
    },
    read: () => Uint8Array.of(registers.get(pointer) ?? 0),
  };
}

/** An MCP23017 after power-on, whose inputs show these levels. */
export function fakeMcp23017(levels: number) {
  const device = byteRegisters({ 0: [0xff, 0xff], 18: [levels & 0xff, levels >> 8] });
  return device;
}
