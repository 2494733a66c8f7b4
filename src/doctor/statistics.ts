/** Takes the counters of a line apart for the time that is judged. */
import type { ChannelStatus, DeviceStatus } from '../api/view.ts';
import type { ChannelFacts, RunningFacts } from './facts.ts';

/** Fewer requests than this say nothing about a share. */
export const ENOUGH_REQUESTS = 20;

/** Counters of a device over the judged time. */
export interface DeviceCounts {
  readonly name: string;
  /** `press-1 (unit 7)`. */
  readonly text: string;
  readonly state: DeviceStatus['state'];
  readonly reason: string | undefined;
  readonly requests: number;
  readonly timeouts: number;
  readonly garbled: number;
  readonly lateReplies: number;
  readonly exceptionCodes: Readonly<Record<number, number>>;
  readonly p95Ms: number | undefined;
  readonly maxMs: number | undefined;
  /** What the file gives the device to answer, ms. */
  readonly timeoutMs: number | undefined;
}

/** Counters of a line over the judged time. */
export interface LineCounts {
  readonly channel: ChannelFacts;
  readonly status: ChannelStatus;
  readonly scans: number;
  readonly skipped: number;
  readonly reconnects: number;
  readonly unsolicitedBytes: number;
  readonly echoes: number;
  readonly devices: readonly DeviceCounts[];
  /** How long was counted, ms. */
  readonly overMs: number;
}

/** What happened on a line while it was watched, or since the gateway started. Pure. */
export function lineCounts(
  channel: ChannelFacts,
  { status: now, before, isWatched }: RunningFacts,
): LineCounts | undefined {
  const { status } = channel;
  if (!status) return undefined;
  const earlier = isWatched ? before?.channels.find(({ name }) => name === channel.name) : undefined;
  return {
    channel,
    status,
    scans: since(status.scans, earlier?.scans),
    skipped: since(status.skipped, earlier?.skipped),
    reconnects: since(status.reconnects, earlier?.reconnects),
    unsolicitedBytes: since(status.unsolicitedBytes, earlier?.unsolicitedBytes),
    echoes: since(status.echoes, earlier?.echoes),
    overMs: now.nowMs - (earlier && before ? before.nowMs : now.startedMs),
    devices: status.devices.map((device) =>
      deviceCounts(
        channel,
        device,
        earlier?.devices.find(({ name }) => name === device.name),
      ),
    ),
  };
}

function deviceCounts(channel: ChannelFacts, now: DeviceStatus, before: DeviceStatus | undefined): DeviceCounts {
  const station = channel.devices.find(({ name }) => name === now.name)?.station;
  const codes = Object.entries(now.exceptionCodes ?? {}).map(
    ([code, count]) => [code, since(count, before?.exceptionCodes?.[Number(code)])] as const,
  );
  return {
    name: now.name,
    text: station ? `${now.name} (${station.text})` : now.name,
    state: now.state,
    reason: now.reason,
    requests: since(now.requests, before?.requests),
    timeouts: since(now.timeouts, before?.timeouts),
    garbled: since(now.garbled, before?.garbled),
    lateReplies: since(now.lateReplies, before?.lateReplies),
    exceptionCodes: Object.fromEntries(codes),
    p95Ms: now.responseMsP95,
    maxMs: now.responseMsMax,
    timeoutMs: station?.timeoutMs ?? now.timeoutMs,
  };
}

/** How much a counter grew; 0 when it went back, as after a restart. */
function since(later: number | undefined, sooner: number | undefined): number {
  return Math.max(0, (later ?? 0) - (sooner ?? 0));
}
