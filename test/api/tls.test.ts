import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { Api } from '../../src/api/server.ts';
import { makeSelfSigned } from '../../src/api/tls/self-signed.ts';
import type { GatewayStatus } from '../../src/api/view.ts';
import { silentLogger } from '../../src/core/log.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { ask } from '../double/ask.ts';
import { serve, temporaryFolder, until } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 30);
const HOSTS = ['press-shop-1', 'press-shop-1.local', '10.9.0.1', 'fd00::1:2'];

/** A certificate from yesterday on, in a file of its own. */
function made(untilMs = NOW + 820 * DAY) {
  const pair = makeSelfSigned({ name: 'press-shop-1', hosts: HOSTS, fromMs: NOW - DAY, untilMs });
  const file = join(temporaryFolder(), 'made.crt');
  writeFileSync(file, pair.cert);
  return { ...pair, file, parsed: new X509Certificate(pair.cert) };
}

describe('a certificate that signs itself', () => {
  it('is read by OpenSSL as what it is: no authority, for servers, with its names and addresses', () => {
    const text = execFileSync('openssl', ['x509', '-noout', '-text', '-in', made().file], { encoding: 'utf8' });
    for (const words of [
      'Version: 3 (0x2)',
      'Signature Algorithm: ecdsa-with-SHA256',
      'Subject: CN = press-shop-1',
      'ASN1 OID: prime256v1',
      'CA:FALSE',
      'X509v3 Key Usage: critical\n                Digital Signature\n',
      'TLS Web Server Authentication',
      'DNS:press-shop-1, DNS:press-shop-1.local, IP Address:10.9.0.1, IP Address:FD00:0:0:0:0:0:1:2',
      'Not After : Feb 27 00:00:00 2029 GMT',
    ])
      expect(text).toContain(words);
  });

  it('is its own proof, and that of no other', () => {
    const [own, other] = [made(), made()];
    const verify = (file: string, anchor: string) =>
      execFileSync('openssl', ['verify', '-CAfile', anchor, '-verify_hostname', 'press-shop-1', file], {
        stdio: 'pipe',
      });
    expect(String(verify(own.file, own.file))).toContain('OK');
    expect(() => verify(own.file, other.file)).toThrow();
    expect(own.parsed.verify(own.parsed.publicKey)).toBe(true);
    expect(own.parsed.checkHost('press-shop-1')).toBe('press-shop-1');
    expect(own.parsed.checkIP('fd00::1:2')).toBe('fd00::1:2');
    expect(own.parsed.checkIP('10.9.0.2')).toBeUndefined();
  });

  it('has serial numbers that are positive and differ, and years beyond 2049', () => {
    const serials = Array.from({ length: 40 }, () => made().parsed.serialNumber);
    expect(new Set(serials).size).toBe(40);
    expect(serials.some((serial) => serial.startsWith('-'))).toBe(false);
    expect(Date.parse(made(Date.UTC(2051, 1, 2)).parsed.validTo)).toBe(Date.UTC(2051, 1, 2));
  });
});

const listen = { host: '127.0.0.1', port: 0 };

function statusOf(socketPath: string): Promise<GatewayStatus> {
  return ask({ socketPath }, '/api/v1/status').then(({ body }) => body as GatewayStatus);
}

