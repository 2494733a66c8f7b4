import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import ModbusClient from 'modbus-serial';
import { afterEach, describe, expect, it } from 'vitest';
import { type Framing, unwrap, wrap } from '../../../hal/mock/framing.ts';
import { type LineFault, type ModbusServer, serveTwin } from '../../../hal/mock/server.ts';
import { createTwin, type TwinTag } from '../../../hal/mock/twin.ts';
import { crc16 } from '../../../hal/modbus/line/frame.ts';
import type { ModbusAddress } from '../../../hal/modbus/map/address.ts';
import type { Value } from '../../../src/core/reading.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { register } from './bench.ts';

function tag(address: Partial<ModbusAddress>, value: Value | ((monoMs: number) => Value)): TwinTag {
  return { address: register(address), valueAt: (monoMs) => (typeof value === 'function' ? value(monoMs) : value) };
}

const TAGS = [
  tag({ start: 100 }, 0x1234),
  tag({ start: 101, count: 2, type: 'float32', order: 'CDAB' }, 1.5),
  tag({ start: 103, type: 'bool', bit: 3 }, true),
  tag({ start: 103, type: 'bool', bit: 0 }, true),
  tag({ start: 7, table: 'coil', type: 'bool' }, true),
  tag({ start: 9, table: 'coil', type: 'bool' }, false),
  tag({ start: 0, table: 'discrete', type: 'bool' }, true),
  tag({ start: 4, table: 'input', count: 2, type: 'uint32' }, 70_000),
  tag({ unit: 2, start: 100 }, 77),
];

const twin = createTwin(TAGS, { fillGaps: false });
const answer = (unit: number, ...pdu: number[]) => {
  const response = twin.answer(unit, Uint8Array.from(pdu), 0);
  return response && Buffer.from(response).toString('hex');
};

describe('a twin answers as the device would', () => {
  it('holding and input registers, in the order of the tag', () => {
    expect(answer(1, 3, 0, 100, 0, 4)).toBe('030812340000' + '3fc0' + '0009');
    expect(answer(1, 4, 0, 4, 0, 2)).toBe('0404' + '00011170');
    expect(answer(2, 3, 0, 100, 0, 1)).toBe('0302' + '004d');
  });

  it('coils and discrete inputs', () => {
    expect(answer(1, 1, 0, 7, 0, 1)).toBe('010101');
    expect(answer(1, 2, 0, 0, 0, 1)).toBe('020101');
  });

  it('refuses what it does not have, with the exception of the specification', () => {
    expect(answer(1, 3, 0, 99, 0, 2)).toBe('8302');
    expect(answer(1, 1, 0, 7, 0, 3)).toBe('8102');
    expect(answer(2, 4, 0, 0, 0, 1)).toBe('8402');
    expect(answer(1, 3, 0, 100, 0, 126)).toBe('8303');
    expect(answer(1, 3, 0, 100, 0, 0)).toBe('8303');
    expect(answer(1, 5, 0, 7, 0x12, 0)).toBe('8503');
    expect(answer(1, 20, 0, 0)).toBe('9401');
    expect(answer(3, 3, 0, 100, 0, 1)).toBeUndefined();
  });

  it('keeps what is written, by every function that writes', () => {
    const own = createTwin(
      [tag({ start: 0, count: 2, type: 'uint32' }, 5), tag({ table: 'coil', type: 'bool' }, false)],
      {
        fillGaps: false,
      },
    );
    const ask = (...pdu: number[]) => Buffer.from(own.answer(1, Uint8Array.from(pdu), 0)!).toString('hex');
    expect(ask(6, 0, 1, 0, 9)).toBe('0600010009');
    expect(ask(3, 0, 0, 0, 2)).toBe('030400000009');
    expect(ask(16, 0, 0, 0, 2, 4, 0, 1, 0, 2)).toBe('1000000002');
    expect(ask(3, 0, 0, 0, 2)).toBe('030400010002');
    expect(ask(5, 0, 0, 0xff, 0)).toBe('050000ff00');
    expect(ask(1, 0, 0, 0, 1)).toBe('010101');
    expect(ask(15, 0, 0, 0, 1, 1, 0)).toBe('0f00000001');
    expect(ask(1, 0, 0, 0, 1)).toBe('010100');
    expect(ask(6, 0, 2, 0, 9)).toBe('8602');
    expect(ask(16, 0, 0, 0, 2, 2, 0, 1)).toBe('9003');
  });

  it('fills the gaps of a table when told to', () => {
    const whole = createTwin([tag({ start: 1 }, 5), tag({ start: 3 }, 6)], { fillGaps: true });
    expect(Buffer.from(whole.answer(1, Uint8Array.of(3, 0, 1, 0, 3), 0)!).toString('hex')).toBe('0306000500000006');
    expect(whole.answer(1, Uint8Array.of(3, 0, 0, 0, 1), 0)).toEqual(Uint8Array.of(0x83, 2));
  });

  it('never tears a value: all registers of an answer are of one instant', () => {
    const counting = createTwin([tag({ count: 2, type: 'uint32' }, (monoMs) => monoMs * 0x1_0001)], {
      fillGaps: false,
    });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), (monoMs) => {
        const response = Buffer.from(counting.answer(1, Uint8Array.of(3, 0, 0, 0, 2), monoMs)!);
        expect(response.readUInt16BE(2)).toBe(response.readUInt16BE(4));
      }),
    );
  });

  it('answers any request with a response or an exception, never by throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 253 }), (pdu) => {
        const response = createTwin(TAGS, { fillGaps: true }).answer(1, pdu, 0)!;
        expect(response[0]! & 0x7f).toBe(pdu[0]! & 0x7f);
        expect(response.length).toBeGreaterThanOrEqual(2);
      }),
    );
  });
});

