import { describe, expect, it } from 'vitest';
import { NotConnected } from '../../../hal/driver.ts';
import { kernelWire } from '../../../hal/i2c/wire.ts';

describe('the buses of this machine', () => {
  it('say which there are when one is not there, or how to install the native module', async () => {
    const error = await kernelWire(250)().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotConnected);
    expect((error as Error).message).toMatch(/^\/dev\/i2c-250: (no such bus\. There (are|is)|.*npm install i2c-bus)/);
  });
});
