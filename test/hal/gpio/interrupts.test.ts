import { describe, expect, it } from 'vitest';
import { createAuditor, interruptsOf, SETTLED_MS } from '../../../hal/gpio/interrupts.ts';

const PI = `           CPU0       CPU1       CPU2       CPU3
 24:         10          0          0          0     GICv2 125 Level     ttyS0
 55:       1061          4          0          1  pinctrl-bcm2835  17 Edge      millgate:gpiochip0:17
 56:          7          0          0          0  pinctrl-bcm2835  27 Edge      gpiolib
 57:          3          0          0          0  pinctrl-bcm2835  22 Edge      gpiolib
IPI0:       100        200        300        400       Rescheduling interrupts
Err:          0
`;
const SIM = `            CPU0       CPU1
 41:       1061       8939   irq_sim   0  gpiolib
 42:          1          2   irq_sim   0  gpiolib
`;

describe('the interrupts of a line', () => {
  it('are those of every processor together', () => {
    expect(interruptsOf(PI, { name: 'millgate:gpiochip0:17' })).toBe(1066);
    expect(interruptsOf(PI, { name: 'gpiolib', hardwareNumber: 27 })).toBe(7);
  });

  it('are unknown when no row is the line’s, or more than one could be', () => {
    expect(interruptsOf(PI, { name: 'millgate:gpiochip0:4' })).toBeUndefined();
    expect(interruptsOf(PI, { name: 'gpiolib', hardwareNumber: 4 })).toBeUndefined();
    expect(interruptsOf(SIM, { name: 'gpiolib', hardwareNumber: 0 })).toBeUndefined();
    expect(interruptsOf('', { name: 'gpiolib', hardwareNumber: 0 })).toBeUndefined();
  });
});

describe('the auditor', () => {
  it('tells what was lost once it is sure, and only once', () => {
    const auditor = createAuditor(1000, 0);
    auditor.account(90);
    expect(auditor.isDue(SETTLED_MS - 1)).toBe(false);
    expect(auditor.isDue(SETTLED_MS)).toBe(true);
    expect(auditor.look(1100, SETTLED_MS)).toBe(0);
    expect(auditor.look(1100, 2 * SETTLED_MS)).toBe(10);
    expect(auditor.isDue(10 * SETTLED_MS)).toBe(false);
    auditor.account(1);
    expect(auditor.look(1101, 11 * SETTLED_MS)).toBe(0);
    expect(auditor.look(1101, 12 * SETTLED_MS)).toBe(0);
  });

  it('takes an edge that is on its way for no loss', () => {
    const auditor = createAuditor(0, 0);
    auditor.account(1);
    expect(auditor.look(5, SETTLED_MS)).toBe(0);
    auditor.account(4);
    expect(auditor.look(9, 2 * SETTLED_MS)).toBe(0);
    auditor.account(4);
    expect(auditor.look(9, 3 * SETTLED_MS)).toBe(0);
  });

  it('does nothing where interrupts cannot be told', () => {
    const auditor = createAuditor(undefined, 0);
    auditor.account(1);
    expect(auditor.isDue(SETTLED_MS)).toBe(false);
  });
});
