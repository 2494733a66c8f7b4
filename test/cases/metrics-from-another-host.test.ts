/** A monitoring server asks by the host name of the gateway, or through a proxy that passes its own name on. */
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { callerOf } from '../../src/api/guard.ts';
import { ROUTES } from '../../src/api/routes.ts';
import { Tokens } from '../../src/api/tokens/tokens.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { ask } from '../double/ask.ts';
import { temporaryFolder } from '../double/command-line.ts';
import { startDaemon } from '../double/daemon.ts';
import { freePort } from '../double/processes.ts';

it.each([
  [
    'plaintext: true',
    ['press-shop-1', 'press-shop-1.plant.lan', 'bench', '192.0.2.7', 'PRESS-SHOP-1'],
    ['evil.example'],
  ],
  ['plaintext: true, hosts: [metrics.plant.lan]', ['metrics.plant.lan', 'press-shop-1'], ['evil.example']],
])('listening beyond loopback with %s', async (option, served, refused) => {
  const folder = temporaryFolder();
  const port = await freePort();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(
    file,
    `gateway: {id: press-shop-1}\nchannels: {sim: {driver: mock}}\nstore: {path: ${join(folder, 'store')}}\n` +
      `devices: {oven: {channel: sim, tags: {temp: {address: "constant(value=1)"}}}}\napi: {listen: "0.0.0.0:${port}", ${option}}\n`,
  );
  await startDaemon(file, systemClock);
  const statusFor = async (host: string) =>
    (await ask({ port }, '/metrics', { headers: { Host: `${host}:${port}` } })).status;
  for (const host of served) expect(await statusFor(host), host).toBe(200);
  for (const host of refused) expect(await statusFor(host), host).toBe(421);
});

it('/metrics needs no token from another machine either, and what tells of the plant does', () => {
  const tokens = new Tokens({ clock: systemClock, log: silentLogger, file: undefined });
  const from = (path: string) => {
    const route = ROUTES.find((each) => each.path === path)!;
    const incoming = { headers: {}, socket: { remoteAddress: '10.9.0.2' } as Socket };
    return () => callerOf(route, 'tcp', incoming, tokens);
  };
  expect(from('/metrics')()).toEqual({ by: undefined, role: 'viewer' });
  expect(from('/api/v1/status')).toThrow('reading from another machine needs a token');
});
