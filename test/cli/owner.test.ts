import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { EXIT } from '../../src/core/errors.ts';
import { lockFolder } from '../../src/store/format/lock.ts';
import { leaveStaleSocket, millgate, serve, temporaryFolder } from '../double/command-line.ts';
import { fakeGateway, STATUS } from '../double/fake-gateway.ts';

/** A file with one Modbus TCP line, whose store is beside it. */
function fileIn(folder: string): string {
  const file = join(folder, 'millgate.yaml');
  writeFileSync(
    file,
    [
      'channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: 9}}',
      'devices: {press: {channel: plc, unit: 1, tags: {oil: {address: "holding:1", type: int16, writable: true}}}}',
      'commands: {enabled: true}',
      `store: {path: ${join(folder, 'store')}}`,
    ].join('\n'),
  );
  return file;
}

describe('a gateway that holds its store and does not answer', () => {
  it.each([
    ['read', 'press/oil'],
    ['write', 'press/oil', '5'],
    ['probe', 'plc', '1', 'holding:0-9'],
    ['probe', '127.0.0.1:9', '1', 'holding:0-9'],
    ['scan', '127.0.0.1:9'],
    ['scan', '/dev/null'],
    ['check', '--online'],
  ])('still owns its lines: %s %s is refused with its process', async (...args) => {
    const folder = temporaryFolder();
    const file = fileIn(folder);
    const lock = lockFolder(join(folder, 'store'), { pid: 4711, sinceWallMs: systemClock.wallMs() });
    const run = millgate([...args, '--config', file], { env: { MILLGATE_SOCKET: '' } });
    expect([await run.exitCode, run.err()]).toEqual([EXIT.unavailable, expect.stringContaining('process 4711')]);
    lock.release();
  });
});

it('a socket that a killed gateway left beside its store owns nothing', async () => {
  const folder = temporaryFolder();
  const file = fileIn(folder);
  mkdirSync(join(folder, 'store'));
  await leaveStaleSocket(join(folder, 'store/api.sock'));
  const status = millgate(['status', '--json', '--config', file]);
  expect([await status.exitCode, JSON.parse(status.out())]).toMatchObject([EXIT.ok, { state: 'stopped' }]);
  // Asked directly, the device is what does not answer.
  const read = millgate(['read', 'press/oil', '--config', file]);
  expect([await read.exitCode, read.err()]).toEqual([EXIT.unavailable, expect.not.stringContaining('api.sock')]);
});

describe('a host that the running gateway polls', () => {
  it.each([
    ['scan', 'localhost:9'],
    ['probe', '127.0.0.1:9', '1', 'holding:0-9'],
  ])('is left alone by %s %s', async (...args) => {
    const file = fileIn(temporaryFolder());
    const status = async () => ({ ...STATUS, pid: 4711, config: { ...STATUS.config, file } });
    const { socketPath } = await serve(fakeGateway({ status }));
    const run = millgate([...args, '--config', file], { env: { MILLGATE_SOCKET: socketPath } });
    expect([await run.exitCode, run.err()]).toEqual([
      EXIT.unavailable,
      expect.stringContaining('the running gateway uses it (channel plc, process 4711)'),
    ]);
  });
});
