/** A slip in the main file that nobody notices before the next power cut does not stop the line. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { EXIT } from '../../src/core/errors.ts';
import { ask } from '../double/ask.ts';
import { temporaryFolder } from '../double/command-line.ts';
import { startDaemon } from '../double/daemon.ts';

it('the last good configuration runs in place of an invalid one, and the log says so', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  const good =
    `store: {path: ${join(folder, 'store')}}\nchannels: {sim: {driver: mock}}\n` +
    'devices: {press: {channel: sim, tags: {oil: {address: "constant(value=1)"}}}}\n';
  writeFileSync(file, good);
  const before = await startDaemon(file, systemClock);
  await before.stop();

  writeFileSync(file, good.replace('channel: sim', 'channel: simm'));
  const after = await startDaemon(file, systemClock);
  expect(after.log()).toContain('the last good configuration');
  expect((await ask(after, '/api/v1/tags')).body).toMatchObject([{ tag: 'press/oil' }]);
  await after.stop();
});

it('a first file that is not valid is refused, as nothing good is archived', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  writeFileSync(file, `store: {path: ${join(folder, 'store')}}\nchannels: {sim: {driver: mokc}}\n`);
  const daemon = await startDaemon(file, systemClock);
  expect(await daemon.exitCode).toBe(EXIT.configInvalid);
});

it('a file that takes more memory than a check beside running lines may is still judged at the start', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'millgate.yaml');
  const tag = (number: number) =>
    `      t${number}: {address: "sine(min=0,max=100,period=60s)", every: 10s, unit: bar}\n`;
  const device = (number: number) =>
    `  d${number}:\n    channel: sim\n    tags:\n${Array.from({ length: 100 }, (_, index) => tag(index)).join('')}`;
  const devices = Array.from({ length: 400 }, (_, index) => device(index)).join('');
  writeFileSync(file, `store: {path: ${join(folder, 'store')}}\nchannels: {sim: {driver: mock}}\ndevices:\n${devices}`);
  const daemon = await startDaemon(file, systemClock);
  expect(await daemon.exitCode).toBe(EXIT.configInvalid);
  expect(daemon.log()).toContain('It is checked once more');
  expect(daemon.log()).toContain('too many values to be a configuration');
});
