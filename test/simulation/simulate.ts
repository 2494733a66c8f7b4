import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SeqRange } from '../../src/core/intervals.ts';
import { countOf, type IntervalSet, intervals, subtract } from '../../src/core/intervals.ts';
import type { Logger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { reconcile } from '../../src/store/read/status.ts';
import type { LedgerEntry, Stream } from '../../src/store/store.ts';
import { CALM } from './broker.ts';
import { readAll, wholeLedger } from './stored.ts';
import { troublesOf } from './troubles.ts';
import { uplinkName, World } from './world.ts';

/** What came of one seed. Numbers of records, summed over the uplinks where an uplink matters. */
export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly produced: number;
  readonly delivered: number;
  readonly waiting: number;
  readonly duplicates: number;
  readonly evicted: number;
  readonly quarantined: number;
  /** Dropped while the disk stalled and the memory was full; they are in the ledger. */
  readonly memoryFull: number;
  /** Committed, and gone with a flipped bit; they are in the ledger. */
  readonly damaged: number;
  /** Numbers never given to a record, skipped after a torn write; they are in the ledger. */
  readonly skipped: number;
  /** Committed, and neither delivered, stored nor in the ledger. */
  readonly lost: number;
  readonly events: number;
  readonly boots: number;
  readonly cuts: number;
  /** How often the configuration was changed while the gateway ran. */
  readonly changes: number;
  readonly flips: number;
  readonly refusals: number;
  readonly sessions: number;
  /** Messages that brokers refused, by a code or by hanging up. */
  readonly refused: number;
  /** What happened, for whoever looks for the reason. */
  readonly story: readonly string[];
}

/** What a run is made of. */
export interface SimulationOptions {
  readonly seed: number;
  readonly place: string;
  /** Simulated time with troubles, hours; then everything heals and the rest is delivered. */
  readonly hours: number;
  readonly log?: Logger;
}

/** Where the stores of a run lie: in memory, where the system has it. */
export const PLACE = join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `millgate-simulation-${process.pid}`);

const HOUR_MS = 3_600_000;

/** How long the gateway may take to deliver the rest once everything is well, ms. */
const HEALING_MS = 2 * HOUR_MS;

/** How often everything is read at most before what it says is judged. */
const READINGS_MOST = 10;

/** Runs one seed to its end and judges it. */
export async function simulate({ seed, place, hours, log }: SimulationOptions): Promise<Outcome> {
  const random = seededRandom(seed + 7_000_003);
  const hasFlips = seed % 4 === 0;
  const world = new World({
    ...{ seed, place, uplinks: random() < 0.6 ? 2 : 1, commitEveryMs: 90_000, everyMs: 90_000 },
    ...{ maxBytes: 160_000 + Math.floor(random() * 120_000), heldRecords: 30 + Math.floor(random() ** 3 * 400) },
    ...{ backfillRate: 500, alarmedMs: hours * HOUR_MS },
    ...(log && { log }),
  });
  const story: string[] = [];
  try {
    await world.start();
    for (const { atMs, what, act } of troublesOf(random, hours * HOUR_MS, hasFlips)) {
      await world.pass(atMs - world.nowMs());
      story.push(`${(world.nowMs() / HOUR_MS).toFixed(2)} h: ${what}`);
      await act(world);
      if (world.witness.violations.length > 0) break;
    }
    await world.pass(hours * HOUR_MS - world.nowMs());
    await heal(world);
    return await judge(world, seed, story);
  } finally {
    world.dispose();
  }
}

/** Ends all trouble and waits until everything is delivered and told. */
async function heal(world: World): Promise<void> {
  const { field, brokers } = world;
  field.silent.clear();
  field.lost.clear();
  field.slownessMs = 80;
  world.stallMs = 0;
  world.setFault(undefined);
  for (const broker of brokers) Object.assign(broker.trouble, CALM);
  for (let waited = 0; waited < HEALING_MS; waited += 60_000) {
    await world.pass(60_000);
    const { uplinks } = await world.answered(world.gateway.view.status());
    if (waited > 600_000 && uplinks.every((uplink) => uplink.pendingRecords < 20 && uplink.pendingEvents === 0)) break;
  }
  const { uplinks } = await world.answered(world.gateway.view.status());
  for (const { name, pendingRecords, pendingEvents } of uplinks)
    if (pendingRecords > 20 || pendingEvents > 0)
      world.witness.violation(
        `${name}: ${pendingRecords} records and ${pendingEvents} events were not delivered in time`,
      );
}

async function judge(world: World, seed: number, story: readonly string[]): Promise<Outcome> {
  const { witness, store } = world;
  // Damage that only reading finds is entered in the ledger, and told of, now; what a file's cache hid is found later.
  let stored = await readAll(store, witness);
  let ledger = await wholeLedger(store);
  for (let round = 0, isNew = true; isNew && round < READINGS_MOST; round++) {
    await world.pass(120_000);
    const before = (await wholeLedger(store)).at(-1)?.id;
    stored = await readAll(store, witness);
    ledger = await wholeLedger(store);
    isNew = ledger.at(-1)?.id !== before;
  }
  const { next } = await store.status();
  const sums = { delivered: 0, waiting: 0, duplicates: 0, evicted: 0, quarantined: 0, sessions: 0, refused: 0 };
  for (const [index, broker] of world.brokers.entries()) {
    const uplink = uplinkName(index);
    const seen = witness.of(uplink);
    for (const stream of ['readings', 'events'] as const) {
      const pending = await store.pending(uplink, stream);
      const account = { stream, next: next[stream], stored: stored[stream], ledger, uplink, pending, since: 1 };
      const balance = reconcile(account);
      for (const { from, to } of balance.unexplained)
        witness.violation(`${uplink}: ${stream} ${from} to ${to - 1} are owed, not stored, not in the ledger`);
      checkDelivered(world, uplink, stream, next[stream], ledger, intervals(pending));
      if (stream === 'events') continue;
      sums.delivered += balance.delivered;
      sums.waiting += balance.waiting;
      sums.evicted += balance.evicted;
      sums.quarantined += balance.quarantined;
    }
    sums.duplicates += seen.duplicates;
    sums.sessions += broker.sessions;
    sums.refused += broker.refused;
    for (const { uplink: who, from, cause } of ledger)
      if (cause === 'quarantined' && who === uplink && !broker.poison.has(from))
        witness.violation(`${uplink}: record ${from} was set aside, and there was nothing wrong with it`);
  }
  checkTold(world, ledger);
  const losses = lossesOf(world, ledger, stored.readings);
  await world.stop();
  return {
    ...{ seed, violations: witness.violations, produced: next.readings - 1, ...sums, ...losses, story },
    ...{
      events: next.events - 1,
      boots: world.boots,
      cuts: world.cuts,
      changes: world.changes,
      flips: world.flips,
      refusals: world.refusals,
    },
  };
}

