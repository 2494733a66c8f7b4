import { describe, expect, it } from 'vitest';
import type { WriteResult } from '../../hal/driver.ts';
import type { ChannelConfig, Config, TagConfig } from '../../src/config/config.ts';
import type { EventBody } from '../../src/core/event.ts';
import type { Value } from '../../src/core/reading.ts';
import type { Line } from '../../src/gateway/channel-status.ts';
import { LiveTable } from '../../src/gateway/live.ts';
import { createWriter } from '../../src/gateway/writer.ts';

const { signal } = new AbortController();

function bench(enabled: boolean, answer: () => Promise<WriteResult>) {
  const tag = { tag: { id: 'press-1/setpoint', device: 'press-1', name: 'setpoint' } } as TagConfig;
  const channel = { name: 'line-a', devices: [{ name: 'press-1', profile: undefined, tags: [tag] }] } as unknown;
  const config = { commands: { enabled }, derived: [], channels: [channel as ChannelConfig] } as unknown as Config;
  const asked: unknown[] = [];
  const poller = {
    channel,
    write: (_tag: unknown, value: unknown) => {
      asked.push(value);
      return answer();
    },
  };
  const events: EventBody[] = [];
  const counts = { written: 0, refused: 0, unknown: 0, mismatch: 0 };
  const line = { poller } as unknown as Line;
  const writer = createWriter(
    () => config,
    new LiveTable(config, 0),
    { of: () => line },
    signal,
    (body) => events.push(body),
    counts,
  );
  const write = (id: string, value: Value, end: AbortSignal) => writer(id, value, { kind: 'person' }, end);
  return { writer, write, asked, events, counts };
}

describe('a write', () => {
  it('leaves one audit event with what was asked and what the device holds', async () => {
    const { write, events } = bench(true, async () => ({ ok: true, readBack: 42 }));
    expect(await write('press-1/setpoint', 42, signal)).toEqual({ ok: true, readBack: 42 });
    expect(events).toEqual([
      expect.objectContaining({
        kind: 'audit',
        what: 'write',
        tag: 'press-1/setpoint',
        value: 42,
        outcome: 'written',
        by: 'person',
      }),
    ]);
  });

  it('names in its audit who ordered it', async () => {
    const { writer, events } = bench(true, async () => ({ ok: true, readBack: 42 }));
    await writer('press-1/setpoint', 42, { kind: 'person', by: 'anna' }, signal);
    expect(events).toEqual([expect.objectContaining({ by: 'anna', message: 'press-1/setpoint set to 42 by anna' })]);
  });

  it('is refused while commands are off, without a word on the line, and audited', async () => {
    const { write, asked, events } = bench(false, async () => ({ ok: true, readBack: 42 }));
    expect(await write('press-1/setpoint', 42, signal)).toMatchObject({ ok: false, kind: 'refused' });
    expect(asked).toEqual([]);
    expect(events).toEqual([expect.objectContaining({ kind: 'audit', outcome: 'refused' })]);
  });

  it('of what is no number is refused and audited, in words', async () => {
    const { write, asked, events } = bench(true, async () => ({ ok: true, readBack: 1 }));
    expect(await write('press-1/setpoint', Number.POSITIVE_INFINITY, signal)).toMatchObject({ kind: 'refused' });
    expect(asked).toEqual([]);
    expect(events).toEqual([
      expect.objectContaining({ outcome: 'refused', message: expect.stringContaining('Infinity') }),
    ]);
  });

  it('of an alarm needs no switch for commands, and leaves the same audit', async () => {
    const { writer, asked, events } = bench(false, async () => ({ ok: true, readBack: 1 }));
    expect(await writer('press-1/setpoint', 1, { kind: 'alarm', alarm: 'oil-hot' }, signal)).toMatchObject({
      ok: true,
    });
    expect(asked).toEqual([1]);
    expect(events).toEqual([expect.objectContaining({ what: 'write', outcome: 'written', by: 'alarm oil-hot' })]);
  });

  it('of an alarm that is tried again and again is audited once for each outcome', async () => {
    const answers: WriteResult[] = [1, 2, 3].map((wait) => ({ ok: false, kind: 'refused', why: `wait ${wait} s` }));
    const { writer, events, counts } = bench(false, async () => answers.shift() ?? { ok: true, readBack: undefined });
    for (let turn = 0; turn < 4; turn++)
      await writer('press-1/setpoint', 1, { kind: 'alarm', alarm: 'oil-hot' }, signal);
    expect(counts).toEqual({ written: 1, refused: 3, unknown: 0, mismatch: 0 });
    expect(events.map((body) => 'outcome' in body && body.outcome)).toEqual(['refused', 'written']);
  });

  it('is audited as unknown when the line is lost, and 64 bits keep their digits', async () => {
    const lost = new Error('line-a: the port is gone');
    const { write, events } = bench(true, () => Promise.reject(lost));
    await expect(write('press-1/setpoint', 2n ** 63n, signal)).rejects.toBe(lost);
    expect(events).toEqual([expect.objectContaining({ outcome: 'unknown', value: '9223372036854775808' })]);
  });

  it('is not told of as undone when nobody knows', async () => {
    const { write, events } = bench(true, async () => ({ ok: false, kind: 'unknown', why: 'no answer' }));
    await write('press-1/setpoint', 42, signal);
    expect(events).toMatchObject([{ outcome: 'unknown', message: expect.stringContaining('perhaps set to 42') }]);
  });

  it('names an unknown tag', async () => {
    const { write } = bench(true, async () => ({ ok: true, readBack: 1 }));
    await expect(write('press-1/nothing', 1, signal)).rejects.toThrow('no such tag');
  });
});
