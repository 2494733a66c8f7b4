import { describe, expect, it, onTestFinished } from 'vitest';
import { modbusTcp } from '../../../hal/modbus/type.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { faultServer } from '../../double/modbus-fault-server.ts';
import { expectedRegister, modbusSlaves } from '../../double/modbus-slave.ts';
import { modbusChannel, modbusTag } from '../../double/modbus-tags.ts';
import { udpDevice } from '../../double/modbus-udp.ts';
import { selfSigned } from '../../double/self-signed.ts';

const { signal } = new AbortController();

const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };

describe('Modbus TCP over TLS', () => {
  /** A driver for a device on this machine that signed its certificate itself. */
  async function bench(tls: Record<string, string>) {
    const certificate = await selfSigned();
    const slaves = modbusSlaves({ units: [3] });
    const server = await faultServer({ slaves, framing: 'mbap', units: [3], tls: certificate });
    onTestFinished(async () => {
      await server.close();
      await certificate.remove();
    });
    return modbusTcp.create(modbusChannel(modbusTcp, { host: '127.0.0.1', port: server.port, tls }), deps);
  }

  it('refuses a certificate that nobody trusts, and says what to write', async () => {
    const driver = await bench({});
    await expect(driver.connect(signal)).rejects.toThrow(/Name the authority: tls: \{ca: FILE\}/);
  });

  it('names a file that is not there', async () => {
    const driver = await bench({ ca: '/nowhere/ca.pem' });
    await expect(driver.connect(signal)).rejects.toThrow(/\/nowhere\/ca\.pem.*Check the files of tls/);
  });

  it('asks at port 802 unless the file says otherwise', () => {
    expect(modbusChannel(modbusTcp, { host: 'plc', tls: {} })).toMatchObject({ port: 802 });
  });
});

describe('Modbus over UDP', () => {
  it('says that nothing listens at the port, and reads again when something does', async () => {
    const gone = await udpDevice(modbusSlaves({ units: [3] }));
    const { port } = gone;
    await gone.close();
    const channel = modbusChannel(modbusTcp, { host: '127.0.0.1', port, framing: 'udp', timeout: 200, retries: 0 });
    const driver = modbusTcp.create(channel, deps);
    onTestFinished(() => driver.close());
    await driver.connect(signal);
    const tags = [modbusTag(3, { address: 'holding:0' }, channel)];
    expect(await driver.read(tags, signal)).toMatchObject([
      { ok: false, why: 'not-connected', detail: expect.stringContaining('nothing listens on this UDP port') },
    ]);
    const back = await udpDevice(modbusSlaves({ units: [3] }), port);
    onTestFinished(() => back.close());
    expect(await driver.read(tags, signal)).toMatchObject([{ ok: true, value: expectedRegister(3, 0, 1) }]);
  });
});
