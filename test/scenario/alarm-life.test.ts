import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, post } from '../double/ask.ts';
import { type FaultServer, faultServer } from '../double/modbus-fault-server.ts';
import { type ModbusSlaves, modbusSlaves } from '../double/modbus-slave.ts';
import { Bench, type Program, until } from '../double/processes.ts';

/** The life of an alarm in the installed binary, with a kill -9 after each of its steps. */

const OIL = '3/100';
const LAMP = '3/5';

let bench: Bench;
let slaves: ModbusSlaves;
let server: FaultServer;
let gateway: Program;
let file: string;

beforeEach(async () => {
  bench = new Bench();
  slaves = modbusSlaves({ units: [3] });
  slaves.registers.set(OIL, 70);
  slaves.coils.set(LAMP, false);
  server = await faultServer({ slaves, framing: 'mbap', units: [3] });
  file = bench.write(
    'millgate.yaml',
    `gateway: {id: scenario}
channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${server.port}, timeout: 1s}}
devices:
  press-1:
    channel: plc
    unit: 3
    every: 50ms
    tags:
      oil: {address: "holding:100", type: int16, unit: "°C"}
      lamp: {address: "coil:5", type: bool, writable: true}
      runtime: {expr: "runtime(press-1/oil, 1s)"}
alarms:
  hot: {tag: press-1/oil, above: 80, deadband: 2, latch: true, set: {tag: press-1/lamp, to: on}}
store: {path: ${join(bench.folder, 'store')}}
api: {listen: off}
`,
  );
  gateway = bench.gateway(file);
});

afterEach(async () => {
  await bench.dispose();
  await server.close();
});

const where = () => ({ socketPath: join(bench.folder, 'store', 'api.sock') });

interface Seen {
  readonly id: string;
  readonly state: string;
  readonly occurrence: number;
  readonly value?: number;
  readonly shelvedUntilMs?: number;
}

async function alarm(): Promise<Seen> {
  const { body } = await ask(where(), '/api/v1/alarms');
  return (body as { alarms: Seen[] }).alarms.find(({ id }) => id === 'hot')!;
}

/** Waits until the alarm is in a state, and was judged at least once since the start. */
async function reaches(state: string, occurrence: number): Promise<void> {
  let last: Seen | string = 'no answer';
  const isThere = async () => {
    last = await alarm().catch((error: Error) => error.message);
    return typeof last === 'object' && last.state === state && last.value !== undefined;
  };
  await until(`the alarm to be ${state}`, isThere, 30_000, () => `${JSON.stringify(last)} ${gateway.output()}`);
  expect(last).toMatchObject({ state, occurrence });
}

async function order(word: string, body: object = {}): Promise<void> {
  const answer = await post(where(), `/api/v1/alarms/hot/${word}`, JSON.stringify({ by: 'ann', ...body }));
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
}

async function powerCut(): Promise<void> {
  await gateway.stop('SIGKILL');
  gateway = bench.gateway(file);
}

/** Every change of the alarm that the journal holds, page by page. */
async function journal(): Promise<string[]> {
  const changes: string[] = [];
  for (let query: string | undefined = 'from=0'; query !== undefined; ) {
    const { body } = await ask(where(), `/api/v1/events?${query}&limit=1000`);
    const { events, next } = body as {
      events: { kind: string; id?: string; change?: string; occurrence?: number }[];
      next?: number;
    };
    for (const { kind, id, change, occurrence } of events)
      if (kind === 'alarm' && id === 'hot') changes.push(`${change} ${occurrence}`);
    query = next === undefined ? undefined : `after=${next}`;
  }
  return changes;
}

const lampIs = (on: boolean) => until(`the lamp to be ${on}`, () => slaves.coils.get(LAMP) === on, 20_000);

describe('an alarm and power cuts', () => {
  it('comes back as it was after each step of its life, with no second occurrence and none lost', async () => {
    await reaches('normal', 0);
    await powerCut();
    await reaches('normal', 0);
    slaves.registers.set(OIL, 81);
    await reaches('unacked', 1);
    await lampIs(true);
    await powerCut();
    await reaches('unacked', 1);
    await order('ack', { occurrence: 1 });
    await powerCut();
    await reaches('acked', 1);
    slaves.registers.set(OIL, 70);
    await reaches('latched-acked', 1);
    await powerCut();
    await reaches('latched-acked', 1);
    await order('reset');
    await lampIs(false);
    await powerCut();
    await reaches('normal', 1);
    await order('shelve', { for: '30m' });
    const { shelvedUntilMs } = await alarm();
    await powerCut();
    await reaches('shelved', 1);
    expect((await alarm()).shelvedUntilMs).toBe(shelvedUntilMs);
    slaves.registers.set(OIL, 90);
    await until('the reading', async () => (await alarm()).value === 90, 10_000);
    await order('unshelve');
    await reaches('unacked', 2);
    expect(await journal()).toEqual([...['raised 1', 'acked 1', 'returned 1', 'reset 1', 'shelved 1', 'unshelved 2']]);
  }, 240_000);
});