/** The fingerprint of what a listener shows to whoever connects now. */
function shownBy(api: Api): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: api.port()!, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('api: {tls: self-signed}', () => {
  const at = (wallMs: number) => new SimulatedClock(wallMs);
  const options = (folder: string, over: object = {}) => ({
    listen,
    tls: 'self-signed' as const,
    certificateFolder: folder,
    machineNames: ['press-shop-1'],
    clock: at(NOW),
    ...over,
  });

  it('makes a pair at the first start, for its user only, serves it to whoever trusts it, and says its fingerprint', async () => {
    const folder = temporaryFolder();
    const said: string[] = [];
    const log = { ...silentLogger, info: (text: string) => said.push(text) };
    const { api, socketPath } = await serve(fakeGateway(), options(folder, { log, hosts: ['mes.plant.lan'] }));
    expect(statSync(join(folder, 'api-tls.pem')).mode & 0o777).toBe(0o600);
    const ca = readFileSync(join(folder, 'api-tls.crt'));
    for (const servername of ['press-shop-1', 'press-shop-1.local', 'localhost', 'mes.plant.lan']) {
      const headers = { Host: `${servername}:${api.port()}` };
      const status = await new Promise((resolve, reject) => {
        request({ ca, port: api.port()!, host: '127.0.0.1', servername, path: '/healthz', headers }, (response) =>
          resolve(response.resume().statusCode),
        )
          .on('error', reject)
          .end();
      });
      // By which names it may be asked is not for the certificate to say: this one listens on loopback.
      expect([servername, status]).toEqual([servername, servername.startsWith('press') ? 421 : 200]);
    }
    const { address, certificate } = (await statusOf(socketPath)).api!;
    expect(address).toBe(`https://127.0.0.1:${api.port()}`);
    expect(certificate).toMatchObject({ isSelfSigned: true, file: join(folder, 'api-tls.crt') });
    expect(certificate!.fingerprint).toBe(await shownBy(api));
    expect(said.filter((text) => text.includes(certificate!.fingerprint))).toHaveLength(2);
  });

  it('keeps it over restarts, and makes another for a name that it lacks, one that is damaged, and one that ends', async () => {
    const folder = temporaryFolder();
    const fingerprint = async (over: object = {}) => {
      const { api, socketPath } = await serve(fakeGateway(), options(folder, over));
      const found = (await statusOf(socketPath)).api!.certificate!.fingerprint;
      await api.close();
      return found;
    };
    const first = await fingerprint();
    expect(await fingerprint({ clock: at(NOW + 780 * DAY) })).toBe(first);
    const named = await fingerprint({ hosts: ['MES.plant.lan'] });
    expect(named).not.toBe(first);
    expect(await fingerprint()).toBe(named);
    writeFileSync(join(folder, 'api-tls.pem'), readFileSync(join(folder, 'api-tls.pem')).subarray(0, 400));
    const mended = await fingerprint();
    expect(mended).not.toBe(named);
    expect(await fingerprint({ clock: at(NOW + 800 * DAY) })).not.toBe(mended);
  });

  it('keeps it for an address however that is written, and while the clock is not known', async () => {
    const folder = temporaryFolder();
    const fingerprint = async (over: object = {}) => {
      const { api, socketPath } = await serve(fakeGateway(), options(folder, over));
      const found = (await statusOf(socketPath)).api!.certificate!.fingerprint;
      await api.close();
      return found;
    };
    const hosts = ['2001:DB8:0:0::5'];
    const first = await fingerprint({ hosts });
    expect(await fingerprint({ hosts })).toBe(first);
    const lost = at(NOW + 5000 * DAY);
    lost.setKnown(false);
    expect(await fingerprint({ hosts, clock: lost })).toBe(first);
    // A time server that was wrong for an hour left a certificate that nobody takes for years.
    const ahead = await fingerprint({ hosts, clock: at(NOW + 5000 * DAY) });
    expect(ahead).not.toBe(first);
    expect(await fingerprint({ hosts })).not.toBe(ahead);
  });

  it('renews it while it runs, without a new listener', async () => {
    const clock = at(NOW);
    const { api, socketPath } = await serve(fakeGateway(), options(temporaryFolder(), { clock }));
    const [port, before] = [api.port(), await shownBy(api)];
    for (let day = 0; day < 791; day++) await clock.advance(DAY);
    const after = await shownBy(api);
    expect([api.port(), after === before]).toEqual([port, false]);
    expect((await statusOf(socketPath)).api!.certificate!.fingerprint).toBe(after);
  });

  it('begins in 2026 where the clock of the board has not been set', async () => {
    const { socketPath } = await serve(fakeGateway(), options(temporaryFolder(), { clock: at(86_400_000) }));
    expect((await statusOf(socketPath)).api!.certificate!.endsMs).toBeGreaterThan(Date.UTC(2028, 0, 1));
  });

  it('answers on its socket where the pair cannot be kept, and says why', async () => {
    const said: string[] = [];
    const log = { ...silentLogger, error: (text: string) => said.push(text) };
    const { api, socketPath } = await serve(fakeGateway(), options('/proc/nowhere', { log }));
    await until(() => said.length > 0);
    expect(said[0]).toContain('/proc/nowhere/api-tls.pem cannot be written');
    expect(api.port()).toBeUndefined();
    expect((await statusOf(socketPath)).api).toBeUndefined();
  });
});
