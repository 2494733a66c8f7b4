/** Polls channels without store, rules and uplinks, for recording what is on the bus. */
import type { RecordingView } from '../api/view.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import { Poller } from '../poll/poller.ts';
import { createRecorder } from './recorder.ts';

/** What polling alone needs. */
interface PollAloneOptions {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
}

/** The channels of a configuration without the rest of the gateway. */
interface PollingAlone extends RecordingView {
  /** Polls these channels (none named: all that can be recorded) until `signal`; rejects only for what is a bug. */
  poll(channels: readonly string[], signal: AbortSignal): Promise<void>;
}

/**
 * Polls channels as the configuration says and keeps nothing: no store, no rules, no uplinks, and nothing is ever
 * written to a device. For recording the traffic where no gateway runs.
 */
export function createPollingAlone({ config, version, clock, log, random }: PollAloneOptions): PollingAlone {
  const recorder = createRecorder({ config: () => config, version, clock, simulate: false });
  return {
    ...recorder.view,
    async poll(names, signal) {
      const channels = config.channels.filter(
        ({ name, driver }) => driver.wire && (names.length === 0 || names.includes(name)),
      );
      const polls = channels.map((channel) => {
        const deps = { clock, log: log.scoped(channel.name), random };
        const driver = channel.driver.create(channel.options, { ...deps, tap: recorder.tapOf(channel.name) });
        const nothing = { onRecord() {}, onHealth() {}, onChannel() {} };
        return new Poller(channel, driver, { ...deps, simulated: false }, nothing).run(signal);
      });
      await Promise.all(polls);
    },
  };
}
