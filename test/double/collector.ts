import mqtt, { type MqttClient } from 'mqtt';

/** A record as it comes over the wire. */
export interface WireRecord {
  readonly device: string;
  readonly t: number;
  readonly v: Record<string, number>;
  readonly bad?: Record<string, string>;
}

interface WireBatch {
  readonly schema: string;
  readonly gateway: string;
  readonly epoch: string;
  readonly seq: number;
  readonly lane: 'live' | 'backfill';
  readonly records: readonly WireRecord[];
}

/** What a record of the test farm should hold: each value names device, register and scan. */
function isRight(device: number, register: number, scan: number, value: number): boolean {
  return value === (register === 0 ? scan & 0xffff : (device * 7919 + register * 31 + scan * 17) & 0xffff);
}

/** The other side: subscribes like any consumer, dedupes by key, and checks every value against the farm's formula. */
export class Collector {
  readonly records = new Map<number, WireRecord>();
  readonly wrong: string[] = [];
  readonly events: Record<string, unknown>[] = [];
  duplicates = 0;
  /** Whether everything that is published now arrives here. */
  isSubscribed = false;
  conflicting = 0;
  backfilled = 0;
  epochs = new Set<string>();
  /** Largest delay from measurement to arrival of live records, ms. */
  worstLiveMs = 0;
  private client: MqttClient | undefined;
  private readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  async start(): Promise<void> {
    this.client = await mqtt.connectAsync({
      host: '127.0.0.1',
      port: this.port,
      reconnectPeriod: 100,
      clean: true,
      resubscribe: false,
    });
    this.client.on('message', (topic, payload) => this.take(topic, payload.toString()));
    this.client.on('error', () => {});
    this.client.on('close', () => {
      this.isSubscribed = false;
    });
    // A broker that was killed knows nobody: whoever comes back asks again, and until then hears nothing.
    this.client.on('connect', () => void this.subscribe());
    await this.subscribe();
  }

  private async subscribe(): Promise<void> {
    await this.client?.subscribeAsync('#', { qos: 1 }).catch(() => {});
    this.isSubscribed = this.client?.connected === true;
  }

  async stop(): Promise<void> {
    await this.client?.endAsync(true);
  }

  /** Sequence numbers that are missing between 1 and the highest that came. */
  missing(): number[] {
    const highest = Math.max(0, ...this.records.keys());
    return Array.from({ length: highest }, (_, index) => index + 1).filter((seq) => !this.records.has(seq));
  }

  /** Scan counters of a device in order of their sequence numbers, good readings only. */
  scans(device: string): number[] {
    return [...this.records.entries()]
      .sort(([a], [b]) => a - b)
      .flatMap(([, record]) => (record.device === device && record.v.r0 !== undefined ? [record.v.r0] : []));
  }

  /** Good values received. */
  values(): number {
    let count = 0;
    for (const { v } of this.records.values()) count += Object.keys(v).length;
    return count;
  }

  private take(topic: string, text: string): void {
    if (topic.endsWith('/events')) this.events.push(JSON.parse(text) as Record<string, unknown>);
    if (!topic.endsWith('/readings')) return;
    const batch = JSON.parse(text) as WireBatch;
    this.epochs.add(batch.epoch);
    if (batch.lane === 'backfill') this.backfilled += batch.records.length;
    batch.records.forEach((record, index) => {
      const seq = batch.seq + index;
      const known = this.records.get(seq);
      if (known) {
        this.duplicates++;
        if (JSON.stringify(known) !== JSON.stringify(record)) this.conflicting++;
        return;
      }
      this.records.set(seq, record);
      if (batch.lane === 'live') this.worstLiveMs = Math.max(this.worstLiveMs, Date.now() - record.t);
      this.check(record);
    });
  }

  private check(record: WireRecord): void {
    const device = Number(record.device.slice(1));
    const scan = record.v.r0;
    if (scan === undefined) return;
    for (const [name, value] of Object.entries(record.v)) {
      if (!isRight(device, Number(name.slice(1)), scan, value))
        this.wrong.push(`${record.device}/${name}=${value} in scan ${scan}`);
    }
  }
}
