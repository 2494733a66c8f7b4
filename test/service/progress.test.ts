import { describe, expect, it } from 'vitest';
import { type LineProgress, type Observation, statusLine, stuckBecause } from '../../src/service/progress.ts';

const line: LineProgress = { name: 'line-a', state: 'connected', busySinceMs: undefined, dueMs: 3_600_500 };

/** A gateway at work for an hour. */
const fine: Observation = {
  nowMs: 3_600_000,
  lines: [line],
  commitSinceMs: undefined,
  waitsForDisk: false,
  latenessMs: [0.2, 0.1, 3, 0.4],
};

const withLine = (change: Partial<LineProgress>): Observation => ({ ...fine, lines: [{ ...line, ...change }] });

describe('whether the gateway gets on', () => {
  it('does at rest, at work, and with nothing to do', () => {
    expect(stuckBecause(fine)).toBeUndefined();
    expect(stuckBecause(withLine({ busySinceMs: fine.nowMs - 900 }))).toBeUndefined();
    expect(stuckBecause(withLine({ dueMs: Number.POSITIVE_INFINITY }))).toBeUndefined();
    expect(stuckBecause({ ...fine, lines: [] })).toBeUndefined();
  });

  it('does not when a question never ends, though the others do', () => {
    const others = { ...fine, lines: [line, { ...line, name: 'plc', busySinceMs: fine.nowMs - 900_001 }] };
    expect(stuckBecause(others)).toBe('plc: one question has been under way for 15m');
    // The longest timeout with the most retries: a dead device, patiently asked.
    expect(stuckBecause(withLine({ busySinceMs: fine.nowMs - 11 * 60_000 }))).toBeUndefined();
  });

  it('does not when a line has stopped asking', () => {
    expect(stuckBecause(withLine({ dueMs: fine.nowMs - 31_000 }))).toBe(
      'line-a: nothing was asked although it was due 31s ago',
    );
    expect(stuckBecause(withLine({ dueMs: fine.nowMs - 31_000, busySinceMs: fine.nowMs - 50 }))).toBeUndefined();
  });

  it('does with the port gone: starting again would not bring it back', () => {
    expect(stuckBecause(withLine({ state: 'waiting', dueMs: 0 }))).toBeUndefined();
    expect(stuckBecause(withLine({ state: 'connecting', dueMs: 0, busySinceMs: fine.nowMs - 20_000 }))).toBeUndefined();
  });

  it('does not when a commit hangs, but does while the disk is what it waits for', () => {
    const hanging = { ...fine, commitSinceMs: fine.nowMs - 8500 };
    expect(stuckBecause(hanging)).toBe('store: a commit has been under way for 9s, and no disk is waited for');
    expect(stuckBecause({ ...hanging, waitsForDisk: true })).toBeUndefined();
    expect(stuckBecause({ ...fine, commitSinceMs: fine.nowMs - 7000 })).toBeUndefined();
  });

  it('does not when the event loop is late every time; one long stall is over when it is seen', () => {
    expect(stuckBecause({ ...fine, latenessMs: [9000, 0, 0, 0] })).toBeUndefined();
    expect(stuckBecause({ ...fine, latenessMs: [0, 5000, 6000, 5000, 4500] })).toBe(
      'the event loop is 5s late, again and again',
    );
  });

  it('is one line in systemctl status', () => {
    const lines = [line, { ...line, name: 'plc', state: 'waiting' as const }];
    expect(statusLine({ lines, commitSinceMs: undefined })).toBe('1 of 2 channels connected; not connected: plc');
    expect(statusLine({ lines: [line], commitSinceMs: undefined })).toBe('1 of 1 channel connected');
  });
});
