/** A full store lets the chain of quality records go behind a delivered checkpoint only, and says where it could not. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { segmentBytesOf } from '../../src/store/repair/recover.ts';
import type { Store } from '../../src/store/store.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { openSized } from '../../src/store/write/rotate.ts';
import { CHAIN_KEY, type Link, QualityChain } from '../../src/trace/chain.ts';
import { openSigningKey } from '../../src/trace/signing.ts';
import { eventOf, recordOf } from '../contract/store.ts';
import { SimulatedDisk } from '../simulation/disk.ts';
import { deliver, Plant } from './chained-plant.ts';
import { storeOptions, temporaryFolder } from './stores.ts';

/** Records in a commit that are unsigned. */
const RECORDS = 20;

const MAX_BYTES = 600_000;
const SEEDS = Array.from({ length: Number(process.env.MILLGATE_CUTS ?? 2) }, (_, index) => index + 1);

interface Kept {
  readonly seqs: readonly number[];
  /** Whether records follow each other without a hole. */
  readonly isWhole: boolean;
}

async function keptIn(store: Store): Promise<Kept> {
  const seqs: number[] = [];
  const { next } = await store.status();
  for (let at = 1; at < next.events; ) {
    const page = await store.peekEvents(at, 1000);
    for (const { body } of page.events) {
      if ('chain' in body) seqs.push((body.chain as Link).seq);
    }
    if (page.next <= at) break;
    at = page.next;
  }
  return { seqs, isWhole: seqs.every((seq, index) => index === 0 || seq === seqs[index - 1]! + 1) };
}

async function opened(uplinks: readonly string[] = ['plant'], witnesses = uplinks): Promise<Plant> {
  const clock = new SimulatedClock(recordOf(0).at.wallMs, 'promises');
  const folder = temporaryFolder();
  const store = await openLocalStore(storeOptions(folder, { maxBytes: MAX_BYTES, clock, replayMs: 1000 }));
  await store.keepUplinks(uplinks, witnesses);
  for (const uplink of uplinks)
    for (const stream of ['readings', 'events'] as const) await store.pending(uplink, stream);
  return new Plant(store, new QualityChain(undefined, openSigningKey(folder)), seededRandom(7), 0);
}

describe('quality records of a full store', () => {
  it('stay, though they were delivered, until a checkpoint behind them was', async () => {
    const plant = await opened();
    for (let second = 0; second < 60; second++)
      await deliver(plant.store, 'plant', (await plant.commit({ signs: second % 20 === 0 })).to);
    expect((await keptIn(plant.store)).seqs[0]).toBeGreaterThan(0);
    // The broker takes everything but the next checkpoints.
    const refused: number[] = [];
    const before = (await keptIn(plant.store)).seqs.at(-1)!;
    for (let second = 60; second < 140; second++) {
      const { from, to } = await plant.commit({ signs: second % 20 === 0 });
      const page = await plant.store.peekEvents(from, to - from);
      for (const [index, { body }] of page.events.entries()) if ('checkpoint' in body) refused.push(from + index);
      await deliver(plant.store, 'plant', to, refused);
    }
    const kept = await keptIn(plant.store);
    expect(kept.isWhole).toBe(true);
    expect(kept.seqs[0]).toBeLessThanOrEqual(before);
    expect(kept.seqs.at(-1)).toBe(139);
    expect((await plant.store.status()).oldest.readings).toBeGreaterThan(60);
    expect((await plant.store.ledger()).filter(({ stream }) => stream === 'events')).toEqual([]);
    // Then they are delivered, and the chain is cut behind one of them.
    await deliver(plant.store, 'plant', (await plant.store.status()).next.events);
    for (let second = 140; second < 240; second++)
      await deliver(plant.store, 'plant', (await plant.commit({ signs: second % 20 === 0 })).to);
    const left = await keptIn(plant.store);
    expect(left.isWhole).toBe(true);
    expect(left.seqs[0]).toBeGreaterThan(before);
    await plant.store.close();
  });

  it('do not count a checkpoint that was refused, nor one that went to an uplink without events', async () => {
    for (const isRefused of [true, false]) {
      const plant = await opened(['plant', 'mes'], ['plant']);
      for (let second = 0; second < 90; second++) {
        const { from, to } = await plant.commit({ signs: second % 20 === 0 });
        const page = await plant.store.peekEvents(from, to - from);
        const place = page.events.findIndex(({ body }) => 'checkpoint' in body);
        const number = from + place;
        const range = { stream: 'events', uplink: 'plant', from: number, to: number + 1, count: 1 } as const;
        if (place >= 0 && isRefused) await plant.store.quarantine(range);
        await deliver(plant.store, 'mes', to);
        await deliver(plant.store, 'plant', isRefused ? to : 1);
      }
      expect(await keptIn(plant.store)).toMatchObject({ isWhole: true, seqs: { 0: 0, 89: 89 } });
      await plant.store.close();
    }
  });

  it('count a checkpoint once it is stored where no uplink takes events', async () => {
    const plant = await opened(['mes'], []);
    for (let second = 0; second < 110; second++)
      await deliver(plant.store, 'mes', (await plant.commit({ signs: second % 20 === 0 })).to);
    const kept = await keptIn(plant.store);
    expect(kept.isWhole).toBe(true);
    expect(kept.seqs[0]).toBeGreaterThan(0);
    await plant.store.close();
  });

  it('take a quarter of the store at most: then the oldest go, and the ledger has them as unsealed', async () => {
    const plant = await opened();
    // A gateway that lost its key makes no checkpoints.
    for (let second = 0; second < 160; second++) {
      const { from } = await plant.commit({ records: 0 });
      await plant.store.commit({ records: [], events: unsigned(second), states: new Map() });
      await deliver(plant.store, 'plant', from + 1 + RECORDS);
    }
    const { seqs, isWhole } = await keptIn(plant.store);
    expect(isWhole).toBe(true);
    const gone = (await plant.store.ledger()).filter(({ cause }) => cause === 'unsealed');
    expect(gone.length).toBeGreaterThan(0);
    // What is in the ledger is all that is not stored.
    const count = gone.reduce((sum, entry) => sum + entry.count, 0);
    expect(count).toBe(seqs[0]);
    const { accounts, bytes, oldest, next } = await plant.store.status();
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
    expect(next.readings - oldest.readings).toBeGreaterThan(10);
    for (const account of accounts) expect(account).toMatchObject({ evicted: 0, unexplained: [] });
    await plant.store.close();
  });
});

