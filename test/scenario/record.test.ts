import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DRIVERS } from '../../hal/registry.ts';
import { loadConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { type RunningGateway, startGateway } from '../../src/gateway/gateway.ts';
import { millgate, temporaryFolder, until } from '../double/command-line.ts';
import { faultServer } from '../double/modbus-fault-server.ts';
import type { Fault } from '../double/modbus-faults.ts';
import { modbusSlaves } from '../double/modbus-slave.ts';
import { ptyTo } from '../double/pty.ts';

/** What a bad line does to one answer after the other; then it is well again. Unit 3 never answers. */
const BAD_LINE: (Fault | undefined)[] = [
  ...([undefined, 'flip', 'silence', 'exception', 'split', 'late', 'noise', undefined] as const),
  ...(['duplicated', 'truncated', 'wrong-unit', undefined, 'split', undefined] as const),
];

/** Answers come at once or far beyond the deadline: a busy machine must not turn the one into the other. */
const TIMES = { turnaroundMs: 5, lateMs: [700, 750] as const, splitMs: 8 };

/**
 * A scan takes longer than a late answer is waited for, so that no question is held back for one: when that happens is a
 * matter of single milliseconds. On a clock that keeps still, `replay.test.ts` compares such lines too.
 */
const EVERY = '1100ms';

/** Readings of a tag that are compared. */
const READINGS = 7;

const undo: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Readings of each tag in their order: `good 17299`, `bad garbled`. Their times are not compared. */
type Readings = Map<string, string[]>;

async function startOn(channel: object): Promise<{ gateway: RunningGateway; readings: Readings }> {
  const folder = temporaryFolder();
  const devices = Object.fromEntries(
    [1, 2, 3].map((unit) => {
      const tags = { a: { address: 'holding:0', type: 'uint16' }, b: { address: 'holding:1', type: 'int32' } };
      return [`unit-${unit}`, { channel: 'line', unit, every: EVERY, tags }];
    }),
  );
  const file = join(folder, 'millgate.yaml');
  const store = { path: join(folder, 'store'), maxSize: '64MB' };
  const text = { gateway: { id: 'field' }, channels: { line: channel }, devices, store, api: { listen: 'off' } };
  writeFileSync(file, JSON.stringify(text));
  const loaded = loadConfig({ file, drivers: DRIVERS, hostname: 'here' });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
  const gateway = await startGateway({
    ...{ config: loaded.config, simulate: false, version: '0.1.0', clock: systemClock, log: silentLogger },
    ...{ random: () => 0.5, environment: {} },
  });
  undo.push(() => gateway.close());
  const readings: Readings = new Map();
  gateway.view.onReadings((made) => {
    for (const reading of made) {
      const { tag, quality } = reading;
      const text = `${quality} ${'value' in reading ? reading.value : reading.why}`;
      readings.set(tag, [...(readings.get(tag) ?? []), text]);
    }
  });
  return { gateway, readings };
}

/**
 * What is compared of a run: of the unit that never answers its first timeouts, since when it is written off is a matter of
 * time; of the others the last reading not, which the end of the recording may have cut off.
 */
function compared(readings: Readings): Record<string, string[]> {
  const count = (tag: string): number => (tag.startsWith('unit-3') ? 3 : READINGS - 1);
  return Object.fromEntries([...readings].map(([tag, all]) => [tag, all.slice(0, count(tag))]));
}

/** Waits until every tag of the units that answer has so many readings. */
function untilRead(readings: Readings, count: number): Promise<void> {
  const tags = [1, 2].flatMap((unit) => [`unit-${unit}/a`, `unit-${unit}/b`]);
  return until(() => tags.every((tag) => (readings.get(tag)?.length ?? 0) >= count), 30_000);
}

/** A gateway reads a bad serial line; gives its readings, and the recording of it as a file. */
async function recordedField(): Promise<{ file: string; readings: Readings }> {
  const slaves = modbusSlaves({ units: [1, 2] });
  const server = await faultServer({ slaves, framing: 'rtu', units: [1, 2, 3], times: TIMES });
  undo.push(() => server.close());
  server.script.push(...BAD_LINE);
  const pty = await ptyTo(server.port);
  undo.push(() => pty.stop());
  const serial = { driver: 'modbus-rtu', port: pty.path, baud: 115_200, parity: 'none', timeout: '250ms', retries: 0 };
  const { gateway, readings } = await startOn(serial);
  const lines: string[] = [];
  const end = gateway.view.record([], (line) => lines.push(line));
  await untilRead(readings, READINGS);
  end();
  const file = join(temporaryFolder(), 'fault.jsonl');
  writeFileSync(file, `${lines.join('\n')}\n`);
  await gateway.close();
  return { file, readings };
}

describe('a fault on a serial line, recorded from a running gateway', () => {
  it('replays to the same readings, over TCP and on a pseudo terminal', { timeout: 120_000 }, async () => {
    const field = await recordedField();
    const bad = [...field.readings].flatMap(([tag, all]) => (tag.startsWith('unit-3') ? [] : all.slice(0, READINGS)));
    expect(new Set(bad.filter((text) => text.startsWith('bad'))).size).toBeGreaterThan(1);
    for (const flags of [[], ['--pty']]) {
      const replay = millgate(['replay', field.file, ...flags]);
      undo.push(async () => {
        replay.interrupt();
        await replay.exitCode;
      });
      await until(() => replay.out().endsWith('}\n'));
      const { channels } = parse(replay.out()) as { channels: { line: object } };
      const { gateway, readings } = await startOn(channels.line);
      await untilRead(readings, READINGS);
      expect(compared(readings), flags.join()).toEqual(compared(field.readings));
      expect(replay.err()).not.toContain('not in the recording');
      await gateway.close();
      replay.interrupt();
      expect(await replay.exitCode).toBe(0);
    }
  });
});
