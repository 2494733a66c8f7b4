import { describe, expect, it } from 'vitest';
import type { WriteResult } from '../../hal/driver.ts';
import type { EventBody } from '../../src/core/event.ts';
import type { Value } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { OutputDriver } from '../../src/gateway/outputs.ts';

const written: WriteResult = { ok: true, readBack: undefined };
const refused: WriteResult = { ok: false, kind: 'refused', why: 'channel pins is not connected' };

/** Outputs whose writes answer as the test says, the last answer for ever. */
function bench(answers: readonly (WriteResult | Error)[], connected = true) {
  const clock = new SimulatedClock();
  const writes: Value[] = [];
  const events: EventBody[] = [];
  const end = new AbortController();
  const outputs = new OutputDriver({
    clock,
    signal: end.signal,
    event: (body) => events.push(body),
    isConnected: () => connected,
    async write(_tag, value) {
      const answer = answers[Math.min(writes.length, answers.length - 1)]!;
      writes.push(value);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const told = () => events.map((body) => ('what' in body ? body.what : body.kind));
  if (connected) outputs.heard('door');
  return { clock, outputs, writes, told, end };
}

describe('an output that alarms drive', () => {
  it('is written once', async () => {
    const { clock, outputs, writes, told } = bench([written]);
    outputs.drive('door/lamp', true, 'oil-hot');
    await clock.advance(60_000);
    expect([writes, told()]).toEqual([[true], []]);
  });

  it('waits at the start for the first reading of its device, without a word of trouble', async () => {
    const { clock, outputs, writes, told } = bench([written], false);
    outputs.drive('door/lamp', false, 'oil-hot');
    await clock.advance(700);
    outputs.drive('door/lamp', true, 'oil-hot');
    expect(writes).toEqual([]);
    outputs.heard('door');
    await clock.advance(0);
    expect([writes, told()]).toEqual([[true], []]);
  });

  it('is tried all the same when its device is not heard for long, and is driven again when its channel restarts', async () => {
    const { clock, outputs, writes, told } = bench([refused, written], false);
    outputs.drive('door/lamp', true, 'oil-hot');
    await clock.advance(5000);
    expect([writes, told()]).toEqual([[true], ['output-not-set']]);
    await clock.advance(5000);
    outputs.again(
      () => true,
      () => true,
    );
    outputs.heard('door');
    await clock.advance(0);
    expect(writes).toEqual([true, true, true]);
  });

  it('is written again until it is there; the trouble is told once', async () => {
    const { clock, outputs, writes, told } = bench([
      refused,
      new Error('the line was lost'),
      refused,
      refused,
      written,
    ]);
    outputs.drive('door/lamp', true, 'oil-hot');
    await clock.advance(60_000);
    expect(writes).toEqual([true, true, true, true, true]);
    expect(told()).toEqual(['output-not-set', 'output-not-set', 'output-not-set']);
  });

  it('gets the value that was wanted last', async () => {
    const { clock, outputs, writes } = bench([refused, written]);
    outputs.drive('door/lamp', true, 'oil-hot');
    await clock.advance(1000);
    outputs.drive('door/lamp', false, 'oil-hot');
    await clock.advance(60_000);
    expect(writes).toEqual([true, false]);
  });

  it('is left alone once the gateway stops', async () => {
    const { clock, outputs, writes, end } = bench([refused]);
    outputs.drive('door/lamp', true, 'oil-hot');
    await clock.advance(1000);
    end.abort();
    await clock.advance(60_000);
    expect(writes).toEqual([true]);
  });
});
