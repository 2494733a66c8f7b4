import { describe, expect, it } from 'vitest';
import { NotConnected } from '../../../hal/driver.ts';
import { serialLine } from '../../../hal/serial/types.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ptyTo } from '../../double/pty.ts';
import { scales } from '../../double/scales.ts';
import { lineChannel, lineTag } from '../../double/serial-line.ts';

const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };
const weight = lineTag('scale/weight', { pattern: '^W1 (?<value>[0-9.]+) kg' }, 'W1\r');

describe('an adapter that is pulled out', () => {
  it('is lost, is no port while it is away, and works again under its old name', async () => {
    const server = await scales();
    const pty = await ptyTo(server.port);
    const driver = serialLine.create(lineChannel({ port: pty.path, timeout: '100ms', retries: 0 }), deps);
    const { signal } = new AbortController();
    await driver.connect(signal);
    expect((await driver.read([weight], signal))[0]).toMatchObject({ ok: true, value: 10.5 });

    pty.unplug();
    await expect(driver.read([weight], signal)).rejects.toThrow(NotConnected);
    await driver.close();
    await expect(driver.connect(signal)).rejects.toThrow(/no such port/);

    await pty.plug();
    await driver.connect(signal);
    expect((await driver.read([weight], signal))[0]).toMatchObject({ ok: true, value: 10.5 });
    await driver.close();
    await pty.stop();
    await server.stop();
  });
});
