/** `bundle` and `pull`: a configuration is signed on one machine, fetched on another, and handed to its gateway. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/config/apply/bundle.ts';
import type { BundleAnswer, BundleOrder } from '../../src/core/configuration.ts';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';
import { selfSigned } from '../double/self-signed.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const FILE = `gateway: {id: press-1}
channels: {sim: {driver: mock}}
devices: {oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)"}}}}
`;

/** A folder with the file of a gateway, the key of a fleet, and a bundle. */
async function fleet(more = '') {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'millgate.yaml'), FILE + more);
  const made = millgate(['bundle', '--new-key', 'fleet.key', '--json'], { cwd });
  expect(await made.exitCode).toBe(EXIT.ok);
  const { key } = JSON.parse(made.out()) as { key: string };
  const signed = millgate(['bundle', 'millgate.yaml', '--key', 'fleet.key', '--number', '7'], { cwd });
  expect(await signed.exitCode).toBe(EXIT.ok);
  return { cwd, key, text: () => readFileSync(join(cwd, 'press-1.bundle'), 'utf8') };
}

/** `pull` beside a gateway that answers so. */
async function pull(cwd: string, args: readonly string[], answer: BundleAnswer) {
  const orders: BundleOrder[] = [];
  const view = fakeGateway({
    bundles: {
      take: async (order) => {
        orders.push(order);
        return answer;
      },
    },
  });
  const { socketPath } = await serve(view);
  const env = { MILLGATE_SOCKET: socketPath, USER: 'ann', MILLGATE_CONFIG: join(cwd, 'millgate.yaml') };
  const run = millgate(['pull', ...args], { cwd, env });
  return { exitCode: await run.exitCode, out: run.out(), err: run.err(), orders };
}

const UNCHANGED: BundleAnswer = { ok: true, number: 7, hash: 'aa', outcome: 'unchanged', changes: [], warnings: [] };

describe('bundle', () => {
  it('signs a file for the gateway that it names, and keeps the private key to its owner', async () => {
    const { cwd, key, text } = await fleet();
    expect(openBundle(text(), key)).toMatchObject({ ok: true, content: { gateway: 'press-1', number: 7, text: FILE } });
    expect(statSync(join(cwd, 'fleet.key')).mode & 0o077).toBe(0);
  });

  it('does not sign what is not valid, and does not replace a key', async () => {
    const { cwd } = await fleet();
    writeFileSync(join(cwd, 'bad.yaml'), 'channels: {sim: {driver: mok}}\n');
    expect(await millgate(['bundle', 'bad.yaml', '--key', 'fleet.key'], { cwd }).exitCode).toBe(EXIT.configInvalid);
    expect(await millgate(['bundle', '--new-key', 'fleet.key'], { cwd }).exitCode).toBe(EXIT.failed);
    expect(await millgate(['bundle', 'millgate.yaml', '--key', 'millgate.yaml'], { cwd }).exitCode).toBe(EXIT.usage);
    expect(await millgate(['bundle', 'millgate.yaml'], { cwd }).exitCode).toBe(EXIT.usage);
  });
});

describe('pull', () => {
  it('hands the bundle of a folder to the gateway as it is', async () => {
    const { cwd, key, text } = await fleet();
    const { exitCode, out, orders } = await pull(cwd, ['.', '--key', key], UNCHANGED);
    expect([exitCode, out]).toEqual([EXIT.ok, 'Nothing new: bundle 7 is in force as it is (aa).\n']);
    expect(orders).toEqual([{ bundle: text(), key, by: 'ann' }]);
  });

  it('fetches over https by the authority and the token of the file', async () => {
    const { cert, key, remove } = await selfSigned();
    closing.push(remove);
    const asked: (string | undefined)[] = [];
    const { cwd, text } = await fleet();
    const server = createServer({ cert, key }, (request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      response.end(text());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const { port } = server.address() as { port: number };
    writeFileSync(join(cwd, 'ca.pem'), cert);
    writeFileSync(join(cwd, 'token'), 'let-me-in', { mode: 0o600 });
    const section = (ca: string) =>
      `fleet: {source: "https://127.0.0.1:${port}/{id}.bundle", key: "${'ab'.repeat(32)}", ${ca}token: {file: ${join(cwd, 'token')}}}\n`;
    writeFileSync(join(cwd, 'millgate.yaml'), FILE + section('ca: ca.pem, '));
    const { exitCode, orders } = await pull(cwd, [], UNCHANGED);
    expect(exitCode).toBe(EXIT.ok);
    expect(orders).toEqual([{ bundle: text(), key: undefined, by: 'ann' }]);
    expect(asked).toEqual(['/press-1.bundle Bearer let-me-in']);
    writeFileSync(join(cwd, 'millgate.yaml'), FILE + section(''));
    expect((await pull(cwd, [], UNCHANGED)).exitCode).toBe(EXIT.unavailable);
  });

  it('says that the server hung up, and gives its token to no other', async () => {
    const { cert, key, remove } = await selfSigned();
    closing.push(remove);
    const asked: (string | undefined)[] = [];
    const { cwd } = await fleet();
    const server = createServer({ cert, key }, (request, response) => {
      asked.push(request.headers.authorization);
      response.writeHead(200, { 'content-length': 1000 });
      response.write('{"form":', () => response.socket?.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const { port } = server.address() as { port: number };
    writeFileSync(join(cwd, 'ca.pem'), cert);
    writeFileSync(join(cwd, 'token'), 'let-me-in', { mode: 0o600 });
    const own = `source: "https://config.plant.lan/x", key: "${'ab'.repeat(32)}", ca: ca.pem, token: {file: ${join(cwd, 'token')}}`;
    writeFileSync(join(cwd, 'millgate.yaml'), `${FILE}fleet: {${own}}\n`);
    const { exitCode, err } = await pull(cwd, [`https://127.0.0.1:${port}/x`], UNCHANGED);
    expect(exitCode).toBe(EXIT.unavailable);
    expect(err).toContain('hung up');
    expect(asked).toEqual([undefined]);
  });

  it('says why a bundle was refused, and what goes on', async () => {
    const { cwd, key } = await fleet();
    const why = 'its signature is wrong';
    const { exitCode, err } = await pull(cwd, ['.', '--key', key], {
      ok: false,
      number: undefined,
      why,
      remedy: 'Make it again.',
      problems: [],
    });
    expect(exitCode).toBe(EXIT.failed);
    expect(err).toBe('Refused: the bundle: its signature is wrong. Make it again.\nWhat ran before goes on.\n');
  });

  it.each([
    [[], EXIT.usage],
    [['http://config.plant.lan/x'], EXIT.usage],
    [['.', '--key', 'short'], EXIT.usage],
    [['nowhere.bundle'], EXIT.unavailable],
  ])('%j ends with %i', async (args, code) => {
    const { cwd } = await fleet();
    expect((await pull(cwd, args, UNCHANGED)).exitCode).toBe(code);
  });
});
