/** A reload that comes while the gateway is still starting takes the changed file over, and does not end the gateway. */
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { ask } from '../double/ask.ts';
import { Bench, until } from '../double/processes.ts';

let bench: Bench | undefined;
afterEach(() => bench?.dispose());

it('SIGHUP right after the file was read', { timeout: 60_000 }, async () => {
  bench = new Bench();
  const { folder } = bench;
  const text = (value: number) =>
    `store: {path: ${join(folder, 'store')}}\nchannels: {sim: {driver: mock}}\napi: {listen: off}\n` +
    `devices: {press: {channel: sim, tags: {oil: {address: "constant(value=${value})"}}}}\n`;
  const gateway = bench.gateway(bench.write('millgate.yaml', text(1)));
  await until('the start', () => gateway.output().includes('starts with'), 20_000, gateway.output);
  bench.write('millgate.yaml', text(2));
  gateway.child.kill('SIGHUP');
  const socketPath = join(folder, 'store/api.sock');
  const value = async () => {
    const answer = await ask({ socketPath }, '/api/v1/tags').catch(() => undefined);
    return (answer?.body as { last?: { value: unknown } }[] | undefined)?.[0]?.last?.value;
  };
  await until('the changed file', async () => (await value()) === 2, 20_000, gateway.output);
  expect(gateway.child.exitCode).toBeNull();
});
