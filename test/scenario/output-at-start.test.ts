import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../double/ask.ts';
import { Bench, type Program, until } from '../double/processes.ts';

/** Outputs of alarms in the installed binary, from its start on. */

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

afterEach(() => bench.dispose());

interface Event {
  readonly kind: string;
  readonly what?: string;
  readonly tag?: string;
  readonly value?: unknown;
  readonly outcome?: string;
  readonly change?: string;
}

describe('an output that an alarm drives', () => {
  it('is driven with the first reading, at the first start and at one with the alarm standing, without a word of trouble', async () => {
    const file = bench.write(
      'millgate.yaml',
      `gateway: {id: scenario}
channels: {sim: {driver: mock}}
devices:
  oven:
    channel: sim
    every: 50ms
    tags:
      temp: {address: "90", type: float64}
      lamp: {address: "false", type: bool, writable: true}
alarms:
  hot: {tag: oven/temp, above: 80, set: {tag: oven/lamp, to: on}}
store: {path: ${join(bench.folder, 'store')}}
api: {listen: off}
`,
    );
    const where = { socketPath: join(bench.folder, 'store', 'api.sock') };
    const events = async (): Promise<readonly Event[]> => {
      const { body } = await ask(where, '/api/v1/events?from=0&limit=1000');
      return (body as { events: Event[] }).events;
    };
    const writes = (all: readonly Event[]): readonly Event[] => all.filter(({ what }) => what === 'write');
    const driven = async (program: Program, times: number): Promise<readonly Event[]> => {
      let last: readonly Event[] = [];
      const isDriven = async () => {
        last = await events().catch(() => last);
        return writes(last).length >= times;
      };
      await until(`${times} writes`, isDriven, 30_000, () => `${JSON.stringify(last)} ${program.output()}`);
      return last;
    };
    const first = bench.gateway(file);
    const before = writes(await driven(first, 1));
    await first.stop('SIGKILL');
    const all = await driven(bench.gateway(file), before.length + 1);
    expect(all.filter(({ what }) => what === 'output-not-set')).toEqual([]);
    expect(writes(all).at(-1)).toMatchObject({ tag: 'oven/lamp', value: true, outcome: 'written' });
    expect(new Set(writes(all).map(({ outcome }) => outcome))).toEqual(new Set(['written']));
    expect(all.filter(({ change }) => change === 'raised')).toHaveLength(1);
  }, 90_000);
});
