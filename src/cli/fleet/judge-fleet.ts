/** Judges the retained statuses of a fleet: who is offline, and whose version or configuration is not that of most. Pure. */

/** What a gateway says of itself, or the broker for it. */
export interface MemberStatus {
  /** What stands in the topic where the filter has `+`. */
  readonly gateway: string;
  readonly topic: string;
  /** `unreadable`: there is a message, and it is not one of a gateway. */
  readonly state: 'online' | 'offline' | 'unreadable';
  readonly version: string | undefined;
  readonly config: string | undefined;
  readonly epoch: string | undefined;
  /** When the gateway connected, UTC ms. */
  readonly sinceMs: number | undefined;
}

/** A gateway beside the others. */
export interface FleetMember extends MemberStatus {
  readonly differs: readonly ('version' | 'config')[];
}

/** A whole fleet, the worst first. */
export interface FleetStatus {
  readonly gateways: readonly FleetMember[];
  /** What most of them have; undefined where that is not more than half of them. */
  readonly version: string | undefined;
  readonly config: string | undefined;
}

/** Reads a retained status. What came is not trusted. */
export function statusOf(topic: string, filter: string, text: string): MemberStatus {
  const levels = topic.split('/');
  const gateway = filter
    .split('/')
    .flatMap((level, index) => (level === '+' ? [levels[index] ?? ''] : []))
    .join('/');
  const none = { version: undefined, config: undefined, epoch: undefined, sinceMs: undefined };
  const said = parsed(text);
  if (said?.state !== 'online' && said?.state !== 'offline')
    return { gateway: gateway || topic, topic, state: 'unreadable', ...none };
  const textOf = (value: unknown) => (typeof value === 'string' ? value.slice(0, 100) : undefined);
  return {
    gateway: gateway || topic,
    topic,
    state: said.state,
    version: textOf(said.version),
    config: textOf(said.config),
    epoch: textOf(said.epoch),
    sinceMs: typeof said.since === 'number' && Math.abs(said.since) < 8.64e15 ? said.since : undefined,
  };
}

/**
 * Puts gateways beside each other. Where each has a file of its own, no configuration is that of most, and none differs.
 */
export function judgeFleet(statuses: readonly MemberStatus[]): FleetStatus {
  const version = commonOf(statuses.map((status) => status.version));
  const config = commonOf(statuses.map((status) => status.config));
  const gateways = statuses.map((status): FleetMember => {
    const isOther = { version: version !== status.version, config: config !== status.config };
    const differs = (['version', 'config'] as const).filter(
      (key) => isOther[key] && status[key] !== undefined && (key === 'version' ? version : config) !== undefined,
    );
    return { ...status, differs };
  });
  const badness = ({ state, differs }: FleetMember) =>
    (state === 'unreadable' ? 200 : state === 'offline' ? 100 : 0) + differs.length;
  gateways.sort((a, b) => badness(b) - badness(a) || (a.gateway < b.gateway ? -1 : 1));
  return { gateways, version, config };
}

/** What more than half of them have. */
function commonOf(values: readonly (string | undefined)[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most && most[1] * 2 > [...counts.values()].reduce((sum, count) => sum + count, 0) ? most[0] : undefined;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
