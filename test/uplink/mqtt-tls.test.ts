import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MqttConfig, TlsConfig } from '../../src/config/config.ts';
import { Fault } from '../../src/core/errors.ts';
import { type Alarms, createAlarms } from '../../src/core/event.ts';
import { type Logger, silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { judgeCertificate, loadTls, tlsOptions } from '../../src/uplink/mqtt-tls.ts';
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
  const uplinkOf = (
    change: { tls?: Partial<typeof tls>; secret?: string; url?: string; log?: Logger; alarms?: Alarms } = {},
  ) => {
    const names = { ...tls, ...change.tls };
    const files = { ca: names.ca && at(names.ca), cert: names.cert && at(names.cert), key: names.key && at(names.key) };
    const config: Partial<MqttConfig> = {
      ...{ url: change.url ?? `mqtts://127.0.0.1:${peer.port}`, username: 'press-shop-1', tls: files },
      ...{ password: { file: 'in the test' }, ackTimeoutMs: 2000, protocolVersion: 5 },
    };
    const secrets = () => change.secret ?? 'right';
    const alarms = change.alarms ?? createAlarms(() => {});
    return uplinkTo(peer.port, config, { secrets, log: change.log ?? silentLogger, alarms });
  };
  const connect = (change?: Parameters<typeof uplinkOf>[0]) => uplinkOf(change).connect(NEVER);

  it('delivers', async () => {
    const session = await connect();
    expect(await session.send(batchOf(1), NEVER)).toEqual({ ok: true });
    await session.close();
  });

  it('warns of a certificate that ends in ten days, and raises an alarm until it was renewed', async () => {
    const lines: string[] = [];
    const log: Logger = { ...silentLogger, warn: (line) => lines.push(line), scoped: () => log };
    const told: unknown[] = [];
    const alarms = createAlarms((event) => told.push('change' in event ? `${event.change} ${event.id}` : event));
    const put = (name: string) => {
      for (const end of ['crt', 'key']) writeFileSync(at(`current.${end}`), readFileSync(at(`${name}.${end}`)));
    };
    put('client');
    const uplink = uplinkOf({ log, alarms, tls: { cert: 'current.crt', key: 'current.key' } });
    const again = async () => (await uplink.connect(NEVER)).close();
    await again();
    await again();
    expect(lines).toEqual([expect.stringMatching(/current\.crt expires on .*, in 10 days\. Renew it in time\./)]);
    expect(told).toEqual(['raised uplink/plant/certificate/cert']);
    await issue('renewed', 'ca', 300);
    put('renewed');
    await again();
    expect(told).toEqual(['raised uplink/plant/certificate/cert', 'cleared uplink/plant/certificate/cert']);
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

describe('keys as tools hand them out', () => {
  const make = (args: string[]) => runTool('openssl', args, folder);
  const load = (tls: Partial<TlsConfig>, passphrase?: string) =>
    loadTls(
      {
        ca: undefined,
        cert: undefined,
        key: undefined,
        ...tls,
        ...(passphrase && { passphrase: { file: 'of the test' } }),
      },
      (path) => readFile(path),
      () => passphrase ?? '',
    );

  beforeAll(async () => {
    const both = ['-in', 'client.crt', '-inkey', 'client.key'];
    await make(['pkcs8', '-topk8', '-in', 'client.key', '-passout', 'pass:x', '-out', 'pkcs8.key']);
    await make(['rsa', '-aes256', '-traditional', '-in', 'client.key', '-passout', 'pass:x', '-out', 'old.key']);
    await make(['rsa', '-in', 'client.key', '-outform', 'DER', '-out', 'der.key']);
    await make(['pkcs12', '-export', ...both, '-passout', 'pass:x', '-out', 'client.p12']);
    await make(['pkcs12', '-export', ...both, '-passout', 'pass:', '-out', 'open.p12']);
  });

  it.each([
    [{ cert: 'client.crt', key: 'pkcs8.key' }, 'x'],
    [{ cert: 'client.crt', key: 'old.key' }, 'x'],
    [{ pfx: 'client.p12' }, 'x'],
    [{ pfx: 'open.p12' }, undefined],
  ])('%j with the passphrase %s is used', async (names, passphrase) => {
    const files = Object.fromEntries(Object.entries(names).map(([member, name]) => [member, at(name)]));
    const options = tlsOptions(await load(files, passphrase), undefined);
    expect(() => createSecureContext(options)).not.toThrow();
  });

  it.each([
    ['key', 'pkcs8.key', undefined, /pkcs8\.key is encrypted with a passphrase/, /tls\.passphrase: \{file: PATH\}/],
    [
      'key',
      'pkcs8.key',
      'wrong',
      /pkcs8\.key is encrypted, and tls\.passphrase does not open it/,
      /Check the passphrase/,
    ],
    ['key', 'old.key', undefined, /old\.key is encrypted with a passphrase/, /openssl pkey -in/],
    ['key', 'der.key', undefined, /der\.key is not a key in PEM form/, /openssl pkey -inform DER/],
    ['key', 'client.p12', 'x', /client\.p12 is not a key in PEM form/, /goes under tls\.pfx/],
    ['key', 'client.crt', undefined, /client\.crt is not a private key in PEM form/, /Replace the file/],
    ['pfx', 'client.p12', undefined, /client\.p12 is protected by a passphrase/, /Add tls\.passphrase/],
    ['pfx', 'client.p12', 'wrong', /client\.p12 is not opened by tls\.passphrase/, /Check the passphrase/],
    ['pfx', 'client.crt', undefined, /client\.crt is not a PKCS#12 file/, /tls\.cert and tls\.key/],
    ['ca', 'client.key', undefined, /client\.key is not a certificate in PEM form/, /openssl x509 -inform DER/],
  ] as const)(
    'tls.%s: %s, with the passphrase %s, is named with its remedy',
    async (member, name, passphrase, what, remedy) => {
      const fault = await load({ [member]: at(name) }, passphrase).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(Fault);
      expect((fault as Fault).what).toMatch(what);
      expect((fault as Fault).remedy).toMatch(remedy);
    },
  );
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

  it('of a bundle is judged wherever it stands, and what is no certificate in it is passed over', () => {
    const [server, client] = ['server.crt', 'client.crt'].map((name) => readFileSync(at(name), 'utf8'));
    const bundle = `# the plant's authorities\r\n${server}\n${client}`;
    const nowMs = Date.now();
    const judged = (days: number) => judgeCertificate('ca.pem', bundle, nowMs + days * DAY_MS);
    expect(judged(5)).toEqual({
      stage: 7,
      message: expect.stringMatching(/certificate 2 \(client\) expires on .* in 5 days/),
    });
    expect(judged(12)).toEqual({ stage: 0, message: expect.stringMatching(/certificate 2 \(client\) expired on/) });
    expect(judged(28)?.message).toMatch(/certificate 2 \(client\) expired .*certificate 1 \(server\) expires/);
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
