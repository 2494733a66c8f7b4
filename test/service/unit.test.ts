import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const UNIT = join(ROOT, 'systemd/millgate.service');

/** Values of the unit by name, in the order of the file. */
function settings(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of readFileSync(UNIT, 'utf8').split('\n')) {
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}

const one = (name: string): string | undefined => settings().get(name)?.at(-1);

describe('millgate.service', () => {
  it('is exposed no more than 2.0 by systemd’s own count', () => {
    const said = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', UNIT], {
      encoding: 'utf8',
    });
    const exposure = Number(/Overall exposure level for millgate.service: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure).toBeGreaterThan(0);
    expect(exposure).toBeLessThanOrEqual(2);
  });

  it('is started again for ever, and watched', () => {
    expect(one('Restart')).toBe('always');
    expect(one('StartLimitIntervalSec')).toBe('0');
    expect(one('Type')).toBe('notify');
    expect(Number(one('WatchdogSec'))).toBeLessThanOrEqual(10);
  });

  it('leaves the gateway its own deadline for stopping', () => {
    const deadline = /STOP_DEADLINE_MS = ([\d_]+)/.exec(readFileSync(join(ROOT, 'src/daemon.ts'), 'utf8'))?.[1];
    expect(Number(one('TimeoutStopSec')) * 1000).toBeGreaterThan(Number(deadline?.replaceAll('_', '')));
  });

  it('reaches serial ports, GPIO and I²C, and nothing of memory or disks', () => {
    const devices = settings().get('DeviceAllow') ?? [];
    for (const kind of ['char-ttyS', 'char-ttyUSB', 'char-ttyACM', 'char-ttyAMA', 'char-gpiochip', 'char-i2c'])
      expect(devices).toContain(`${kind} rw`);
    expect(devices.filter((device) => /mem|block|\*/.test(device))).toEqual([]);
    expect(one('DevicePolicy')).toBe('closed');
  });

  it('writes to the store, its socket, its cache and its configuration only', () => {
    expect(one('ProtectSystem')).toBe('strict');
    expect(settings().get('ReadWritePaths')).toEqual(['-/etc/millgate']);
    const folders = ['StateDirectory', 'RuntimeDirectory', 'CacheDirectory'];
    expect(folders.map(one)).toEqual(['millgate', 'millgate', 'millgate']);
    expect(one('CapabilityBoundingSet')).toBe('');
  });

  it('bounds memory: the heaps of gateway, store and checking, and what is no heap, fit below the ceiling', () => {
    const numberIn = (file: string, name: RegExp) => Number(name.exec(readFileSync(join(ROOT, file), 'utf8'))?.[1]);
    const heaps = [
      numberIn('systemd/millgate.default', /max-old-space-size=(\d+)/),
      numberIn('src/store/thread/start.ts', /maxOldGenerationSizeMb: (\d+)/),
      numberIn('src/config/load-thread.ts', /maxOldGenerationSizeMb: (\d+)/),
    ];
    const NO_HEAP_MB = 64;
    const [high, most] = [one('MemoryHigh'), one('MemoryMax')].map((text) => Number.parseInt(text ?? '', 10));
    expect(heaps.reduce((sum, heap) => sum + heap, NO_HEAP_MB)).toBeLessThanOrEqual(most!);
    expect(high).toBeLessThan(most!);
  });
});

describe('the scripts of the package', () => {
  it.each(['postinst', 'prerm', 'postrm', '../install', 'lay-out.sh'])('%s is sound POSIX shell', (name) => {
    expect(execFileSync('sh', ['-n', join(ROOT, 'scripts/deb', name)], { encoding: 'utf8' })).toBe('');
  });

  it('delete readings and configuration when purged, and at no other time', () => {
    const script = readFileSync(join(ROOT, 'scripts/deb/postrm'), 'utf8');
    const purge = script.slice(script.indexOf('purge)'));
    expect(purge).toContain('rm -rf /etc/millgate /var/lib/millgate /var/cache/millgate');
    expect(script.slice(0, script.indexOf('purge)'))).not.toContain('rm ');
    for (const name of ['postinst', 'prerm'])
      expect(readFileSync(join(ROOT, 'scripts/deb', name), 'utf8')).not.toMatch(/\brm\b/);
  });
});
