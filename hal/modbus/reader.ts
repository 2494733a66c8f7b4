/** Reads tags with as few requests as their devices allow: plans them, and splits those that are refused. */

import { type Clock, instantAt, unlessAborted } from '../../src/core/clock.ts';
import type { Instant } from '../../src/core/reading.ts';
import type { ReadResult, Tag } from '../driver.ts';
import { type Asking, askDevice, type DeviceState } from './device.ts';
import type { Ask } from './line/line.ts';
import type { ModbusAddress } from './map/address.ts';
import { type LineCost, MAX_BITS, MAX_REGISTERS, planReads, type ReadBlock, spansOf } from './map/plan.ts';
import { decodeBit, decodeRegisters } from './map/register-values.ts';
import { causeOf, failureOf, partsOf, type Refusal, Refusals } from './refusals.ts';

type ModbusTag = Tag<ModbusAddress>;

/** Requests that one read may spend on the parts of refused ones: enough to corner two registers among 125. */
const MOST_PARTS = 32;

/** Questions without an answer that one read may spend on them: each costs its whole deadline. */
const MOST_SILENCES = 6;

/** So long after it was last heard, another master is taken to be on the line, ms. */
const OTHER_MASTER_MS = 60_000;

/** What a reader is handed. */
interface ReaderDeps {
  readonly clock: Clock;
  readonly asking: Asking;
  readonly cost: LineCost;
  readonly deviceOf: (tag: ModbusTag) => DeviceState;
}

/** Tags as they were cut into requests, good while nothing more is learned and until `untilMs`. */
interface Planned {
  readonly version: number;
  readonly untilMs: number;
  readonly blocks: readonly ReadBlock[];
  /** Tags that are not asked for now, and why: the device refuses them. */
  readonly held: readonly { readonly member: number; readonly refusal: Refusal }[];
  groups: readonly (readonly ModbusTag[])[] | undefined;
}

/**
 * Why a request is put: as it was planned; as a part of one that was refused, to learn what is refused; as a half of one
 * that could not be asked now, which teaches nothing.
 */
type How = 'planned' | 'part' | 'half';

/** One call of `read` under way. */
interface Reading {
  readonly tags: readonly ModbusTag[];
  readonly results: ReadResult[];
  readonly signal: AbortSignal;
  /** Of the first answer: values that are held back are told with it. */
  at: Instant | undefined;
  partsLeft: number;
  silencesLeft: number;
}

/** The reading half of a Modbus driver. */
export class Reader {
  readonly refusals = new Refusals();
  private readonly deps: ReaderDeps;
  /** How tags were cut the last time: planning again each time would be waste. */
  private readonly planned = new WeakMap<readonly ModbusTag[], Planned>();
  /** The widest read that may be made of each planned request. */
  private readonly widest = new WeakMap<ReadBlock, number>();

  constructor(deps: ReaderDeps) {
    this.deps = deps;
  }

  /** Groups of tags that one request answers each; tags that are held back go with the first. */
  plan(tags: readonly ModbusTag[]): readonly (readonly ModbusTag[])[] {
    const planned = this.plannedFor(tags);
    planned.groups ??= this.groupsOf(tags, planned);
    return planned.groups;
  }

  /** One result a tag, in their order. */
  async read(tags: readonly ModbusTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    const results = new Array<ReadResult>(tags.length);
    const reading: Reading = {
      tags,
      results,
      signal,
      at: undefined,
      partsLeft: MOST_PARTS,
      silencesLeft: MOST_SILENCES,
    };
    const { blocks, held } = this.plannedFor(tags);
    for (const block of blocks) await unlessAborted(this.readBlock(block, reading, 'planned'), signal);
    const at = reading.at ?? instantAt(this.deps.clock, this.deps.clock.monoMs());
    for (const { member, refusal } of held)
      results[member] = { at, ok: false, why: refusal.why, detail: refusal.detail, asked: false };
    return results;
  }

