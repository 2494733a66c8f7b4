import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MqttConfig } from '../../src/config/config.ts';
import { type Logger, silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { judgeCertificate, loadTls } from '../../src/uplink/mqtt-tls.ts';
import { explainTrouble } from '../../src/uplink/mqtt-trouble.ts';
import { batchOf } from '../contract/uplink.ts';
import { type Peer, runTool, startMosquitto } from '../double/mqtt-peers.ts';
import { uplinkTo } from './mqtt-fixture.ts';

const NEVER = new AbortController().signal;
let folder: string;

const at = (name: string) => join(folder, name);

/** A key and a certificate signed by `ca`, for the loopback address. */
async function issue(name: string, ca: string, days: number): Promise<void> {
  const subject = ['-subj', `/CN=${name}`];
  writeFileSync(at(`${name}.ext`), 'subjectAltName=IP:127.0.0.1\n');
  await runTool(
    'openssl',
    ['req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, ...subject],
    folder,
  );
  const sign = ['x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial'];
  await runTool('openssl', [...sign, '-days', `${days}`, '-extfile', `${name}.ext`, '-out', `${name}.crt`], folder);
}

async function authority(name: string): Promise<void> {
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '60', '-subj', `/CN=${name}`];
  await runTool('openssl', [...args, '-keyout', `${name}.key`, '-out', `${name}.crt`], folder);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millgate-tls-'));
  await Promise.all([authority('ca'), authority('stranger')]);
  await Promise.all([issue('server', 'ca', 30), issue('client', 'ca', 10), issue('foreign', 'stranger', 10)]);
  writeFileSync(at('passwords'), 'press-shop-1:right\n', { mode: 0o600 });
  await runTool('mosquitto_passwd', ['-U', 'passwords'], folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('TLS to mosquitto, with client certificates and passwords', () => {
  let peer: Peer;
  beforeAll(async () => {
    peer = await startMosquitto((port) => [
      ...['per_listener_settings false', `listener ${port} 127.0.0.1`, 'allow_anonymous false', 'user root'],
      ...[`cafile ${at('ca.crt')}`, `certfile ${at('server.crt')}`, `keyfile ${at('server.key')}`],
      ...['require_certificate true', `password_file ${at('passwords')}`],
    ]);
  });
  afterAll(() => peer?.close());

  const tls = { ca: 'ca.crt', cert: 'client.crt', key: 'client.key' };
  const connect = (change: { tls?: Partial<typeof tls>; secret?: string; url?: string; log?: Logger } = {}) => {
    const names = { ...tls, ...change.tls };
    const files = { ca: names.ca && at(names.ca), cert: names.cert && at(names.cert), key: names.key && at(names.key) };
    const config: Partial<MqttConfig> = {
      ...{ url: change.url ?? `mqtts://127.0.0.1:${peer.port}`, username: 'press-shop-1', tls: files },
      ...{ password: { file: 'in the test' }, ackTimeoutMs: 2000, protocolVersion: 5 },
    };
    const secrets = () => change.secret ?? 'right';
    return uplinkTo(peer.port, config, { secrets, log: change.log ?? silentLogger }).connect(NEVER);
  };

  it('delivers', async () => {
    const session = await connect();
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
    await session.close();
  });

  it('warns of a certificate that ends in ten days', async () => {
    const lines: string[] = [];
    const log: Logger = { ...silentLogger, warn: (line) => lines.push(line), scoped: () => log };
    await (await connect({ log })).close();
    expect(lines).toEqual([expect.stringMatching(/client\.crt expires on .*, in 10 days\. Renew it in time\./)]);
  });

  it.each([
    {
      what: 'a wrong password',
      change: { secret: 'wrong' },
      says: /refused the user "press-shop-1"|does not authorise/,
    },
    {
      what: 'an unknown authority',
      change: { tls: { ca: 'stranger.crt' } },
      says: /unknown authority\. Is .*stranger/,
    },
    {
      what: 'a foreign client certificate',
      change: { tls: { cert: 'foreign.crt', key: 'foreign.key' } },
      says: /refused this gateway's certificate|broke the connection off/,
    },
    {
      what: 'a key of another certificate',
      change: { tls: { key: 'server.key' } },
      says: /tls\.key does not belong to/,
    },
    {
      what: 'a missing file',
      change: { tls: { cert: 'none.crt' } },
      says: /tls\.cert: .*none\.crt cannot be read: there is no such file/,
    },
  ])('names $what', async ({ change, says }) => {
    const message = await connect(change).then(
      () => 'connected',
      (error: Error) => error.message,
    );
    expect(message).toMatch(says);
    expect(message).not.toContain('wrong');
  });

  it('names a certificate for another name', async () => {
    const url = `mqtts://localhost:${peer.port}`;
    await expect(connect({ url })).rejects.toThrow(/is for another name\. .*tls\.serverName/);
  });

  it('names a client certificate that is missing', async () => {
    const files = { ca: at('ca.crt'), cert: undefined, key: undefined };
    const uplink = uplinkTo(peer.port, { url: `mqtts://127.0.0.1:${peer.port}`, tls: files, username: 'press-shop-1' });
    await expect(uplink.connect(NEVER)).rejects.toThrow(/certificate/);
  });

  it('names plain MQTT spoken to a TLS port', async () => {
    await expect(uplinkTo(peer.port).connect(NEVER)).rejects.toThrow(
      /one that wants TLS \(mqtts:\/\/\)|broke the connection/,
    );
  });
});

describe('a certificate', () => {
  const DAY_MS = 86_400_000;

  it('is warned of 30, 14 and 7 days before its end, and when it is over or has not begun', () => {
    const pem = readFileSync(at('server.crt'), 'utf8');
    const now = new SimulatedClock(Date.now()).wallMs();
    const stages = [40, 29.5, 20, 13, 6, 1, -1].map(
      (left) => judgeCertificate('tls.cert', pem, now + (30 - left) * DAY_MS)?.stage,
    );
    expect(stages).toEqual(['not-yet', 30, 30, 14, 7, 7, 0]);
  });

  it('that is none is called so', () => {
    expect(judgeCertificate('tls.cert', 'hello', 0)?.message).toMatch(/is not a certificate in PEM form/);
  });

  it('is read anew each time, so that a renewed one is used', async () => {
    const file = at('rotated.pem');
    const load = () =>
      loadTls(
        { ca: file, cert: undefined, key: undefined },
        (path) => readFile(path),
        () => '',
      );
    for (const name of ['ca.crt', 'stranger.crt']) {
      writeFileSync(file, readFileSync(at(name)));
      expect((await load()).ca).toBe(readFileSync(at(name), 'utf8'));
    }
  });
});

it.each([
  ['CERT_HAS_EXPIRED', /has expired\. Renew it on the broker; check the gateway's clock/],
  ['CERT_NOT_YET_VALID', /is not valid yet\. Check the gateway's clock/],
  ['ENOTFOUND', /is not known\. Check url/],
  ['EAI_AGAIN', /could not be looked up\. Check the network/],
  ['ETIMEDOUT', /does not answer\. Check the address/],
  ['EHOSTUNREACH', /there is no way to/],
  ['ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS\. Use mqtt:/],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /refused this gateway's certificate\. It asks for a client/],
])('%s is told with its remedy', (code, says) => {
  const broker = { address: 'broker:8883', secure: true, clientId: 'c', username: 'u', ca: undefined, cert: undefined };
  expect(explainTrouble(Object.assign(new Error(code), { code }), broker)).toMatch(says);
});