/** What an uplink is not owed any more, and what the ledger does not name, has been seen by the other side. */
function checkDelivered(
  world: World,
  uplink: string,
  stream: Stream,
  next: number,
  ledger: readonly LedgerEntry[],
  pending: IntervalSet,
): void {
  const seen = world.witness.of(uplink)[stream];
  const own = ledger.filter((entry) => entry.stream === stream && (entry.uplink ?? uplink) === uplink);
  const excused = intervals([...own, ...pending]);
  let at = 0;
  for (let seq = 1; seq < next; seq++) {
    while (at < excused.length && excused[at]!.to <= seq) at++;
    if (at < excused.length && excused[at]!.from <= seq) continue;
    if (!seen.has(seq)) world.witness.violation(`${uplink}: ${stream} ${seq} counts as delivered and never arrived`);
  }
}

/**
 * Every number of the ledger was told of once, with its cause, and no other was. Entries that were told of may have been
 * merged since, so the numbers are compared and not the entries.
 */
function checkTold(world: World, ledger: readonly LedgerEntry[]): void {
  const { witness } = world;
  const told = new Map<string, SeqRange[]>();
  const entered = new Map<string, SeqRange[]>();
  const note = (map: Map<string, SeqRange[]>, key: string, range: SeqRange) =>
    map.set(key, [...(map.get(key) ?? []), range]);
  for (const event of witness.truth.events) {
    if (event?.body.kind !== 'gap') continue;
    const { stream, from, to, cause, uplink } = event.body;
    note(told, `${stream} ${cause} ${uplink ?? ''}`, { from, to: to + 1 });
  }
  for (const { stream, from, to, cause, count, uplink } of ledger) {
    note(entered, `${stream} ${cause} ${uplink ?? ''}`, { from, to });
    if (count !== to - from) witness.violation(`the gap ${stream} ${from} to ${to - 1} counts ${count}`);
  }
  for (const key of new Set([...told.keys(), ...entered.keys()])) {
    const said = intervals(told.get(key) ?? []);
    const known = intervals(entered.get(key) ?? []);
    const twice = (told.get(key) ?? []).reduce((sum, { from, to }) => sum + to - from, 0) - countOf(said);
    if (twice > 0 && !key.includes(' quarantined '))
      witness.violation(`${twice} numbers of "${key}" were told of twice`);
    const untold = countOf(subtract(known, said));
    const unknown = countOf(subtract(said, known));
    if (untold > 0) witness.violation(`${untold} numbers of "${key}" were not told of`);
    if (unknown > 0) witness.violation(`${unknown} numbers of "${key}" were told of and are not in the ledger`);
  }
}

function lossesOf(world: World, ledger: readonly LedgerEntry[], stored: IntervalSet) {
  const { witness, flips } = world;
  const { truth } = witness;
  const held = new Set<number>();
  for (const { from, to } of stored) for (let seq = from; seq < to; seq++) held.add(seq);
  const cause = new Map<number, string>();
  for (const entry of ledger)
    if (entry.stream === 'readings' && entry.cause !== 'quarantined')
      for (let seq = entry.from; seq < entry.to; seq++) cause.set(seq, entry.cause);
  const sums = { memoryFull: 0, damaged: 0, skipped: 0, lost: 0 };
  const isSettled = (uplink: string, seq: number): boolean =>
    witness.of(uplink).readings.has(seq) ||
    ledger.some((entry) => entry.cause === 'quarantined' && entry.uplink === uplink && entry.from === seq);
  for (const [seq, why] of cause) {
    const isReal = truth.readings[seq] !== undefined;
    if (why === 'memory-full') sums.memoryFull++;
    else if (why === 'corrupt' && isReal) sums.damaged++;
    else if (why === 'corrupt' || why === 'skipped') sums.skipped++;
    else if (!isReal) witness.violation(`record ${seq} is said to be ${why}, and there never was one`);
  }
  for (let seq = 1; seq < truth.readings.length; seq++) {
    if (!truth.readings[seq] || held.has(seq) || cause.has(seq)) continue;
    if (!world.brokers.every((_, index) => isSettled(uplinkName(index), seq))) sums.lost++;
  }
  if (sums.lost > 0) witness.violation(`${sums.lost} committed records are nowhere`);
  if (sums.damaged > 0 && flips === 0)
    witness.violation(`${sums.damaged} committed records were lost with no bit flipped`);
  if (sums.memoryFull !== witness.dropped)
    witness.violation(`${witness.dropped} records were dropped, the ledger says ${sums.memoryFull}`);
  return sums;
}
