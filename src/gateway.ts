import type { GatewayView } from './api/view.ts';
import type { Config } from './config/config.ts';
import type { Clock } from './core/clock.ts';
import type { Logger } from './core/log.ts';
import type { Random } from './core/random.ts';
import type { Reading } from './core/reading.ts';

export interface RunningGateway {
  view: GatewayView;
  close(): Promise<void>;
}

export async function startGateway(options: {
  config: Config;
  simulate: boolean;
  version: string;
  clock: Clock;
  log: Logger;
  random: Random;
  environment: Readonly<Record<string, string | undefined>>;
}): Promise<RunningGateway> {
  const { config, clock } = options;
  const listeners = new Set<(readings: readonly Reading[]) => void>();
  const tags = config.channels.flatMap((channel) => channel.devices.flatMap((device) => device.tags));
  const readings = (): Reading[] =>
    tags.map(({ tag }) => ({
      tag: tag.id,
      wallMs: clock.wallMs(),
      monoMs: clock.monoMs(),
      quality: 'good',
      value: tag.address as number,
    }));
  let cancel = () => {};
  const tick = (): void => {
    for (const listener of listeners) listener(readings());
    cancel = clock.after(50, tick);
  };
  tick();
  const startedMs = clock.wallMs();
  return {
    view: {
      status: async () => ({
        gateway: config.gateway.id,
        version: options.version,
        pid: process.pid,
        config: { file: config.file, hash: config.hash },
        startedMs,
        nowMs: clock.wallMs(),
        clockKnown: true,
        simulated: options.simulate,
        rssBytes: 1,
        readingsPerSecond: 20,
        channels: [],
        store: {
          epoch: '',
          next: { readings: 1, events: 1 },
          oldest: { readings: 1, events: 1 },
          bytes: 0,
          maxBytes: 1,
          segments: 0,
          commits: 0,
          bytesWritten: 0,
          lastCommitMs: undefined,
          ledger: [],
          trouble: undefined,
        },
        uplinks: [],
      }),
      tags: () =>
        readings().map((last, index) => ({
          tag: last.tag,
          unit: tags[index]?.unit,
          everyMs: 1000,
          description: undefined,
          last,
          readings: 1,
        })),
      readNow: async () => readings(),
      history: async () => ({ points: [], next: undefined }),
      onReadings(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    close: async () => cancel(),
  };
}