function unsigned(second: number) {
  const random = seededRandom(second);
  return Array.from({ length: RECORDS }, (_, number) => {
    const chain: Link = { seq: second * RECORDS + number, prev: '', t: 0, hash: String(random()) };
    const message = Array.from({ length: 20 }, () => random().toString(36)).join('');
    return { ...eventOf(''), body: { kind: 'audit', what: 'maintenance-done', message, chain } as const };
  });
}

describe('the power is cut while a full store lets records go', () => {
  it.each(SEEDS)('seed %i: what is left is whole and begins behind a delivered checkpoint', async (seed) => {
    const random = seededRandom(seed);
    const root = temporaryFolder();
    const key = openSigningKey(root);
    const clock = new SimulatedClock(recordOf(0).at.wallMs);
    let folder = join(root, 'store-0');
    mkdirSync(folder);
    let second = 0;
    let delivered = 0;
    for (let cut = 1; cut <= 4; cut++) {
      const disk = new SimulatedDisk(folder, openSized(segmentBytesOf(MAX_BYTES)), random);
      const options = { path: folder, maxBytes: MAX_BYTES, clock, log: silentLogger, open: disk.open, replayMs: 0 };
      const store = await openLocalStore(options);
      await store.keepUplinks(['plant']);
      for (const stream of ['readings', 'events'] as const) await store.pending('plant', stream);
      const plant = new Plant(store, new QualityChain((await store.states()).get(CHAIN_KEY), key), random, second);
      const { seqs, isWhole } = await keptIn(store);
      expect(isWhole).toBe(true);
      expect(seqs[0] ?? 0).toBeLessThanOrEqual(delivered);
      for (let turn = 0; turn < 50; turn++) {
        const { from, to } = await plant.commit({ signs: random() < 0.1 });
        // The uplink is dead in some of the runs, and has the checkpoints of the others.
        if (cut % 2 === 0) continue;
        await deliver(store, 'plant', to);
        for (const { body } of (await store.peekEvents(from, to - from)).events)
          if ('checkpoint' in body) delivered = (body.checkpoint as { count: number }).count;
      }
      expect((await keptIn(store)).seqs[0] ?? 0).toBeLessThanOrEqual(delivered);
      second = plant.second;
      disk.cutNow();
      folder = join(root, `store-${cut}`);
      mkdirSync(folder);
      disk.restore(folder);
      disk.release();
    }
  });
});
