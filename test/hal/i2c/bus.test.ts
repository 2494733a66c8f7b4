import { describe, expect, it } from 'vitest';
import { NotConnected } from '../../../hal/driver.ts';
import { fakeTmp102 } from '../../double/i2c-bus.ts';
import { i2cBench, i2cTag, said, settled } from '../../double/i2c-driver.ts';

const device = (unit: number) => ({ unit, chip: 'tmp102' });
const oil = i2cTag('oil', device(0x48), 'temperature');
const air = i2cTag('air', device(0x49), 'temperature');

const bench = () => i2cBench(() => ({ 72: fakeTmp102(60), 73: fakeTmp102(20) }));

describe('an I²C bus', () => {
  it('goes on with the neighbours of a device that does not acknowledge, without opening the bus anew', async () => {
    const { bus, read } = await bench();
    bus.trouble.set(0x48, { kind: 'nack' });
    expect((await read([oil, air])).map(said)).toEqual(['timeout', 20]);
    expect(bus.counts).toMatchObject({ opened: 1, closed: 0 });
  });

  it('makes a transfer again that failed once, on a bus opened anew', async () => {
    const { bus, read } = await bench();
    bus.trouble.set(0x48, { kind: 'error', code: 'EIO', left: 1 });
    expect(said((await read([oil]))[0])).toBe(60);
    expect(bus.counts).toMatchObject({ opened: 2, closed: 1 });
  });

  it.each([
    ['EREMOTEIO', 'timeout', 'no acknowledge'],
    ['ETIMEDOUT', 'timeout', 'holds SDA or SCL low'],
    ['EIO', 'garbled', 'the transfer failed'],
    ['EAGAIN', 'garbled', 'the transfer failed'],
    ['EBUSY', 'device-busy', 'a kernel driver uses this address'],
    ['EOPNOTSUPP', 'illegal-function', 'cannot make this kind of transfer'],
  ])('says of %s that the device is bad, %s, and why', async (code, why, detail) => {
    const { bus, read } = await bench();
    bus.trouble.set(0x48, { kind: 'error', code, left: 9 });
    const [first, second] = await read([oil, air]);
    expect(first).toMatchObject({ ok: false, why, detail: expect.stringContaining(detail) });
    expect(said(second)).toBe(20);
    bus.trouble.clear();
    expect(said((await read([oil]))[0])).toBe(60);
  });

  it('waits for a device that stretches the clock, and not beyond the deadline', async () => {
    const { bus, clock, read } = await bench();
    bus.trouble.set(0x48, { kind: 'slow', ms: 40 });
    expect(said((await read([oil]))[0])).toBe(60);
    bus.trouble.set(0x48, { kind: 'slow', ms: 400 });
    const startedMs = clock.monoMs();
    expect(said((await read([oil]))[0])).toBe('timeout');
    expect(clock.monoMs() - startedMs).toBe(100);
    bus.trouble.clear();
    expect(said((await read([oil]))[0])).toBe(60);
  });

  it('leaves a transfer that hangs to itself, closes its file when it ends, and never makes two at once in one file', async () => {
    const { bus, read } = await bench();
    bus.trouble.set(0x48, { kind: 'hang' });
    expect((await read([oil, air])).map(said)).toEqual(['timeout', 20]);
    expect(bus.counts).toMatchObject({ opened: 2, closed: 0 });
    bus.release();
    await Promise.resolve().then(() => new Promise((resolve) => setImmediate(resolve)));
    expect(bus.counts.closed).toBe(1);
  });

  it('gives up when two transfers hang in the kernel, and tells how to free the bus', async () => {
    const { bus, read } = await bench();
    bus.trouble.set('all', { kind: 'hang' });
    await expect(read([oil, air, { ...oil, device: 'other' }])).rejects.toThrow(
      /2 transfers hang in the kernel.*power/,
    );
    bus.release();
  });

  it('knows a stuck bus by many failures on every address, and does not connect before it is free', async () => {
    const { bus, driver, clock, signal, read } = await bench();
    bus.trouble.set('all', { kind: 'error', code: 'ETIMEDOUT', left: Number.POSITIVE_INFINITY });
    let lost: unknown;
    for (let scan = 0; scan < 10 && !lost; scan++) {
      await read([oil, air]).catch((error: unknown) => {
        lost = error;
      });
      await clock.advance(500);
    }
    expect(lost).toBeInstanceOf(NotConnected);
    expect((lost as Error).message).toMatch(/the bus is stuck.*SDA or SCL low/);
    await expect(settled(clock, driver.connect(signal))).rejects.toThrow(/stuck/);
    bus.trouble.clear();
    await settled(clock, driver.connect(signal));
    expect((await read([oil, air])).map(said)).toEqual([60, 20]);
  });

  it('is lost when its adapter is pulled out', async () => {
    const { bus, read } = await bench();
    bus.trouble.set('all', { kind: 'error', code: 'ENODEV', left: 1 });
    await expect(read([oil])).rejects.toThrow(/the bus is gone/);
    await expect(read([oil])).rejects.toThrow(NotConnected);
  });

  it('makes one transfer at a time, whoever asks', async () => {
    const { bus, driver, clock, signal } = await bench();
    bus.trouble.set('all', { kind: 'slow', ms: 5 });
    const reads = Promise.all([driver.read([oil], signal), driver.read([air], signal), driver.read([oil], signal)]);
    expect((await settled(clock, reads)).map(([result]) => said(result))).toEqual([60, 20, 60]);
    expect(bus.counts.most).toBe(1);
  });
});