describe('framing', () => {
  it('finds the requests of a stream however it is cut, behind noise too with RTU', () => {
    const request = { unit: 9, pdu: Uint8Array.of(3, 0, 1, 0, 2), transaction: 0 };
    const frame = wrap(request.pdu, request, 'rtu');
    expect(crc16(frame)).toBe(0);
    let buffer: Uint8Array = Uint8Array.of(0xff, 0x00, ...frame, ...frame.subarray(0, 5));
    const seen: number[] = [];
    for (let next = unwrap(buffer, 'rtu'); next.kind !== 'more'; next = unwrap(buffer, 'rtu')) {
      buffer = buffer.subarray(next.used);
      if (next.kind === 'request') seen.push(next.request.unit);
    }
    expect(seen).toEqual([9]);
    expect(buffer).toHaveLength(5);
  });

  it('any bytes are used up or waited for, never an endless loop', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.constantFrom<Framing>('tcp', 'rtu'), (bytes, framing) => {
        let buffer = bytes;
        for (let next = unwrap(buffer, framing); next.kind !== 'more'; next = unwrap(buffer, framing)) {
          expect(next.used).toBeGreaterThan(0);
          buffer = buffer.subarray(next.used);
        }
      }),
    );
  });
});

describe('served on a socket', () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  async function serve(framing: Framing, faults: readonly LineFault[] = []) {
    const clock = new SimulatedClock();
    const server: ModbusServer = await serveTwin({ twin, framing, port: 0, clock, seed: 3, faults });
    open.push(server);
    return { clock, server };
  }

  /** What comes back for some bytes, once `length` bytes came or the peer hung up. */
  async function exchange(
    port: number,
    bytes: Uint8Array,
    length: number,
    onSent: () => Promise<void> = async () => {},
  ) {
    const socket: Socket = connect(port, '127.0.0.1');
    let heard = Buffer.alloc(0);
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk) => {
        heard = Buffer.concat([heard, chunk]);
        if (heard.length >= length) resolve();
      });
      socket.on('close', () => resolve());
    });
    socket.write(bytes);
    await onSent();
    await done;
    socket.destroy();
    return heard.toString('hex');
  }

  it('a master we did not write reads and writes two units over one MBAP connection', async () => {
    const { server } = await serve('tcp');
    const client = new ModbusClient.default();
    await client.connectTCP('127.0.0.1', { port: server.port });
    open.push({ close: () => new Promise<void>((resolve) => client.close(() => resolve())) });
    client.setTimeout(2000);
    client.setID(1);
    expect((await client.readHoldingRegisters(100, 1)).data).toEqual([0x1234]);
    expect((await client.readCoils(7, 1)).data[0]).toBe(true);
    await expect(client.readHoldingRegisters(0, 1)).rejects.toThrow('Illegal data address');
    client.setID(2);
    expect((await client.readHoldingRegisters(100, 1)).data).toEqual([77]);
    client.setID(9);
    await expect(client.readHoldingRegisters(100, 1)).rejects.toMatchObject({ modbusCode: 0x0b });
  });

  it('answers requests that come in one piece, each with its transaction', async () => {
    const { server } = await serve('tcp');
    const both = Buffer.from('000700000006' + '020300640001' + '000800000006' + '020300640001', 'hex');
    const heard = await exchange(server.port, both, 22);
    expect(heard).toBe('000700000005' + '0203' + '02004d' + '000800000005' + '0203' + '02004d');
  });

  it('RTU framing carries a checksum', async () => {
    const { server } = await serve('rtu');
    const request = { unit: 2, pdu: Uint8Array.of(3, 0, 100, 0, 1), transaction: 0 };
    const heard = Buffer.from(await exchange(server.port, wrap(request.pdu, request, 'rtu'), 7), 'hex');
    expect(heard.subarray(0, 5).toString('hex')).toBe('020302004d');
    expect(crc16(heard)).toBe(0);
  });

  it('hangs up on what is no Modbus', async () => {
    const { server } = await serve('tcp');
    expect(await exchange(server.port, Buffer.from('GET / HTTP/1.1\r\n\r\n'), 1)).toBe('');
  });

  it('silence, exceptions and flipped bits come by script, for their unit only', async () => {
    const always = { afterMs: 0, everyMs: undefined, forMs: 60_000 } as const;
    const { server } = await serve('rtu', [
      { unit: 1, kind: 'exception', code: 6, ...always },
      { unit: 2, kind: 'flip', ...always },
      { unit: 3, kind: 'silent', ...always },
    ]);
    const ask = (unit: number) =>
      wrap(Uint8Array.of(3, 0, 100, 0, 1), { unit, pdu: new Uint8Array(), transaction: 0 }, 'rtu');
    const heard = Buffer.from(await exchange(server.port, Buffer.concat([ask(3), ask(1), ask(2)]), 12), 'hex');
    expect(heard.subarray(0, 3).toString('hex')).toBe('018306');
    expect(crc16(heard.subarray(5))).not.toBe(0);
  });

  it('a late answer comes when its time has come', async () => {
    const late: LineFault = { unit: 2, kind: 'late', delayMs: 900, afterMs: 0, everyMs: undefined, forMs: 60_000 };
    const { server, clock } = await serve('tcp', [late]);
    const heard = await exchange(server.port, Buffer.from('000100000006020300640001', 'hex'), 11, async () => {
      while (clock.nextDueMs === undefined) await new Promise((resolve) => setImmediate(resolve));
      expect(clock.nextDueMs).toBe(900);
      await clock.advance(900);
    });
    expect(heard).toBe('0001000000050203' + '02004d');
  });

  it('a port that is taken is said, with what to do', async () => {
    const { server } = await serve('tcp');
    const again = serveTwin({
      twin,
      framing: 'tcp',
      port: server.port,
      clock: new SimulatedClock(),
      seed: 1,
      faults: [],
    });
    await expect(again).rejects.toThrow('another program listens there. Stop it, or choose another port');
  });
});
