import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeChipInfo,
  decodeLineEvents,
  decodeLineInfo,
  decodeLineValue,
  encodeLineInfo,
  encodeLineRequest,
  encodeLineValue,
  flagsOf,
  IOCTL,
  lineRequestFd,
  missedBetween,
  SIZE,
} from '../../../hal/gpio/abi.ts';
import type { LineSetup } from '../../../hal/gpio/port.ts';

// All bytes below were written by a C program with the structures of <linux/gpio.h> (Linux 6.1, x86-64).

/** Bytes from the few that are not zero: `{offset: hex}`. */
function bytes(length: number, parts: Record<number, string>): Buffer {
  const buffer = Buffer.alloc(length);
  for (const [at, hex] of Object.entries(parts)) buffer.write(hex, Number(at), 'hex');
  return buffer;
}

const INPUT: LineSetup = { direction: 'input', activeLow: true, bias: 'pull-up', debounceUs: 200, edges: 'rising' };

describe('the structures of the GPIO character device', () => {
  it('asks for an input with pull-up, active low, rising edges and 200 µs of debouncing', () => {
    expect(encodeLineRequest(27, INPUT, 'millgate')).toEqual(
      bytes(592, {
        0: '1b',
        256: '6d696c6c67617465',
        288: '1601',
        296: '01',
        320: '03',
        328: 'c8',
        336: '01',
        560: '01',
        564: '0004',
      }),
    );
  });

  it('asks for an open-drain output that begins active', () => {
    const setup: LineSetup = { direction: 'output', activeLow: false, drive: 'open-drain', initial: true };
    expect(encodeLineRequest(22, setup, 'millgate')).toEqual(
      bytes(592, {
        0: '16',
        256: '6d696c6c67617465',
        288: '48',
        296: '01',
        320: '02',
        328: '01',
        336: '01',
        560: '01',
      }),
    );
  });

  it('finds the file descriptor the kernel gave', () => {
    expect(lineRequestFd(bytes(592, { 588: '2a000000' }))).toBe(42);
  });

  it('reads a chip', () => {
    const chip = bytes(68, { 0: '6770696f6368697030', 32: '70696e6374726c2d62636d32373131', 64: '3a' });
    expect(decodeChipInfo(chip)).toEqual({ name: 'gpiochip0', label: 'pinctrl-bcm2711', lines: 58 });
  });

  it('reads who has a line', () => {
    const line = bytes(256, { 0: '4750494f3137', 32: '6f6e65776972654031' + '31', 64: '11', 72: '05' });
    expect(decodeLineInfo(line)).toEqual({ name: 'GPIO17', consumer: 'onewire@11', isUsed: true });
    expect(encodeLineInfo(17)).toEqual(bytes(256, { 64: '11' }));
  });

  it('reads and sets a value', () => {
    expect(encodeLineValue(true)).toEqual(bytes(16, { 0: '01', 8: '01' }));
    expect(encodeLineValue(false)).toEqual(bytes(16, { 8: '01' }));
    expect(decodeLineValue(encodeLineValue(true))).toBe(true);
    expect(decodeLineValue(encodeLineValue(false))).toBe(false);
  });

  it('reads events', () => {
    const events = bytes(96, {
      0: '7bc29a6454030000010000001b0000000900000007',
      48: 'bbcf9d6454030000020000001b000000ffffffffffffffff',
    });
    expect(decodeLineEvents(events, 96)).toEqual([
      { active: true, stampMs: 3_661_000.000123, lineSequence: 7 },
      { active: false, stampMs: 3_661_000.200123, lineSequence: 0xffff_ffff },
    ]);
  });

  it('has the request codes that the sizes make', () => {
    const code = (direction: number, number: number, size: number): number =>
      ((direction << 30) | (size << 16) | (0xb4 << 8) | number) >>> 0;
    expect(IOCTL).toEqual({
      chipInfo: code(2, 1, SIZE.chipInfo),
      lineInfo: code(3, 5, SIZE.lineInfo),
      takeLine: code(3, 7, SIZE.lineRequest),
      getValues: code(3, 14, SIZE.lineValues),
      setValues: code(3, 15, SIZE.lineValues),
    });
  });

  it('never reads past what came, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 480 }), (raw) => {
        const events = decodeLineEvents(Buffer.from(raw), raw.length);
        expect(events).toHaveLength(Math.floor(raw.length / SIZE.lineEvent));
        expect(events.every(({ stampMs }) => Number.isFinite(stampMs) && stampMs >= 0)).toBe(true);
      }),
    );
  });

  it('gives every setup flags of its own', () => {
    const setups = (['as-is', 'pull-up', 'pull-down', 'disabled'] as const).flatMap((bias) =>
      (['none', 'rising', 'falling', 'both'] as const).flatMap((edges) =>
        [true, false].map((activeLow): LineSetup => ({ direction: 'input', activeLow, bias, debounceUs: 0, edges })),
      ),
    );
    expect(new Set(setups.map(flagsOf)).size).toBe(setups.length);
  });

  it('counts the edges between two numbers, also past the largest', () => {
    expect(missedBetween(7, 8)).toBe(0);
    expect(missedBetween(0xffff_ffff, 0)).toBe(0);
    fc.assert(
      fc.property(fc.nat({ max: 0xffff_ffff }), fc.nat({ max: 1_000_000 }), (before, missed) => {
        expect(missedBetween(before, (before + missed + 1) >>> 0)).toBe(missed);
      }),
    );
  });
});
