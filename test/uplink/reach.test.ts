import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../contract/uplink.ts';
import { startHttpTarget } from '../double/http-target.ts';
import { freePort, startAedes } from '../double/mqtt-peers.ts';
import { startHttpProxy, startSocksProxy } from '../double/proxies.ts';
import { selfSigned } from '../double/self-signed.ts';
import { httpUplink } from './http/http-fixture.ts';
import { uplinkTo } from './mqtt-fixture.ts';

/** Ways to a broker or a server: through a proxy, or to the next of several brokers. */

const NEVER = new AbortController().signal;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

function closing<T extends { close(): unknown }>(thing: T): T {
  cleanUp.push(() => thing.close());
  return thing;
}

const KINDS = [
  ['http', startHttpProxy],
  ['socks5', startSocksProxy],
] as const;

describe.each(KINDS)('a %s proxy', (scheme, start) => {
  const proxyAt = (port: number, login?: string) => ({
    url: `${scheme}://127.0.0.1:${port}`,
    username: login === undefined ? undefined : login.split(':')[0],
    password: login === undefined ? undefined : { env: 'PROXY' },
  });

  it('lets an MQTT uplink through, and looks the name up itself', async () => {
    const [broker, proxy] = [closing(await startAedes()), closing(await start())];
    const url = `mqtt://broker.plant.lan:${broker.port}`;
    const session = closing(await uplinkTo(broker.port, { url, proxy: proxyAt(proxy.port) }).connect(NEVER));
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
    expect(proxy.asked).toEqual([`broker.plant.lan:${broker.port}`]);
  });

  it('is shown the user and the password of the file', async () => {
    const [server, proxy] = [closing(await startHttpTarget()), closing(await start({ login: 'gw:tell me' }))];
    const deps = { secrets: () => 'tell me' };
    const session = closing(await httpUplink(server.port, { proxy: proxyAt(proxy.port, 'gw:x') }, deps).connect(NEVER));
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
    expect(proxy.logins).toEqual(['gw:tell me']);
  });

  it('that wants a user, refuses, speaks something else or is not there is named with what to do', async () => {
    const strict = closing(await start({ login: 'gw:tell me' }));
    const refusing = closing(await start({ refuse: scheme === 'http' ? '403 Forbidden' : 2 }));
    const other = closing(await startHttpTarget());
    const said = (port: number, login?: string) =>
      uplinkTo(1, { proxy: proxyAt(port, login) })
        .connect(NEVER)
        .then(() => 'connected', String);
    expect(await said(strict.port)).toContain('username');
    expect(await said(strict.port, 'gw:x')).toMatch(/password/);
    expect(await said(refusing.port)).toMatch(/rules/);
    expect(await said(await freePort())).toContain('the proxy 127.0.0.1');
    if (scheme === 'socks5') expect(await said(other.port)).toMatch(/does not speak SOCKS5|closed the connection/);
  });
});

it('TLS goes through a proxy to the other side, whose certificate is checked', async () => {
  const files = await selfSigned();
  cleanUp.push(files.remove);
  const [broker, proxy] = [closing(await startAedes()), closing(await startHttpProxy())];
  const { connect } = await import('node:net');
  const front = createTlsServer({ key: files.key, cert: files.cert }, (socket) => {
    const inner = connect(broker.port, '127.0.0.1');
    socket
      .on('error', () => inner.destroy())
      .pipe(inner)
      .on('error', () => {})
      .pipe(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  closing(front);
  const { port } = front.address() as { port: number };
  const config = {
    url: `mqtts://127.0.0.1:${port}`,
    proxy: { url: `http://127.0.0.1:${proxy.port}`, username: undefined, password: undefined },
  };
  await expect(uplinkTo(port, config).connect(NEVER)).rejects.toThrow('unknown authority');
  const trusting = { ...config, tls: { ca: files.certPath, cert: undefined, key: undefined } };
  const session = await uplinkTo(port, trusting).connect(NEVER);
  await session.close();
});

describe('several brokers', () => {
  it('are tried in turn, and the one that stands is named', async () => {
    const [dead, second] = [await freePort(), closing(await startAedes())];
    const uplink = uplinkTo(dead, { servers: [`mqtt://127.0.0.1:${second.port}`] });
    await expect(uplink.connect(NEVER)).rejects.toThrow('refuses connections');
    const session = closing(await uplink.connect(NEVER));
    expect(session.note).toContain(`127.0.0.1:${second.port}`);
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
  });

  it('go round to the first again', async () => {
    const first = closing(await startAedes());
    const uplink = uplinkTo(first.port, { servers: [`mqtt://127.0.0.1:${await freePort()}`] });
    const session = await uplink.connect(NEVER);
    await first.dropClients();
    await session.ended;
    const again = closing(await uplink.connect(NEVER));
    expect(again.note).toContain(String(first.port));
  });
});

it('what answers and is no broker is named as such', async () => {
  const web = createServer((socket) => void socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  closing(web);
  const { port } = web.address() as { port: number };
  await expect(uplinkTo(port).connect(NEVER)).rejects.toThrow('does not speak MQTT');
});
