/** An edge node for tests, with a store's commits made by hand. */
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { MqttConfig, SparkplugConfig, TagConfig } from '../../../src/config/config.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { noAlarms } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { type DeviceRecord, type Field, Fields, type ValueForm } from '../../../src/core/reading.ts';
import { CommittedValues } from '../../../src/uplink/sparkplug/committed-values.ts';
import { createEdgeNode, type EdgeNodeDeps } from '../../../src/uplink/sparkplug/edge-node.ts';
import type { OutgoingBatch, Uplink } from '../../../src/uplink/uplink.ts';

export const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);
export const NODE = {
  group: 'leeds',
  node: 'press-shop-1',
  primaryHost: undefined,
  servers: [],
} satisfies SparkplugConfig;
export const T0 = 1763899200000;

/** A tag of the file. */
export function tagOf(id: string, more: Partial<TagConfig> & { form?: ValueForm } = {}): TagConfig {
  const [device = '', name = ''] = id.split('/');
  return {
    tag: { id, device, name, address: {} },
    ...{ everyMs: 1000, scale: 1, offset: 0, unit: undefined, deadband: undefined, heartbeatMs: undefined },
    ...{ min: undefined, max: undefined, counter: false, writable: undefined, description: undefined, form: 'number' },
    ...more,
  };
}

/** A bdSeq that is kept in memory. */
export function memory(used?: number): EdgeNodeDeps['births'] & { used: number | undefined } {
  return {
    used,
    async save(bdSeq) {
      this.used = bdSeq;
    },
  };
}

/** What goes into an edge node for tests, and what it wrote. */
export function edgeNode(
  port: number,
  sparkplug: Partial<SparkplugConfig> = {},
  deps: Partial<EdgeNodeDeps> = {},
  config: Partial<MqttConfig> = {},
): Uplink {
  return createEdgeNode(
    {
      ...{
        type: 'mqtt',
        name: 'spb',
        format: 'sparkplug',
        url: `mqtt://127.0.0.1:${port}`,
        protocolVersion: undefined,
      },
      ...{ clientId: 'press-shop-1', topic: '', topics: 'batch', compression: 'none' },
      ...{ username: undefined, password: undefined, tls: undefined },
      ...{ only: undefined, except: [], events: true, backfillRate: 5000, keepaliveMs: 30_000, ackTimeoutMs: 500 },
      ...config,
    },
    { ...NODE, ...sparkplug },
    {
      ...{ clock: systemClock, log: silentLogger, gateway: 'press-shop-1', version: '0.1.0', configHash: '9b1e' },
      ...{ epoch: 'epoch', secrets: () => 'secret', readFile: (path: string) => readFile(path), alarms: noAlarms },
      ...{ tagConfigs: () => [], committed: new CommittedValues(), births: memory() },
      commands: { writable: () => new Set<string>(), write: async () => {}, event() {} },
      ...deps,
    },
  );
}

/** A record of one device; values by name, `undefined` for one that is offline. */
export function recordOf(
  device: string,
  values: Record<string, number | bigint | boolean | string | undefined>,
  atMs = 0,
): DeviceRecord {
  const fields = Object.entries(values).map(([name, value]): Field => {
    return value === undefined ? { name, quality: 'bad', why: 'offline' } : { name, quality: 'good', value };
  });
  return {
    device,
    at: { wallMs: T0 + atMs, monoMs: atMs },
    clockKnown: true,
    simulated: false,
    fields: Fields.of(fields),
  };
}

/** Numbers records as a store does, tells of their commit, and gives the batch that would be sent. */
export function committing(committed: CommittedValues) {
  let next = 1;
  return (
    records: readonly DeviceRecord[],
    lane: 'live' | 'backfill' = 'live',
  ): Extract<OutgoingBatch, { kind: 'readings' }> => {
    const seq = next;
    next += records.length;
    committed.take(
      { readings: { from: seq, to: next }, events: { from: 1, to: 1 } },
      { records, events: [], states: new Map() },
    );
    return { kind: 'readings', epoch: 'epoch', seq, lane, records };
  };
}
