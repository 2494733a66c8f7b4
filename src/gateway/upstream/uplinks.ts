/** The uplinks of a gateway, a forwarder each. */
import { isDeepStrictEqual } from 'node:util';
import type { UplinkConfig } from '../../config/config.ts';
import { type Clock, untilKnown } from '../../core/clock.ts';
import type { Alarms } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import type { Random } from '../../core/random.ts';
import { cutTo } from '../../core/reading.ts';
import type { CommitBatch, Receipt, Store } from '../../store/store.ts';
import { Forwarder } from '../../uplink/forwarder.ts';
import type { Uplink, UplinkStatus } from '../../uplink/uplink.ts';

/** What the uplinks of a gateway are run with. */
interface UplinksParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly alarms: Alarms;
  readonly create: (uplink: UplinkConfig) => Uplink;
  /** Called whenever an uplink could not be connected, or had an answer to what it sent. */
  readonly onTried: (uplink: string) => void;
  /** Called when a forwarder ended in a way that is a bug. */
  readonly onFailed: (cause: unknown) => void;
}

/** The uplinks at work, one forwarder each. */
export interface Uplinks {
  statuses(): readonly UplinkStatus[];
  /** In the order of the file. */
  forwarders(): readonly Forwarder[];
  committed(receipt: Receipt, batch: CommitBatch): void;
  /** Ends those that are not wanted any more or were changed, then begins the new ones; the others are not touched. */
  replace(wanted: readonly UplinkConfig[], gateway: string): Promise<void>;
  /** Says to every side that is connected that another configuration is in force. */
  announce(): void;
  /** Ends them all, once they noted how far they got. */
  stop(): Promise<void>;
}

/** Records are not published before the clock is known, so that they go with the right time; but after this they do. */
const CLOCK_WAIT_MS = 60_000;

interface Running {
  readonly config: UplinkConfig;
  /** `gateway.id`, which goes into every payload. */
  readonly gateway: string;
  readonly forwarder: Forwarder;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** No uplink yet. */
export function createUplinks(parts: UplinksParts): Uplinks {
  const { store, clock, log, random, alarms } = parts;
  let running: readonly Running[] = [];

  const begin = (config: UplinkConfig, gateway: string): Running => {
    const { backfillRate } = config;
    const forwarder = new Forwarder({
      uplink: parts.create(config),
      store,
      clock,
      log,
      random,
      alarms,
      backfillRate,
      onTried: () => parts.onTried(config.name),
      wanted: { record: cutTo(config), events: config.events },
    });
    const stop = new AbortController();
    const run = async () => {
      await untilKnown(clock, CLOCK_WAIT_MS, stop.signal);
      await forwarder.run(stop.signal);
    };
    const ended = run();
    ended.catch(parts.onFailed);
    return { config, gateway, forwarder, stop, ended };
  };

  const end = async (uplinks: readonly Running[]): Promise<void> => {
    for (const { stop } of uplinks) stop.abort();
    await Promise.allSettled(uplinks.map(({ ended }) => ended));
  };

  return {
    forwarders: () => running.map(({ forwarder }) => forwarder),
    statuses: () => running.map(({ forwarder }) => forwarder.status()),
    committed(receipt, batch) {
      for (const { forwarder } of running) forwarder.committed(receipt, batch);
    },
    async replace(wanted, gateway) {
      const isKept = ({ config, gateway: id }: Running) =>
        id === gateway && wanted.some((uplink) => isDeepStrictEqual(uplink, config));
      const kept = running.filter(isKept);
      // A broker throws out the first of two clients with one name: the old one goes before the new one comes.
      await end(running.filter((uplink) => !isKept(uplink)));
      running = wanted.map(
        (uplink) => kept.find(({ config }) => config.name === uplink.name) ?? begin(uplink, gateway),
      );
    },
    announce() {
      for (const { forwarder } of running) forwarder.announce();
    },
    async stop() {
      await end(running);
    },
  };
}
