import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { DriverType } from '../../hal/driver.ts';
import type { Config, LoadResult } from './config.ts';

type Raw = Record<string, Record<string, Record<string, unknown>>>;

export function loadConfig({
  file,
  drivers,
  hostname,
}: {
  file: string;
  drivers: readonly DriverType[];
  hostname: string;
}): LoadResult {
  const wrong = (path: string, message: string): LoadResult => ({
    ok: false,
    problems: [{ file, line: 1, column: 1, path, message, severity: 'error' }],
  });
  try {
    const raw = parse(readFileSync(file, 'utf8')) as Raw;
    for (const key of Object.keys(raw))
      if (!['gateway', 'channels', 'devices', 'store', 'uplinks', 'api'].includes(key))
        return wrong(key, 'unknown key');
    const config: Config = {
      file,
      hash: '000000000000',
      gateway: { id: String(raw.gateway?.id ?? hostname), location: undefined, timezone: 'UTC' },
      channels: Object.entries(raw.channels ?? {}).map(([name, channel]) => ({
        name,
        driver: drivers.find(({ type }) => type === channel.driver)!,
        options: channel,
        devices: Object.entries(raw.devices ?? {})
          .filter(([, device]) => device.channel === name)
          .map(([device, { tags }]) => ({
            name: device,
            profile: undefined,
            tags: Object.entries(tags as Record<string, Record<string, unknown>>).map(([tag, options]) => ({
              tag: { id: `${device}/${tag}`, device, name: tag, address: options.address },
              everyMs: 1000,
              scale: 1,
              offset: 0,
              unit: options.unit as string | undefined,
              deadband: undefined,
              heartbeatMs: undefined,
              min: undefined,
              max: undefined,
              counter: false,
              writable: undefined,
              description: undefined,
            })),
          })),
      })),
      store: { path: String(raw.store?.path), maxBytes: 2e9, commitEveryMs: 1000, replayMs: 0 },
      uplinks: [],
      api: { listen: undefined },
    };
    return { ok: true, config, warnings: [] };
  } catch (error) {
    return wrong('', String(error));
  }
}
