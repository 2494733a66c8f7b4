import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askBroker, reach } from '../../../src/cli/doctor/doctor-broker.ts';
import type { MqttConfig } from '../../../src/config/config.ts';
import { startFaultBroker } from '../../double/broker-fault.ts';
import { contextOf } from '../../double/command-line.ts';
import { freePort, runTool } from '../../double/mqtt-peers.ts';

const { context } = contextOf({ env: { MQTT: 'right' } });

function uplink(url: string, over: Partial<MqttConfig> = {}): MqttConfig {
  return {
    ...{ type: 'mqtt', name: 'plant', url, format: 'json', protocolVersion: undefined, clientId: 'press' },
    ...{ topic: 'millgate/press', topics: 'batch', compression: 'none', username: 'gw', password: { env: 'MQTT' } },
    ...{
      tls: undefined,
      only: undefined,
      except: [],
      events: true,
      backfillRate: 5000,
      keepaliveMs: 60_000,
      ackTimeoutMs: 10_000,
    },
    ...over,
  };
}

describe('a broker without TLS', () => {
  it('that takes this gateway: it is signed in to and nothing is published', async () => {
    const broker = await startFaultBroker({ version: 5 });
    expect(await askBroker(uplink(`mqtt://127.0.0.1:${broker.port}`), false, context)).toEqual({
      ...{ uplink: 'plant', address: `127.0.0.1:${broker.port}`, asked: 'login', trouble: undefined, certificates: [] },
    });
    expect(broker.topics).toEqual([]);
    await broker.close();
  });

  it('that refuses the password says so', async () => {
    const broker = await startFaultBroker({ version: 5, onConnect: 134 });
    const { trouble } = await askBroker(uplink(`mqtt://127.0.0.1:${broker.port}`), false, context);
    expect(trouble).toMatch(/refused the user "gw" or its password\. Check username/);
    await broker.close();
  });

  it('that knows its clients by their ids is not said to refuse this one', async () => {
    const broker = await startFaultBroker({ version: 5, onConnect: 133 });
    const { asked, trouble } = await askBroker(uplink(`mqtt://127.0.0.1:${broker.port}`), false, context);
    expect([asked, trouble]).toEqual(['connection', undefined]);
    await broker.close();
  });

  it('is only connected to beside a gateway that runs, or without the right to the password', async () => {
    const broker = await startFaultBroker({ version: 5, onConnect: 134 });
    const url = `mqtt://127.0.0.1:${broker.port}`;
    expect(await askBroker(uplink(url), true, context)).toMatchObject({ asked: 'connection', trouble: undefined });
    const elsewhere = uplink(url, { password: { env: 'ONLY_THE_SERVICE_HAS_IT' } });
    expect(await askBroker(elsewhere, false, context)).toMatchObject({ asked: 'connection', trouble: undefined });
    await broker.close();
  });

  it('that is not there, or does not know the file it needs', async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    expect((await askBroker(uplink(url), false, context)).trouble).toMatch(
      /refuses connections\. Is the broker running/,
    );
    const tls = { ca: '/nonexistent/ca.pem', cert: undefined, key: undefined };
    expect((await askBroker(uplink(url, { tls }), false, context)).trouble).toMatch(
      /ca\.pem cannot be read: there is no such/,
    );
  });
});

describe('a broker with TLS', () => {
  let folder: string;
  let server: Server;
  const at = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millgate-doctor-'));
    writeFileSync(at('ext'), 'subjectAltName=DNS:broker.plant.lan\n');
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    await runTool(
      'openssl',
      ['req', '-x509', ...key, '-days', '60', '-subj', '/CN=ca', '-keyout', 'ca.key', '-out', 'ca.crt'],
      folder,
    );
    await runTool('openssl', ['req', ...key, '-subj', '/CN=b', '-keyout', 'b.key', '-out', 'b.csr'], folder);
    const sign = ['x509', '-req', '-in', 'b.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
    await runTool('openssl', [...sign, '-days', '10', '-extfile', 'ext', '-out', 'b.crt'], folder);
    server = createTlsServer({ key: readFileSync(at('b.key')), cert: readFileSync(at('b.crt')) });
    server.on('error', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (ca: string | undefined) =>
    askBroker(
      uplink(`mqtts://127.0.0.1:${(server.address() as AddressInfo).port}`, {
        tls: { ca: ca && at(ca), cert: undefined, key: undefined },
      }),
      true,
      context,
    );

  it('whose certificate ends in ten days and is for another name', async () => {
    const { trouble, certificates } = await ask('ca.crt');
    expect(certificates).toEqual([
      { stage: 14, message: expect.stringMatching(/^the certificate of .* in 10 days\. Renew/) },
    ]);
    expect(trouble).toMatch(/is for another name\. Write the name that is in the certificate in url/);
  });

  it('whose authority is not known', async () => {
    expect((await ask(undefined)).trouble).toMatch(/unknown authority\. Set tls\.ca/);
  });
});

it('an address is reached, or in words why not', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await reach('127.0.0.1', port, context)).toEqual({
    ok: true,
    detail: expect.stringMatching(/^answers in \d+ ms$/),
  });
  await new Promise((resolve) => server.close(resolve));
  expect(await reach('127.0.0.1', port, context)).toEqual({
    ok: false,
    detail: expect.stringMatching(/^refuses connections/),
  });
});
