/** What is known of the primary host application: it says by its STATE messages whether it listens. */

/** What a STATE message meant. `lost`: the host went without a word, and the broker spoke for it. */
type HostNews = 'online' | 'offline' | 'lost';

/** A STATE message is short; what is longer is none. */
const MAX_STATE_BYTES = 4096;

/** The primary host of an edge node; it outlives sessions, as an old message must not count on another connection. */
export class PrimaryHost {
  /** Where it says its state. */
  readonly topic: string;
  private readonly id: string;
  private newestMs = Number.NEGATIVE_INFINITY;
  private onlineMs = Number.NEGATIVE_INFINITY;
  private state: 'unknown' | 'online' | 'offline' = 'unknown';
  private trouble: string | undefined;

  constructor(id: string) {
    this.id = id;
    this.topic = `spBv1.0/STATE/${id}`;
  }

  /** Whether it said on this connection that it listens. */
  get isOnline(): boolean {
    return this.state === 'online';
  }

  /** A connection begins, on which nothing was heard yet. */
  begin(): void {
    this.state = 'unknown';
    this.trouble = undefined;
  }

  /**
   * Takes a message in. Undefined: it says nothing that counts, being no STATE of this host or an older one
   * (Sparkplug 3.0, `tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp`).
   */
  hear(topic: string, payload: Buffer): HostNews | undefined {
    if (topic !== this.topic) return undefined;
    const said = stateOf(payload);
    if (!said) {
      this.trouble = `its message on ${this.topic} is not a STATE of Sparkplug 3.0, {"online":true,"timestamp":MS}`;
      return undefined;
    }
    if (said.timestampMs < this.newestMs) {
      this.trouble = `its STATE of ${time(said.timestampMs)} is older than one seen before, of ${time(this.newestMs)}; if the clock of the host was set back, restart the gateway`;
      return undefined;
    }
    this.newestMs = said.timestampMs;
    this.trouble = undefined;
    this.state = said.online ? 'online' : 'offline';
    if (said.online) this.onlineMs = said.timestampMs;
    // The will that the broker speaks has the time of the birth; a goodbye has its own
    // (`tck-id-host-topic-phid-death-payload-timestamp-connect` and `…-disconnect-clean`).
    if (!said.online) return said.timestampMs === this.onlineMs ? 'lost' : 'offline';
    return 'online';
  }

  /** What is waited for, in one line. */
  waitText(): string {
    const why =
      this.trouble ??
      (this.state === 'offline'
        ? 'it says that it is offline'
        : `there is no message of it on ${this.topic}; check that primaryHost is written as in the host`);
    return `waiting for the primary host ${this.id}: ${why}. What is read is stored`;
  }
}

function stateOf(payload: Buffer): { online: boolean; timestampMs: number } | undefined {
  if (payload.length > MAX_STATE_BYTES) return undefined;
  try {
    const { online, timestamp } = JSON.parse(payload.toString('utf8')) as { online?: unknown; timestamp?: unknown };
    if (typeof online !== 'boolean' || typeof timestamp !== 'number' || !Number.isFinite(timestamp)) return undefined;
    return { online, timestampMs: timestamp };
  } catch {
    return undefined;
  }
}

function time(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms}` : date.toISOString();
}