  private groupsOf(tags: readonly ModbusTag[], { version, untilMs, blocks, held }: Planned): ModbusTag[][] {
    const parts = blocks.map((block, index) => ({ blocks: [block], held: index === 0 ? held : [] }));
    if (parts.length === 0 && held.length > 0) parts.push({ blocks: [], held });
    return parts.map((part) => {
      const asked = part.blocks.flatMap(({ members }) => members);
      const group = [...asked, ...part.held.map(({ member }) => member)].map((member) => tags[member]!);
      this.planned.set(group, {
        version,
        untilMs,
        blocks: part.blocks.map((block) => ({ ...block, members: asked.map((_, index) => index) })),
        held: part.held.map(({ refusal }, index) => ({ member: asked.length + index, refusal })),
        groups: undefined,
      });
      return group;
    });
  }

  private plannedFor(tags: readonly ModbusTag[]): Planned {
    const nowMs = this.deps.clock.monoMs();
    const { refusals } = this;
    const known = this.planned.get(tags);
    if (known && known.version === refusals.version && nowMs < known.untilMs) return known;
    const addresses = tags.map(({ address }) => address);
    const blocks: ReadBlock[] = [];
    const held: { member: number; refusal: Refusal }[] = [];
    for (const block of planReads(addresses, refusals.barriers(nowMs), this.deps.cost)) {
      const refusal = refusals.heldBack(block, nowMs);
      if (refusal) for (const member of block.members) held.push({ member, refusal });
      else blocks.push(block);
    }
    const { version } = refusals;
    const planned = { version, untilMs: refusals.nextChangeMs(nowMs), blocks, held, groups: undefined };
    this.planned.set(tags, planned);
    return planned;
  }

  /** Reads a request and, where it is refused, its parts; true when all of it was answered. */
  private async readBlock(block: ReadBlock, reading: Reading, how: How): Promise<boolean> {
    const { clock } = this.deps;
    const { tags, results } = reading;
    const device = this.deps.deviceOf(tags[block.members[0]!]!);
    const isRetry = this.refusals.isRetry(block);
    const startedMs = clock.monoMs();
    const isPlanned = how === 'planned' && !isRetry;
    const otherwise = isPlanned
      ? { widest: this.widestOf(block, tags), isDivisible: (block.values ?? block.members.length) > 1 }
      : {};
    const outcome = await this.ask(device, block, otherwise, reading.signal, how === 'part' || isRetry);
    if (outcome.kind === 'not-asked' && otherwise.isDivisible && device.silentQuestions <= 1)
      return this.readHalves(block, reading);
    if (outcome.kind === 'answer') {
      this.refusals.answered(block);
      const at = instantAt(clock, (outcome.sentMs + outcome.receivedMs) / 2);
      reading.at ??= at;
      const isAlone = this.isAlone();
      for (const member of block.members) {
        const result = resultIn(outcome.data, block, tags[member]!.address, at);
        results[member] = isAlone || !result.ok ? result : { ...result, doubt: 'other-master' };
      }
      return true;
    }
    const failure = failureOf(outcome);
    const at = instantAt(clock, (startedMs + clock.monoMs()) / 2);
    // That a refused value is still refused says nothing of whether its device is there.
    const result: ReadResult = { at, ok: false, ...failure, ...(isRetry && { asked: false }) };
    for (const member of block.members) results[member] = result;
    const cause = causeOf(outcome);
    if (cause && how !== 'half') await this.learn(block, reading, { cause, failure, device });
    return false;
  }

  /** Where another master speaks, no answer is sure to be ours. */
  private isAlone(): boolean {
    const { otherMasterMs } = this.deps.asking.line.counters;
    return otherMasterMs === undefined || this.deps.clock.monoMs() - otherMasterMs > OTHER_MASTER_MS;
  }

  private widestOf(block: ReadBlock, tags: readonly ModbusTag[]): number {
    let widest = this.widest.get(block);
    if (widest === undefined) {
      const addresses = block.members.map((member) => tags[member]!.address);
      widest = widestOf(block, addresses);
      this.widest.set(block, widest);
    }
    return widest;
  }

