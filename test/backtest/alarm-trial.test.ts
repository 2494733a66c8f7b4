import { describe, expect, it } from 'vitest';
import { tryAlarm } from '../../src/backtest/alarm-trial.ts';
import type { AlarmConfig } from '../../src/core/alarm.ts';
import type { HistoryPage, HistoryQuery } from '../../src/store/store.ts';

const HOUR = 3_600_000;
const FROM = Date.UTC(2026, 10, 30);
const never = new AbortController().signal;

/** An alarm above 75. */
function alarmOf(over: Partial<AlarmConfig> = {}): AlarmConfig {
  return {
    ...{ id: 'hot', tag: 'press-1/oil-temp', condition: { kind: 'above', limit: 75 }, unit: '°C', deadband: 0 },
    ...{ onDelayMs: 0, offDelayMs: 0, priority: 'high', latch: false, ack: true, message: undefined },
    ...{ while: undefined, set: undefined, maxShelveMs: 8 * HOUR, ...over },
  };
}

/** A store with a value each second for an hour: hot for a minute in every ten, and for one second in the 25th minute. */
const store = {
  async history({ fromMs, toMs }: HistoryQuery): Promise<HistoryPage> {
    const points = [];
    for (let ms = Math.max(fromMs, FROM); ms < Math.min(toMs, FROM + HOUR); ms += 1000) {
      const second = (ms - FROM) / 1000;
      const isHot = second % 600 < 60 || second === 1500;
      points.push({ seq: second, wallMs: ms, quality: 'good' as const, value: isHot ? 80 : 60 });
    }
    return { points, next: undefined };
  },
};

describe('an alarm that is tried on what is stored', () => {
  it('says how often it would have called, and for how long', async () => {
    const trial = await tryAlarm(store, alarmOf(), { fromMs: FROM, toMs: FROM + HOUR }, never);
    expect(trial).toMatchObject({
      readings: 3600,
      raised: 7,
      longestMs: 60_000,
      activeMs: 6 * 60_000 + 1000,
      mostInMinute: 1,
    });
    expect(trial.last.at(-1)).toBe(FROM + 3_000_000);
  });

  it('calls less often with a delay, and nobody where nothing is stored', async () => {
    const range = { fromMs: FROM, toMs: FROM + HOUR };
    expect((await tryAlarm(store, alarmOf({ onDelayMs: 5000 }), range, never)).raised).toBe(6);
    const before = { fromMs: FROM - HOUR, toMs: FROM };
    expect(await tryAlarm(store, alarmOf(), before, never)).toMatchObject({ readings: 0, raised: 0 });
  });

  it('is called in the file what it does there: an alarm that latches calls each time here, too', async () => {
    const latched = alarmOf({ latch: true });
    expect((await tryAlarm(store, latched, { fromMs: FROM, toMs: FROM + HOUR }, never)).raised).toBe(7);
  });

  it('counts an alarm that chatters through a day without holding up the gateway', async () => {
    const DAY = 24 * HOUR;
    const chattering = {
      async history({ fromMs, toMs }: HistoryQuery): Promise<HistoryPage> {
        const points = [];
        for (let ms = fromMs; ms < toMs; ms += 1000)
          points.push({ seq: ms, wallMs: ms, quality: 'good' as const, value: (ms / 1000) % 2 === 0 ? 80 : 60 });
        return { points, next: undefined };
      },
    };
    const before = process.cpuUsage().user;
    const trial = await tryAlarm(chattering, alarmOf(), { fromMs: FROM, toMs: FROM + DAY }, never);
    expect(trial).toMatchObject({ raised: 43_200, mostInMinute: 30 });
    // Each against each of them took some ten seconds.
    expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(4);
  });
});
