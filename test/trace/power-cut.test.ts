import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/log.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { segmentBytesOf } from '../../src/store/repair/recover.ts';
import type { Store } from '../../src/store/store.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { openSized } from '../../src/store/write/rotate.ts';
import { CHAIN_KEY, QualityChain } from '../../src/trace/chain.ts';
import { openSigningKey } from '../../src/trace/signing.ts';
import { checkpointLine, headerLine, recordLine, verifyChain } from '../../src/trace/verify-chain.ts';
import { SimulatedDisk } from '../simulation/disk.ts';
import { temporaryFolder } from '../store/stores.ts';

const MAX_BYTES = 20_000_000;
const SEEDS = Array.from({ length: Number(process.env.MILLGATE_CUTS ?? 6) }, (_, index) => index + 1);

function order(number: number): GatewayEvent {
  const body = { kind: 'audit', what: 'maintenance-done', message: `order ${number}`, number } as const;
  return { wallMs: 1_700_000_000_000 + number, monoMs: number, clockKnown: true, body };
}

async function opened(path: string, disk: SimulatedDisk): Promise<Store> {
  const clock = new SimulatedClock(1_700_000_000_000);
  return openLocalStore({ path, maxBytes: MAX_BYTES, clock, log: silentLogger, open: disk.open });
}

/** Resolves with false once the power is gone; a while later without. */
async function cutOf(disk: SimulatedDisk): Promise<boolean> {
  for (let turn = 0; turn < 1000 && !disk.isCut; turn++) await new Promise((done) => setImmediate(done));
  return false;
}

/** Commits orders until the power goes, each commit with its links, some with a checkpoint; gives how many were acknowledged. */
async function writeUntilCut(store: Store, disk: SimulatedDisk, chain: QualityChain, random: Random): Promise<number> {
  let acknowledged = 0;
  disk.arm(Math.floor(random() * 40));
  for (let number = 0; number < 200; number++) {
    if (random() < 0.3) chain.signNext();
    const count = 1 + Math.floor(random() * 3);
    const { events, state } = chain.link(Array.from({ length: count }, (_, index) => order(number * 10 + index)));
    const states = new Map(state === undefined ? [] : [[CHAIN_KEY, state]]);
    // What is being committed when the power goes gets no answer.
    const committed = store.commit({ records: [], events, states }).then(
      () => true,
      () => false,
    );
    if (!(await Promise.race([committed, cutOf(disk)])) || disk.isCut) return acknowledged;
    acknowledged += count;
  }
  return acknowledged;
}

describe('the power is cut while records and checkpoints are written', () => {
  it.each(SEEDS)('seed %i: no acknowledged record is lost, and the chain goes on whole', async (seed) => {
    const random = seededRandom(seed);
    const root = temporaryFolder();
    const key = openSigningKey(root);
    let folder = join(root, 'store-0');
    mkdirSync(folder);
    let least = 0;
    for (let cut = 1; cut <= 4; cut++) {
      const disk = new SimulatedDisk(folder, openSized(segmentBytesOf(MAX_BYTES)), random);
      const store = await opened(folder, disk);
      const chain = new QualityChain((await store.states()).get(CHAIN_KEY), key);
      const count = chain.sign(0)!.checkpoint.count;
      expect(count).toBeGreaterThanOrEqual(least);
      least = count + (await writeUntilCut(store, disk, chain, random));
      disk.cutNow();
      folder = join(root, `store-${cut}`);
      mkdirSync(folder);
      disk.restore(folder);
      disk.release();
    }
    const disk = new SimulatedDisk(folder, openSized(segmentBytesOf(MAX_BYTES)), random);
    const store = await opened(folder, disk);
    const chain = new QualityChain((await store.states()).get(CHAIN_KEY), key);
    const { next } = await store.status();
    const lines: string[] = [];
    for (let at = 1; at < next.events; ) {
      const page = await store.peekEvents(at, 1000);
      for (const { body, wallMs } of page.events) {
        const record = recordLine({ schema: 's', gateway: 'g', epoch: 'e', seq: 1, t: wallMs, ...body });
        if (record) lines.push(record.text);
      }
      // Numbers may have been passed over by the cut.
      if (page.next <= at) break;
      at = page.next;
    }
    await store.close();
    const text = [headerLine(key.publicKey), ...lines, checkpointLine(chain.sign(1)!)].join('\n');
    expect(verifyChain(Buffer.from(`${text}\n`))).toMatchObject({ ok: true, records: lines.length });
    expect(lines.length).toBeGreaterThanOrEqual(least);
  });
});
