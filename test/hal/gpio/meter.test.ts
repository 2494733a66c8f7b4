import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOSS_SHOWN_MS, Meter, missedOfKind } from '../../../hal/gpio/meter.ts';
import type { GpioInput, Measure } from '../../../hal/gpio/options.ts';
import type { Edge } from '../../../hal/gpio/port.ts';

const meter = (measure: Measure, edge: GpioInput['edge'] = 'rising', windowMs = 1000): Meter =>
  new Meter({ measure, edge, windowMs });

/** Pulses of `widthMs`, one every `periodMs`, from `fromMs` on. */
function pulses(count: number, periodMs: number, fromMs: number, widthMs = periodMs / 2): Edge[] {
  return Array.from({ length: count }, (_, index) => [
    { active: true, stampMs: fromMs + index * periodMs, missed: 0 },
    { active: false, stampMs: fromMs + index * periodMs + widthMs, missed: 0 },
  ]).flat();
}

function give(to: Meter, edges: readonly Edge[]): Meter {
  for (const edge of edges) to.take(edge, 'both');
  return to;
}

describe('a rate', () => {
  it('is the edges of the window by its length', () => {
    const rate = give(meter('rate'), pulses(300, 10, 5000));
    expect(rate.read(8000)).toEqual({ ok: true, value: expect.closeTo(100, -0.5), isDoubtful: false });
  });

  it('is not told before the first window is over, and falls to zero after the last edge', () => {
    const rate = meter('rate');
    expect(rate.read(5000)).toMatchObject({ ok: false, why: 'waiting' });
    give(rate, pulses(10, 10, 5100));
    expect(rate.read(5900)).toMatchObject({ ok: false, why: 'waiting' });
    expect(rate.read(9000)).toEqual({ ok: true, value: 0, isDoubtful: false });
  });

  it('is doubtful while the window holds a loss', () => {
    const rate = give(meter('rate'), pulses(100, 10, 5000));
    rate.take({ active: true, stampMs: 6010, missed: 4 }, 'both');
    expect(rate.read(6020)).toMatchObject({ isDoubtful: true });
    expect(rate.read(7100)).toMatchObject({ isDoubtful: false });
  });
});

describe('a frequency', () => {
  it('is exact to the stamps, whenever it is read', () => {
    fc.assert(
      fc.property(fc.double({ min: 3, max: 5000, noNaN: true }), fc.integer({ min: 0, max: 99 }), (hertz, lateMs) => {
        const periodMs = 1000 / hertz;
        const frequency = give(meter('frequency'), pulses(Math.ceil(hertz * 2), periodMs, 5000));
        const lastMs = 5000 + Math.ceil(hertz * 2) * periodMs;
        const read = frequency.read(lastMs + lateMs);
        expect(read.ok && Math.abs(read.value - hertz) / hertz).toBeLessThan(1e-6);
      }),
      { numRuns: 30 },
    );
  });

  it('knows a signal slower than its window by its last period, and that it stopped', () => {
    const frequency = give(meter('frequency'), pulses(3, 4000, 5000));
    expect(frequency.read(20_000)).toMatchObject({ value: 0.25 });
    expect(frequency.read(21_100)).toMatchObject({ value: 0 });
  });
});

describe('a pulse width', () => {
  it('is that of the last whole pulse, active or inactive', () => {
    const edges = pulses(5, 100, 5000, 30);
    expect(give(meter('pulse-width'), edges).read(6000)).toMatchObject({ value: 30 });
    expect(give(meter('pulse-width', 'falling'), edges).read(6000)).toMatchObject({ value: 70 });
    expect(meter('pulse-width').read(6000)).toMatchObject({ ok: false, why: 'waiting' });
  });

  it('does not trust an edge whose level was found late', () => {
    const width = give(meter('pulse-width'), pulses(2, 100, 5000, 30));
    for (const [stampMs, active] of [
      [5200, true],
      [5230, true],
      [5290, false],
    ] as const)
      width.take({ active, stampMs, missed: 0 }, 'both');
    expect(width.read(6000)).toMatchObject({ value: 30 });
  });

  it('does not join the halves of two pulses', () => {
    const width = give(meter('pulse-width'), pulses(1, 100, 5000, 30));
    width.take({ active: true, stampMs: 5100, missed: 0 }, 'both');
    width.take({ active: false, stampMs: 5930, missed: 2 }, 'both');
    expect(width.read(6000)).toMatchObject({ value: 30, isDoubtful: true });
  });
});

describe('a count', () => {
  it('shows a loss for a minute, and once at least', () => {
    const count = meter('count');
    count.take({ active: true, stampMs: 1000, missed: 2 }, 'rising');
    expect(count.counted()).toEqual({ edges: 1, lost: 2 });
    expect(count.read(1000 + 2 * LOSS_SHOWN_MS)).toMatchObject({ value: 1, isDoubtful: true });
    expect(count.read(1000 + 2 * LOSS_SHOWN_MS)).toMatchObject({ isDoubtful: false });
  });

  it('and what was lost make what came, whichever edges were lost', () => {
    const kinds = fc.constantFrom('rising', 'falling', 'both') as fc.Arbitrary<GpioInput['edge']>;
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), kinds, (kept, kind) => {
        const count = meter('count', kind);
        let missed = 0;
        let came = 0;
        let pending = 0;
        kept.forEach((isKept, index) => {
          const active = index % 2 === 0;
          const isMeant = kind === 'both' || (kind === 'rising') === active;
          pending += isMeant ? 1 : 0;
          if (!isKept) missed++;
          else {
            count.take({ active, stampMs: index, missed }, 'both');
            missed = 0;
            came += pending;
            pending = 0;
          }
        });
        const { edges, lost } = count.counted();
        expect(edges + lost).toBe(came);
      }),
    );
  });

  it('never counts more than came when levels are found late', () => {
    const count = meter('count');
    for (let edge = 1; edge <= 200; edge++) count.take({ active: true, stampMs: edge, missed: 0 }, 'both');
    expect(count.counted()).toEqual({ edges: 100, lost: 0 });
  });

  it('takes every missed edge as its own where the line reports no others', () => {
    expect(missedOfKind({ active: true, stampMs: 0, missed: 7 }, 'rising', 'rising')).toBe(7);
    expect(missedOfKind({ active: true, stampMs: 0, missed: 7 }, 'rising', 'both')).toBe(3);
    expect(missedOfKind({ active: false, stampMs: 0, missed: 7 }, 'rising', 'both')).toBe(4);
  });
});
