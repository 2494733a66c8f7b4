/** Says how a channel stands, at a glance. */
import { type Driver, isObservable } from '../../hal/driver.ts';
import type { DeviceStatistics } from '../../hal/statistics.ts';
import type { ChannelStatus, DeviceStatus } from '../api/view.ts';
import { plannedUtilisation } from '../config/forecast/forecast.ts';
import { type Clock, instantAt } from '../core/clock.ts';
import { FAILURES } from '../core/quality.ts';
import type { Trouble } from '../poll/outcome.ts';
import type { Poller } from '../poll/poller.ts';
import type { LiveTable } from './live.ts';

/** One channel at work. */
export interface Line {
  readonly driver: Driver;
  readonly poller: Poller;
}

/** A channel at a glance. */
export function channelStatus(
  { driver, poller }: Line,
  live: LiveTable,
  clock: Clock,
  simulate: boolean,
): ChannelStatus {
  const { channel, state, counts } = poller;
  const line = isObservable(driver) ? driver.statistics() : undefined;
  return {
    name: channel.name,
    driver: channel.driver.type,
    simulated: simulate || channel.driver.simulated,
    state: state.state,
    reason: state.state === 'waiting' ? state.reason : undefined,
    sinceMs: state.sinceMs,
    scans: counts.scans,
    skipped: counts.skipped,
    utilisation: line?.utilisation,
    plannedUtilisation: plannedUtilisation(channel),
    busyMs: line?.busyMs,
    reconnects: line?.reconnects,
    unsolicitedBytes: line?.unsolicitedBytes,
    echoes: line?.echoes,
    devices: channel.devices.map(({ name, tags }): DeviceStatus => {
      const health = poller.health(name);
      return {
        name,
        state: state.state === 'connected' ? health.state : 'waiting',
        reason: health.state === 'offline' ? reasonOf(poller.trouble(name)) : undefined,
        sinceMs: health.state === 'online' ? undefined : instantAt(clock, health.sinceMs).wallMs,
        tags: tags.length,
        ...live.counts(name),
        ...countersOf(line?.devices[name]),
      };
    }),
  };
}

/** Why a device does not answer, for a person: what came instead, or that nothing did. */
export function reasonOf(trouble: Trouble | undefined): string {
  return trouble?.detail ?? FAILURES[trouble?.why ?? 'timeout'].means;
}

function countersOf(counters: DeviceStatistics | undefined) {
  return {
    requests: counters?.requests,
    timeouts: counters?.timeouts,
    garbled: counters?.garbled,
    lateReplies: counters?.lateReplies,
    exceptions: counters && Object.values(counters.exceptions).reduce((sum, count) => sum + count, 0),
    exceptionCodes: counters?.exceptions,
    responseMsP50: counters?.responseMs?.p50,
    responseMsP95: counters?.responseMs?.p95,
    responseMsMax: counters?.responseMs?.max,
    timeoutMs: counters?.timeoutMs,
    refusedGap: counters?.refusedGap,
    mostRegisters: counters?.mostRegisters,
    busyMs: counters?.busyMs,
  };
}
