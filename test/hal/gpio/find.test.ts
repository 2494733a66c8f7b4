import { describe, expect, it } from 'vitest';
import { findLine } from '../../../hal/gpio/find.ts';
import { type GpioChip, LineFault } from '../../../hal/gpio/port.ts';

const chip = (name: string, label: string, lines: number, lineNames: string[] = []): GpioChip => ({
  ...{ name, label, lines, lineNames },
});
const PI5 = [
  chip('gpiochip0', 'gpio-brcmstb@107d508500', 32),
  chip(
    'gpiochip4',
    'pinctrl-rp1',
    54,
    Array.from({ length: 54 }, (_, offset) => `GPIO${offset}`),
  ),
];
const MOCKUP = chip('gpiochip0', 'gpio-mockup-A', 28);
const SIM = chip('gpiochip1', 'labsim', 8, ['lab0', 'lab1', 'lab2', '', '', '', '', '']);

/** `label/offset`, or why not. */
function found(chips: readonly GpioChip[], wanted: string, address: string | number): string {
  const line =
    typeof address === 'number'
      ? { kind: 'offset' as const, offset: address }
      : { kind: 'name' as const, name: address };
  try {
    const place = findLine(chips, wanted, line);
    return `${place.chip.label}/${place.offset}`;
  } catch (error) {
    if (error instanceof LineFault) return `${error.trouble}: ${error.message}`;
    throw error;
  }
}

describe('finding a line', () => {
  it('by its name, on whichever chip it is', () => {
    expect(found(PI5, 'auto', 'GPIO17')).toBe('pinctrl-rp1/17');
    expect(found([MOCKUP, SIM], 'auto', 'lab2')).toBe('labsim/2');
  });

  it('by its offset, on the chip that is named, the only one, or that of the header', () => {
    expect(found(PI5, 'auto', 17)).toBe('pinctrl-rp1/17');
    expect(found(PI5, 'gpiochip0', 17)).toBe('gpio-brcmstb@107d508500/17');
    expect(found([MOCKUP], 'auto', 17)).toBe('gpio-mockup-A/17');
  });

  it('by its number where no line has such a name', () => {
    expect(found([MOCKUP], 'auto', 'GPIO17')).toBe('gpio-mockup-A/17');
    expect(found([MOCKUP, SIM], 'gpio-mockup-A', 'GPIO17')).toBe('gpio-mockup-A/17');
  });

  it('never by guessing', () => {
    expect(found([MOCKUP, SIM], 'auto', 3)).toBe(
      'no-such: offset 3 could be on any of 2 chips. Write chip: and a label. There are gpio-mockup-A (gpiochip0, 28 lines), labsim (gpiochip1, 8 lines)',
    );
    expect(found(PI5, 'pinctrl-rp1', 'GPIO99')).toMatch(/^no-such: no line is called GPIO99. There are GPIO0, GPIO1,/);
    expect(found([SIM, { ...SIM, name: 'gpiochip2' }], 'labsim', 'lab1')).toMatch(
      /^no-such: 2 chips have the label labsim/,
    );
    expect(found([SIM, { ...SIM, label: 'other' }], 'auto', 'lab1')).toMatch(
      /^no-such: line lab1 is there more than once/,
    );
    expect(found([MOCKUP], 'auto', 28)).toBe('no-such: gpio-mockup-A has lines 0 to 27, not 28');
  });
});
