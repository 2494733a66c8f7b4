import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSystemPort, type PortBinding, sttyWords } from '../../../hal/serial/system-port.ts';
import { Bench } from '../../double/processes.ts';

const settings = (port: string) => ({ port, baud: 19200, parity: 'even', dataBits: 8, stopBits: 1 }) as const;

describe('a port without a native package', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.dispose());

  const bytesFrom = async (port: PortBinding, wanted: number): Promise<Buffer> => {
    const buffer = Buffer.alloc(wanted);
    for (let at = 0; at < wanted; ) at += (await port.read(buffer, at, wanted - at)).bytesRead;
    return buffer;
  };

  it('carries every byte both ways as it is, control characters included', async () => {
    const { a, b } = await bench.ptyPair();
    const [left, right] = [await openSystemPort(settings(a)), await openSystemPort(settings(b))];
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await left.write(all);
    expect(await bytesFrom(right, 256)).toEqual(all);
    await right.write(all);
    expect(await bytesFrom(left, 256)).toEqual(all);
    await Promise.all([left.close(), right.close()]);
  });

  it('ends a read under way when it is closed', async () => {
    const { a } = await bench.ptyPair();
    const port = await openSystemPort(settings(a));
    const reading = expect(port.read(Buffer.alloc(1), 0, 1)).rejects.toThrow('the port was closed');
    await port.close();
    await reading;
    expect(port.isOpen).toBe(false);
  });

  it('tells of a port that is not there with the error of the system', async () => {
    await expect(openSystemPort(settings('/dev/ttyNone'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is set in the words of stty', () => {
    expect(sttyWords(settings('x')).slice(-4)).toEqual(['cs8', 'parenb', '-parodd', '-cstopb']);
    expect(sttyWords({ ...settings('x'), parity: 'none', stopBits: 2 }).slice(-3)).toEqual([
      '-parenb',
      '-parodd',
      'cstopb',
    ]);
  });
});
