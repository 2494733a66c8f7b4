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
