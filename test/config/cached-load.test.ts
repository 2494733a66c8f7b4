import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { loadSeen } from '../../src/config/apply/config-files.ts';
import { loadCached } from '../../src/config/cached-load.ts';
import { diskFilesFrom } from '../../src/config/file/disk-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millgate-cached-'));
  mkdirSync(join(folder, 'profiles'));
  write('profiles/meter.yaml', profileOf('input:0'));
  write('millgate.yaml', TEXT);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string | Buffer) => writeFileSync(join(folder, name), text);

const profileOf = (address: string) => `name: meter
manufacturer: Acme
model: M1
tags: {power: {address: "${address}", type: float32}}
`;

const TEXT = `channels: {line: {driver: modbus-tcp, host: 127.0.0.1}, sim: {driver: mock}}
devices:
  meter: {channel: line, unit: 1, profile: meter}
  oven: {channel: sim, tags: {temp: {address: "sine(min=1,max=2,period=60s)"}}}
uplinks: {plant: {type: mqtt, url: "mqtts://broker", tls: {ca: ca.pem}}}
`;

/** Starts once, as the daemon does, with what was kept before. */
async function start({ about = 'version 1', cache = 'cache' }: { about?: string; cache?: string } = {}) {
  const file = join(folder, 'millgate.yaml');
  const options = { folder: cache === '' ? undefined : join(folder, cache), file, about, files: diskFilesFrom(folder) };
  const found = await loadCached(options, async () =>
    loadSeen({ file, cwd: folder, drivers: DRIVERS, hostname: 'h' }, { from: 'disk' }),
  );
  found.keep();
  return found;
}

const keptFile = () => join(folder, 'cache', readdirSync(join(folder, 'cache'))[0]!);

describe('a configuration that was checked before', () => {
  it('is the same as one that is checked now, warnings and texts with it', async () => {
    const first = await start();
    const second = await start();
    expect([first.isFromCache, second.isFromCache]).toEqual([false, true]);
    expect(second.loaded).toEqual(first.loaded);
    expect(second.loaded.result).toMatchObject({
      ok: true,
      warnings: [{ message: expect.stringContaining('ca.pem') }],
    });
  });

  it.each([
    ['the file', () => write('millgate.yaml', `${TEXT}# a remark\n`)],
    ['a profile', () => write('profiles/meter.yaml', profileOf('input:2'))],
    [
      'a file in conf.d',
      () => {
        mkdirSync(join(folder, 'conf.d'));
        write('conf.d/store.yaml', 'store: {maxSize: 1GB}\n');
      },
    ],
    ['a file that was missing', () => write('ca.pem', 'there')],
  ])('is checked again when it is another: %s', async (_, change) => {
    await start();
    change();
    const again = await start();
    expect(again.isFromCache).toBe(false);
    expect((await start()).isFromCache).toBe(true);
  });

  it('is checked again by another program or on another machine', async () => {
    await start();
    expect((await start({ about: 'version 2' })).isFromCache).toBe(false);
  });

  it('is checked again when what was kept is damaged, cut short, or deleted', async () => {
    for (const damage of [
      () => {
        const bytes = readFileSync(keptFile());
        bytes[bytes.length >> 1]! ^= 1;
        writeFileSync(keptFile(), bytes);
      },
      () => writeFileSync(keptFile(), readFileSync(keptFile()).subarray(0, 40)),
      () => writeFileSync(keptFile(), ''),
      () => rmSync(join(folder, 'cache'), { recursive: true }),
    ]) {
      await start();
      damage();
      expect((await start()).isFromCache).toBe(false);
    }
  });

  it('is forgotten when eight others were kept since', async () => {
    await start();
    const [own] = readdirSync(join(folder, 'cache'));
    for (let other = 0; other < 8; other++) {
      const path = join(folder, 'cache', `${String(other).padStart(16, '0')}.checked`);
      writeFileSync(path, '');
      utimesSync(path, 2e9, 2e9);
    }
    write('millgate.yaml', `${TEXT}# changed\n`);
    await start();
    expect(readdirSync(join(folder, 'cache'))).not.toContain(own);
  });

  it('is not kept when it is not valid, nor where there is no folder', async () => {
    write('millgate.yaml', 'channels: {}\n');
    await start();
    expect(readdirSync(folder)).not.toContain('cache');
    write('millgate.yaml', TEXT);
    expect((await start({ cache: '' })).isFromCache).toBe(false);
    write('blocked', 'a file');
    expect((await start({ cache: 'blocked/cache' })).loaded.result.ok).toBe(true);
  });

  it('is not taken where others may write it', async () => {
    await start();
    chmodSync(keptFile(), 0o666);
    expect((await start()).isFromCache).toBe(false);
    expect((await start()).isFromCache).toBe(true);
  });
});
