import { join } from 'node:path';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../double/ask.ts';
import { type FaultServer, faultServer } from '../double/modbus-fault-server.ts';
import { type ModbusSlaves, modbusSlaves } from '../double/modbus-slave.ts';
import { Bench, freePort, type Program, until } from '../double/processes.ts';

/** Commands of a plant's broker to the installed binary, with a kill -9 between a command and its repetition. */

const SETPOINT = '3/200';
const ROOT = 'millgate/scenario';

let bench: Bench;
let slaves: ModbusSlaves;
let server: FaultServer;
let gateway: Program;
let file: string;
let client: MqttClient;
const replies: Record<string, unknown>[] = [];

beforeEach(async () => {
  bench = new Bench();
  slaves = modbusSlaves({ units: [3] });
  slaves.registers.set(SETPOINT, 10);
  slaves.registers.set('3/201', 10);
  slaves.registers.set('3/100', 90);
  server = await faultServer({ slaves, framing: 'mbap', units: [3] });
  const port = await freePort();
  await bench.broker(port);
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
      oil: {address: "holding:100", type: int16}
      setpoint: {address: "holding:200", type: uint16, writable: {min: 0, max: 120, perMinute: 6}}
      fixed: {address: "holding:201", type: uint16}
alarms: {hot: {tag: press-1/oil, above: 80}}
store: {path: ${join(bench.folder, 'store')}, commitEvery: 50ms}
uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:${port}"}}
commands: {enabled: true}
api: {listen: off}
`,
  );
  gateway = bench.gateway(file);
  client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`);
  replies.length = 0;
  client.on('message', (_topic, payload) => replies.push(JSON.parse(`${payload}`)));
  await client.subscribeAsync(`${ROOT}/reply`);
});

afterEach(async () => {
  await client.endAsync(true);
  await bench.dispose();
  await server.close();
});

/** Sends a command until it is answered: the gateway may not listen yet. */
async function order(command: Record<string, unknown>): Promise<Record<string, unknown>> {
  const count = replies.length;
  const text = JSON.stringify({ expires: Date.now() + 60_000, ...command });
  let sent = 0;
  await until(
    'a reply',
    async () => {
      if (sent++ % 25 === 0) await client.publishAsync(`${ROOT}/command`, text, { qos: 1 });
      return replies.length > count;
    },
    30_000,
    gateway.output,
  );
  return replies.at(-1)!;
}

async function audits(): Promise<Record<string, unknown>[]> {
  const { body } = await ask(
    { socketPath: join(bench.folder, 'store', 'api.sock') },
    '/api/v1/events?from=0&limit=1000',
  );
  return (body as { events: Record<string, unknown>[] }).events.filter(({ kind }) => kind === 'audit');
}

describe('commands over MQTT', () => {
  it('write within the limits of the file, once whatever happens, and are audited with who and from where', async () => {
    expect(await order({ id: 'w1', by: 'scada', write: { tag: 'press-1/setpoint', value: 80 } })).toMatchObject({
      ...{ id: 'w1', ok: true, readBack: 80 },
    });
    expect(slaves.registers.get(SETPOINT)).toBe(80);
    slaves.registers.set(SETPOINT, 11);
    await gateway.stop('SIGKILL');
    gateway = bench.gateway(file);
    expect(await order({ id: 'w1', by: 'scada', write: { tag: 'press-1/setpoint', value: 80 } })).toMatchObject({
      ...{ id: 'w1', repeated: true },
    });
    expect(slaves.registers.get(SETPOINT)).toBe(11);
    expect(await order({ id: 'w2', write: { tag: 'press-1/setpoint', value: 121 } })).toMatchObject({ ok: false });
    expect(await order({ id: 'w3', write: { tag: 'press-1/fixed', value: 1 } })).toMatchObject({ ok: false });
    expect(
      await order({ id: 'w4', expires: Date.now() - 1, write: { tag: 'press-1/setpoint', value: 1 } }),
    ).toMatchObject({
      ...{ ok: false, outcome: 'refused' },
    });
    expect(await order({ id: 'k1', by: 'j. doe', ack: { alarm: 'hot', occurrence: 1 } })).toMatchObject({ ok: true });
    expect(await order({ id: 'r1', replay: { from: 1, to: 3 } })).toMatchObject({ ok: true });
    expect([slaves.registers.get(SETPOINT), slaves.registers.get('3/201')]).toEqual([11, 10]);
    const seen = await audits();
    const from = `plant ${ROOT}/command`;
    expect(seen).toContainEqual(
      expect.objectContaining({ what: 'write', by: 'scada', from, outcome: 'written', tag: 'press-1/setpoint' }),
    );
    expect(seen).toContainEqual(
      expect.objectContaining({ what: 'write', outcome: 'refused', tag: 'press-1/fixed', from }),
    );
    expect(seen).toContainEqual(expect.objectContaining({ what: 'command', id: 'w4', outcome: 'refused', from }));
    expect(seen).toContainEqual(expect.objectContaining({ what: 'alarm-ack', by: `j. doe over ${from}` }));
  }, 120_000);
});
