/** The notifiers of a gateway. */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Config, NotifyConfig } from '../config/config.ts';
import { readSecret } from '../config/file/secrets.ts';
import type { Clock } from '../core/clock.ts';
import type { Alarms, EventBody } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { CommitBatch, Receipt, Store } from '../store/store.ts';
import { Notifier, type NotifierStatus } from '../uplink/notify/notifier.ts';
import { createSender } from '../uplink/notify/senders.ts';
import { notifyKey } from './memory.ts';

/** What notifiers are run with. */
interface NotifiersParts {
  readonly store: Store;
  /** What the store kept of the run before. */
  readonly states: ReadonlyMap<string, string>;
  readonly setState: (key: string, json: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly alarms: Alarms;
  readonly event: (body: EventBody) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Called when one ended in a way that is a bug. */
  readonly onFailed: (cause: unknown) => void;
}

/** The notifiers at work. */
export type Notifiers = ReturnType<typeof createNotifiers>;

interface Running {
  readonly wanted: readonly [NotifyConfig, Config['gateway']];
  readonly notifier: Notifier;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** No notifier yet. */
export function createNotifiers(parts: NotifiersParts) {
  const { states, setState, log, environment, onFailed } = parts;
  const kept = new Map(states);
  let running: readonly Running[] = [];

  const begin = (config: NotifyConfig, gateway: Config['gateway']): Running => {
    const key = notifyKey(config.name);
    const notifier = new Notifier({
      ...parts,
      config,
      teller: { gateway: gateway.id, location: gateway.location, timezone: gateway.timezone },
      send: createSender(config, {
        clock: parts.clock,
        gateway: gateway.id,
        secrets: (ref) => readSecret(ref, { env: environment, warn: (message) => log.warn(message) }),
        readFile: (path) => readFile(path),
      }),
      stored: kept.get(key),
      save(json) {
        kept.set(key, json);
        setState(key, json);
      },
    });
    const stop = new AbortController();
    const ended = notifier.run(stop.signal);
    ended.catch(onFailed);
    return { wanted: [config, gateway], notifier, stop, ended };
  };

  const end = async (which: readonly Running[]): Promise<void> => {
    for (const { stop } of which) stop.abort();
    await Promise.allSettled(which.map(({ ended }) => ended));
  };

  return {
    statuses: (): readonly NotifierStatus[] => running.map(({ notifier }) => notifier.status()),
    committed(receipt: Receipt, batch: CommitBatch): void {
      for (const { notifier } of running) notifier.committed(receipt, batch);
    },
    /** Ends those that are not wanted any more or were changed, then begins the new ones; they go on where the old ones were. */
    async replace({ notify = [], gateway }: Pick<Config, 'notify' | 'gateway'>): Promise<void> {
      const isKept = ({ wanted }: Running) => notify.some((one) => isDeepStrictEqual([one, gateway], wanted));
      const old = running.filter(isKept);
      await end(running.filter((one) => !isKept(one)));
      running = notify.map((one) => old.find(({ wanted: [{ name }] }) => name === one.name) ?? begin(one, gateway));
    },
    stop: (): Promise<void> => end(running),
  };
}
