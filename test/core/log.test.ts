import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';

describe('the log', () => {
  it('names the part of the plant and drops what is below the threshold', () => {
    const lines: string[] = [];
    const log = createLogger(new SimulatedClock(), (line, level) => lines.push(`${level} ${line}`));
    log.scoped('line-a').scoped('press-1').warn('no answer');
    log.debug('not shown');
    expect(lines).toEqual(['warn line-a: press-1: no answer']);
  });

  it('sums up a storm instead of writing it, and says how much was left out', async () => {
    const clock = new SimulatedClock();
    const lines: string[] = [];
    const log = createLogger(clock, (line) => lines.push(line)).scoped('line-a');
    for (let index = 0; index < 1000; index++) log.warn(`CRC error ${index}`);
    expect(lines).toHaveLength(20);
    await clock.advance(60_000);
    log.warn('CRC error again');
    expect(lines.slice(20)).toEqual(['line-a: 980 more lines like these were left out', 'line-a: CRC error again']);
  });

  it('sums up a storm that ended: nothing has to come after it', async () => {
    const clock = new SimulatedClock();
    const lines: string[] = [];
    const log = createLogger(clock, (line) => lines.push(line)).scoped('line-a');
    for (let index = 0; index < 25; index++) log.warn('CRC error');
    await clock.advance(59_000);
    expect(lines).toHaveLength(20);
    await clock.advance(1000);
    expect(lines.slice(20)).toEqual(['line-a: 5 more lines like these were left out']);
    await clock.advance(3_600_000);
    expect(lines).toHaveLength(21);
  });
});
