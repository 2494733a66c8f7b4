/** The Modbus server on real sockets: who is let in, what broken, slow and greedy masters cost, and a port that is taken. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModbusServerConfig, ServedPoint } from '../../src/config/config.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { Reading } from '../../src/core/reading.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { Serving } from '../../src/serve/serving.ts';
import { refusingAccepts } from '../double/refused-accept.ts';

const POINT: ServedPoint = {
  kind: 'tag',
  tag: 'press/oil',
  address: {
    unit: 0,
    table: 'holding',
    start: 0,
    count: 1,
    type: 'uint16',
    order: 'ABCD',
    bit: undefined,
    invalid: [],
    timeoutMs: undefined,
    maxRegisters: undefined,
    maxBits: undefined,
    maxGap: 16,
  },
  scale: 1,
  offset: 0,
  staleMs: undefined,
};

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function serving(config: Partial<ModbusServerConfig> = {}) {
  const clock = new SimulatedClock();
  const alarms: string[] = [];
  const last: Reading = { tag: 'press/oil', wallMs: 0, monoMs: 0, quality: 'good', value: 7 };
  const server = new Serving({
    clock,
    log: silentLogger,
    lastOf: () => last,
    alarms: { raise: (id) => alarms.push(`raised ${id}`), clear: (id) => alarms.push(`cleared ${id}`) },
  });
  opened.push(server);
  const modbus: ModbusServerConfig = {
    listen: { host: '127.0.0.1', port: 0 },
    allow: undefined,
    unit: undefined,
    maxClients: 4,
    whenBad: 'exception',
    points: [POINT],
    ...config,
  };
  await server.replace({ modbus });
  const status = () => server.status().modbus!;
  return { server, modbus, clock, alarms, status, port: () => Number(status().listen.split(':').at(-1)) };
}

async function master(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  opened.push({ close: () => socket.destroy() });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const REQUEST = Buffer.from('000100000006010300000001', 'hex');
const ANSWER = '000100000005010302' + '0007';

async function answerTo(socket: Socket, request: Buffer): Promise<string> {
  socket.write(request);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return bytes.toString('hex');
}

/** Waits until a socket is closed by the other side. */
async function closed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

