import { describe, expect, it } from 'vitest';
import { createProgress } from '../../../src/cli/terminal/progress.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { contextOf } from '../../double/command-line.ts';
import { Terminal } from '../../double/terminal.ts';

function progressOn(isErrorTerminal: boolean, columns = 80) {
  const clock = new SimulatedClock(0, 'promises');
  const terminal = new Terminal(columns, 24);
  const { context, err } = contextOf({ clock, ...(isErrorTerminal && { terminal }) });
  return { clock, progress: createProgress(context), written: err };
}

describe('progress', () => {
  it('is one line on a terminal, redrawn in place and taken away at the end', async () => {
    const { clock, progress, written } = progressOn(true);
    progress.show(0, 90_000, 'unit 1');
    progress.show(0.1, 80_000, 'too soon to be drawn');
    await clock.advance(250);
    progress.show(0.5, 45_000, 'unit 9');
    progress.end();
    expect(written().split('\r').slice(1)).toEqual([
      '░░░░░░░░░░░░░░░░░░░░ 0 % 1m 30s left  unit 1\u001b[K',
      '██████████░░░░░░░░░░ 50 % 45s left  unit 9\u001b[K',
      '\u001b[K',
    ]);
    expect(written()).not.toContain('\n');
  });

  it('never wraps', async () => {
    const { progress, written } = progressOn(true, 40);
    progress.show(0.3, 3_600_000, 'a text that is far longer than what is left of the line');
    expect(written().replaceAll('\r', '').replaceAll('\u001b[K', '').length).toBeLessThanOrEqual(40);
  });

  it('is a line for each tenth without a terminal', () => {
    const { progress, written } = progressOn(false);
    for (let done = 0; done <= 100; done++) progress.show(done / 100, (100 - done) * 1000, `step ${done}`);
    progress.end();
    expect(written().trimEnd().split('\n')).toHaveLength(10);
    expect(written()).toContain('50 %, about 50s left: step 50\n');
    expect(written()).not.toContain('\u001b');
  });
});
