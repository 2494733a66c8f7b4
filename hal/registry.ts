import { passed } from '../src/core/checked.ts';
import type { Driver, DriverType } from './driver.ts';

const standIn = (type: string): DriverType => ({
  type,
  simulated: type === 'mock',
  channelShape: {},
  deviceShape: {},
  tagShape: {},
  checkChannel: passed,
  checkTag: ({ options }) => passed(options.address),
  describeAddress: String,
  isEventful: () => false,
  estimate: () => ({ requests: [] }),
  create: (_channel, { clock }): Driver => ({
    concurrency: 1,
    connect: async () => {},
    plan: (tags) => [tags],
    read: async (tags) =>
      tags.map((tag) => ({
        at: { wallMs: clock.wallMs(), monoMs: clock.monoMs() },
        ok: true,
        value: tag.address as number,
      })),
    close: async () => {},
  }),
});

export const DRIVERS: readonly DriverType[] = [standIn('mock'), standIn('modbus-tcp')];
