import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { searchHosts } from '../../../../hal/modbus/search/discover-tcp.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { mbapFrame, modbusSlaves } from '../../../double/modbus-slave.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A Modbus TCP host that is silent to all units but these. */
async function host(units: readonly number[], others?: 'no such unit'): Promise<number> {
  const slaves = modbusSlaves({ units });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', (bytes) => {
      const pdu = bytes.length >= 12 ? slaves.answer(bytes[6]!, bytes.subarray(7, 12)) : undefined;
      const missing = Uint8Array.of(bytes[7]! | 0x80, 0x0b);
      if (pdu || others) socket.write(mbapFrame((bytes[0]! << 8) | bytes[1]!, bytes[6]!, pdu ?? missing));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

const search = (port: number) => {
  const target = { host: '127.0.0.1', port };
  const shown: number[] = [];
  const options = { targets: [target], units: undefined, timeoutMs: 10, connectTimeoutMs: 1000, clock: systemClock };
  const told: { unit: number; done: number }[] = [];
  const found = searchHosts(
    {
      ...options,
      onProgress: ({ done }) => shown.push(done),
      onFound: (unit) => told.push({ ...unit, done: shown.at(-1)! }),
    },
    new AbortController().signal,
  );
  return { found, shown, told };
};

describe('a host that is silent to the units of a device without units', () => {
  it('is asked for all others, and says what was tried', async () => {
    const { found, shown } = search(await host([3]));
    expect(await found).toMatchObject([
      {
        state: 'open',
        framing: 'tcp',
        units: [{ unit: 3 }],
        tried: expect.stringMatching(/^Modbus TCP to units 255, 0 and 1, then RTU frames to .*246 units from 2 to 247/),
      },
    ]);
    expect(shown.length).toBeGreaterThan(247);
  });

  it('never goes back in its progress, and tells of a unit the moment it answers', async () => {
    const { found, shown, told } = search(await host([3]));
    await found;
    expect(shown).toEqual([...shown].sort((a, b) => a - b));
    expect(shown.at(-1)).toBeGreaterThan(0.9);
    expect(told).toEqual([expect.objectContaining({ host: '127.0.0.1', unit: 3 })]);
    expect(told[0]!.done).toBeLessThan(0.9);
  });

  it('and says of each other one that it is not there is a gateway, whose units are all asked', async () => {
    const { found } = search(await host([3, 200], 'no such unit'));
    expect(await found).toMatchObject([
      { isGateway: true, units: [{ unit: 3 }, { unit: 200 }], tried: expect.not.stringContaining('RTU') },
    ]);
  });

  it('that answers one of its own is asked no further', async () => {
    const { found } = search(await host([1]));
    expect(await found).toMatchObject([{ units: [{ unit: 1 }], asked: 3 }]);
  });
});