/** Waits until something holds, a turn of the event loop at a time. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a master', () => {
  it('is answered, byte by byte as well and several requests at once', async () => {
    const { port, status } = await serving();
    const socket = await master(port());
    expect(await answerTo(socket, REQUEST)).toBe(ANSWER);
    for (const byte of REQUEST.subarray(0, -1)) socket.write(Buffer.of(byte));
    expect(await answerTo(socket, REQUEST.subarray(-1))).toBe(ANSWER);
    expect(await answerTo(socket, Buffer.concat([REQUEST, REQUEST]))).toContain(ANSWER);
    await until(() => status().requests === 4);
    expect(status()).toMatchObject({ clients: 1, exceptions: {}, ended: 0 });
  });

  it.each([
    [1, ANSWER],
    [5, ANSWER.replace('000501', '000505')],
    [255, ANSWER.replace('000501', '0005ff')],
    [2, '0001000000030283' + '0b'],
  ])('that asks unit %i where unit 5 is configured', async (unit, answer) => {
    const { port, status } = await serving({ unit: unit === 1 ? 1 : 5 });
    const request = Buffer.from(REQUEST);
    request[6] = unit;
    expect(await answerTo(await master(port()), request)).toBe(answer);
    expect(status().exceptions).toEqual(unit === 2 ? { 11: 1 } : {});
  });

  it.each([
    ['garbage', 'ffffffffffffffffffffffff'],
    ['a length of nothing', '000100000001010300000001'],
    ['a length beyond the standard', '0001000000ff01'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n').toString('hex')],
  ])('that sends %s is let go at once', async (_name, bytes) => {
    const { port, status } = await serving();
    const socket = await master(port());
    socket.write(Buffer.from(bytes, 'hex'));
    await closed(socket);
    await until(() => status().ended === 1);
    expect(status()).toMatchObject({ clients: 0, requests: 0 });
  });

  it('that does not finish its request is let go after five seconds', async () => {
    const { port, status, clock } = await serving();
    const socket = await master(port());
    await answerTo(socket, REQUEST);
    socket.write(REQUEST.subarray(0, 4));
    await until(() => {
      clock.advance(1000);
      return status().ended === 1;
    });
    await closed(socket);
    expect(clock.monoMs()).toBeGreaterThanOrEqual(5000);
  });

  it('that asks without a pause is answered at a bounded rate, and its requests wait in its own machine', async () => {
    const { port, status, clock } = await serving();
    const socket = await master(port());
    socket.resume();
    socket.write(Buffer.concat(Array.from({ length: 150 }, () => REQUEST)));
    await until(() => status().requests === 100);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(status().requests).toBe(100);
    await until(() => {
      clock.advance(100);
      return status().requests === 150;
    });
    expect(clock.monoMs()).toBeGreaterThanOrEqual(500);
  });
});

describe('connections', () => {
  it('are bounded, for each address by half', async () => {
    const { port, status } = await serving();
    const first = await master(port());
    await master(port());
    await until(() => status().clients === 2);
    await closed(await master(port()));
    expect(status()).toMatchObject({ clients: 2, refused: 1 });
    expect(await answerTo(first, REQUEST)).toBe(ANSWER);
  });

  it('that have been silent for a minute make room', async () => {
    const { port, status, clock } = await serving();
    const silent = await master(port());
    const busy = await master(port());
    await until(() => status().clients === 2);
    clock.advance(61_000);
    await answerTo(busy, REQUEST);
    const late = await master(port());
    await closed(silent);
    expect(await answerTo(late, REQUEST)).toBe(ANSWER);
    expect(status()).toMatchObject({ clients: 2, refused: 0 });
  });

  it.each([
    [['127.0.0.1'], true],
    [['127.0.0.0/8'], true],
    [['10.0.0.0/8', '192.168.1.30'], false],
  ])('where allow is %j: %s', async (allow, isLetIn) => {
    const { port, status } = await serving({ allow });
    const socket = await master(port());
    if (isLetIn) expect(await answerTo(socket, REQUEST)).toBe(ANSWER);
    else await closed(socket);
    expect(status().refused).toBe(isLetIn ? 0 : 1);
  });
});

describe('the port', () => {
  it('that is taken raises an alarm, and is listened on when it is free', async () => {
    const other: Server = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { status, alarms, clock } = await serving({ listen: { host: '127.0.0.1', port } });
    expect(status()).toMatchObject({ state: 'waiting', reason: expect.stringContaining(`port ${port} is in use`) });
    expect(alarms).toEqual(['raised serve/modbus']);
    other.close();
    await once(other, 'close');
    clock.advance(10_000);
    await until(() => status().state === 'listening');
    expect(alarms.at(-1)).toBe('cleared serve/modbus');
  });

  it('is listened on as before when the kernel has no file left for a connection', async () => {
    const refuse = refusingAccepts();
    const { port, status, alarms } = await serving();
    for (let times = 0; times < 3; times++) refuse();
    expect([status().state, alarms.at(-1)]).toEqual(['listening', 'cleared serve/modbus']);
    expect(await answerTo(await master(port()), REQUEST)).toBe(ANSWER);
  });

  it('is kept with its masters when another part of the file changes, and left when its own does', async () => {
    const { server, modbus, port, status } = await serving();
    const socket = await master(port());
    await server.replace({ modbus: structuredClone(modbus) });
    expect(await answerTo(socket, REQUEST)).toBe(ANSWER);
    await server.replace({ modbus: { ...modbus, unit: 9 } });
    await closed(socket);
    expect(await answerTo(await master(port()), REQUEST)).toContain('0b');
    await server.replace(undefined);
    expect(status()).toBeUndefined();
  });
});