  private async learn(
    block: ReadBlock,
    reading: Reading,
    { cause, failure, device }: { cause: 'refusal' | 'silence'; failure: Refusal; device: DeviceState },
  ): Promise<void> {
    const { refusals } = this;
    const nowMs = this.deps.clock.monoMs();
    if (refusals.isRetry(block)) return refusals.refuse(block, failure, nowMs);
    if (cause === 'silence') reading.silencesLeft--;
    if (!refusals.isToBlame(block, cause, device.counters.responses)) return;
    if (block.values === 1) return refusals.refuse(block, failure, nowMs);
    const { spans, blockOf } = divisionOf(block, reading);
    // A device that is gone refuses nothing: one of the values is asked for first, another one each time.
    if (cause === 'silence') {
      const probed = spans[device.counters.requests % spans.length]!;
      if (reading.silencesLeft <= 0 || !(await this.readBlock(blockOf([probed]), reading, 'part'))) return;
    }
    const parts = partsOf(spans).map(blockOf);
    if (parts.length > reading.partsLeft) return;
    reading.partsLeft -= parts.length;
    let isWhole = true;
    for (const part of parts) {
      reading.signal.throwIfAborted();
      if (reading.silencesLeft <= 0) return;
      isWhole = (await this.readBlock(part, reading, 'part')) && isWhole;
    }
    if (isWhole) refusals.cut(block, parts, this.deps.clock.monoMs());
  }

  /** In two halves, whose answers have other lengths than the late reply that is in the way of the whole. */
  private async readHalves(block: ReadBlock, reading: Reading): Promise<boolean> {
    const { spans, blockOf } = divisionOf(block, reading);
    const middle = Math.ceil(spans.length / 2);
    let isWhole = true;
    for (const half of [spans.slice(0, middle), spans.slice(middle)]) {
      reading.signal.throwIfAborted();
      isWhole = (await this.readBlock(blockOf(half), reading, 'half')) && isWhole;
    }
    return isWhole;
  }

  private async ask(
    device: DeviceState,
    block: ReadBlock,
    otherwise: Pick<Ask, 'widest' | 'isDivisible'>,
    signal: AbortSignal,
    isOnce: boolean,
  ) {
    const { asking } = this.deps;
    const { unit, table, start, count } = block;
    const once = isOnce ? { ...asking, retries: 0 } : asking;
    const request = { kind: 'read', unit, table, start, count } as const;
    const outcome = await askDevice(once, device, request, signal, otherwise);
    if (outcome.kind === 'lost') throw outcome.cause;
    return outcome;
  }
}

/** The values of a request by their places, and the request that reads some of them. */
function divisionOf(block: ReadBlock, { tags }: Reading) {
  const addresses = block.members.map((member) => tags[member]!.address);
  const spans = spansOf(
    addresses,
    addresses.map((_, index) => index),
  );
  const blockOf = (part: typeof spans): ReadBlock => {
    const start = part[0]!.start;
    const members = part.flatMap((span) => span.members.map((index) => block.members[index]!));
    return { ...block, start, count: Math.max(...part.map(({ end }) => end)) - start, members, values: part.length };
  };
  return { spans, blockOf };
}

/** The widest read that may be made of a request: every device of it answers so many, and no gap grows too wide by it. */
function widestOf({ table, count }: ReadBlock, addresses: readonly ModbusAddress[]): number {
  const isBits = table === 'coil' || table === 'discrete';
  const limits = addresses.map(({ maxBits, maxRegisters }) => (isBits ? maxBits : maxRegisters));
  const gap = Math.min(...addresses.map(({ maxGap }) => maxGap));
  return Math.min(count + gap, ...limits.map((limit) => limit ?? (isBits ? MAX_BITS : MAX_REGISTERS)));
}

/** The value of one address in the data of its request's answer. */
function resultIn(data: Uint8Array, block: ReadBlock, address: ModbusAddress, at: Instant): ReadResult {
  const isBits = block.table === 'coil' || block.table === 'discrete';
  const offset = address.start - block.start;
  const decoded = isBits ? decodeBit(data, offset) : decodeRegisters(data, 2 * offset, address);
  // Written out: this runs for every reading, and a spread takes ten times as long.
  return decoded.ok ? { at, ok: true, value: decoded.value } : { at, ...decoded };
}
