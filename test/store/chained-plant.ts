/** A store whose quality records are chained, filled fast. */
import { randomBytes } from 'node:crypto';
import type { Store } from '../../src/store/store.ts';
import { CHAIN_KEY, type QualityChain } from '../../src/trace/chain.ts';
import { eventOf, recordOf } from '../contract/store.ts';

const OPEN = Number.POSITIVE_INFINITY;

/** A store with its chain: each commit brings noise, some plain events and some quality records. */
export class Plant {
  readonly store: Store;
  readonly chain: QualityChain;
  private readonly random: () => number;
  second: number;

  constructor(store: Store, chain: QualityChain, random: () => number, second: number) {
    this.store = store;
    this.chain = chain;
    this.random = random;
    this.second = second;
  }

  async commit({ records = 1, signs = false } = {}): Promise<{ readonly from: number; readonly to: number }> {
    const text = (words: number) => Array.from({ length: words }, () => this.random().toString(36)).join('');
    const second = this.second++;
    const orders = Array.from({ length: records }, (_, number) => ({
      ...eventOf('order'),
      body: { kind: 'audit', what: 'maintenance-done', message: text(10), number: second * 10 + number } as const,
    }));
    if (signs) this.chain.signNext();
    const { events, state } = this.chain.link([
      { ...eventOf(''), body: { kind: 'lifecycle', what: 'note', message: text(10) } },
      ...orders,
    ]);
    const states = new Map(state === undefined ? [] : [[CHAIN_KEY, state]]);
    const noise = recordOf(second, [{ name: 'noise', quality: 'good', value: randomBytes(10_000).toString('base64') }]);
    return (await this.store.commit({ records: [noise], events, states })).events;
  }
}

/** Everything below `to` is delivered but these numbers. */
export async function deliver(store: Store, uplink: string, to: number, but: readonly number[] = []): Promise<void> {
  await store.settle(uplink, 'readings', [{ from: (await store.status()).next.readings, to: OPEN }]);
  await store.settle(uplink, 'events', [
    ...but.map((number) => ({ from: number, to: number + 1 })),
    { from: to, to: OPEN },
  ]);
}
