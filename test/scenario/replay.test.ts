import { describe, expect, it } from 'vitest';
import type { Transport } from '../../hal/transport.ts';
import type { Clock } from '../../src/core/clock.ts';
import { configured } from '../double/configured.ts';
import type { FaultShares } from '../double/modbus-faults.ts';
import { memoryBus } from '../double/modbus-memory.ts';
import { modbusSlaves } from '../double/modbus-slave.ts';
import { byTag, lineOfRecording, replayTransport, runChannel } from '../double/recorded.ts';

/** Five minutes of a bad bus in simulated time: what was recorded of it replays to the same readings. */
const FOR_MS = 420_000;

const UNITS = [1, 2, 3, 4];

/** Unit 4 is configured but does not exist: nothing ever comes from it. */
const DEVICES = UNITS.map(
  (unit) => `
  unit-${unit}:
    channel: line
    unit: ${unit}
    every: 1s
    tags:
      a: {address: "holding:0", type: uint16}
      b: {address: "holding:1", type: int32}
      c: {address: "holding:200", type: float32, order: CDAB}`,
).join('');

const CHANNELS = {
  rtu: '{driver: modbus-rtu, port: /dev/ttyUSB0, baud: 19200, timeout: 300ms, retries: 1}',
  mbap: '{driver: modbus-tcp, host: 10.0.0.7, timeout: 300ms, retries: 1, pipeline: 2}',
} as const;

const BAD_DAY: FaultShares = {
  ...{ flip: 0.04, late: 0.08, split: 0.05, duplicated: 0.01, 'wrong-unit': 0.02, 'wrong-length': 0.005 },
  ...{ truncated: 0.01, noise: 0.02, silence: 0.02, exception: 0.03 },
};

interface Bad {
  readonly framing: 'rtu' | 'mbap';
  readonly seed: number;
  readonly shares: FaultShares;
  /** When the plug is pulled. */
  readonly cutAtMs?: number;
}

function badBus({ framing, seed, shares, cutAtMs }: Bad, clock: Clock): Transport {
  const slaves = modbusSlaves({ units: [1, 2, 3] });
  const times = { turnaroundMs: 18, lateMs: [40, 900] as const, splitMs: 12 };
  const bus = memoryBus({ clock, slaves, framing, units: UNITS, times, shares, seed, forgetful: true });
  if (cutAtMs !== undefined) clock.after(cutAtMs, () => bus.cut());
  return bus.transport;
}

/** Polls through a transport, then through what was recorded of it. */
async function recordedAndReplayed(framing: 'rtu' | 'mbap', transportOn: (clock: Clock) => Transport) {
  const [channel] = configured(`gateway: {id: bench}\nchannels: {line: ${CHANNELS[framing]}}\ndevices:${DEVICES}\n`);
  const field = await runChannel(channel!, transportOn, FOR_MS);
  const { line } = lineOfRecording(field.recording);
  const strangers: string[] = [];
  const again = await runChannel(channel!, (clock) => replayTransport(line, clock, strangers), FOR_MS);
  return { field, again, strangers };
}

describe('a recorded bus fault', () => {
  it.each([
    ['rtu', 1],
    ['rtu', 2],
    ['rtu', 3],
    ['mbap', 1],
    ['mbap', 2],
    ['mbap', 3],
  ] as const)('replays to the same readings: %s, seed %i', async (framing, seed) => {
    const { field, again, strangers } = await recordedAndReplayed(framing, (clock) =>
      badBus({ framing, seed, shares: BAD_DAY }, clock),
    );
    const bad = field.records.filter((record) => /timeout|garbled|device-failure|offline|not-connected/.test(record));
    expect(bad.length).toBeGreaterThan(100);
    expect(strangers).toEqual([]);
    expect(byTag(again.records)).toEqual(byTag(field.records));
  });

  it.each(['rtu', 'mbap'] as const)('loses its connection where the recording did: %s', async (framing) => {
    const cutAtMs = 100_500;
    const { field, again } = await recordedAndReplayed(framing, (clock) =>
      badBus({ framing, seed: 7, shares: { late: 0.05, silence: 0.05 }, cutAtMs }, clock),
    );
    const [lost, lostAgain] = [field, again].map(({ records }) =>
      records.findIndex((record) => record.startsWith('unit-1 ') && record.includes('not-connected')),
    );
    expect(lost).toBeGreaterThan(100);
    expect(lostAgain).toBe(lost);
    expect(byTag(again.records.slice(0, lost))).toEqual(byTag(field.records.slice(0, lost)));
    // What comes after begins at a moment that the connection chose: the values are those of the recording again.
    const after = (run: typeof field) =>
      byTag(run.records.slice(lost))['unit-1/a']!.filter((value) => /^\d+$/.test(value));
    expect(after(again).slice(0, 5)).toEqual(after(field).slice(0, 5));
  });
});
