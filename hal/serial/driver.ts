/** The driver of devices that speak lines of text. */

import { afterDeadline, type Clock, instantAt, instantOf, underBoth, unlessAborted } from '../../src/core/clock.ts';
import type { Logger } from '../../src/core/log.ts';
import type { Instant, Value } from '../../src/core/reading.ts';
import {
  type Driver,
  type Eventful,
  NotConnected,
  type Observable,
  type ReadResult,
  type Tag,
  type Writable,
  type WriteResult,
} from '../driver.ts';
import type { DriverDeps } from '../driver-type.ts';
import type { LineStatistics } from '../statistics.ts';
import { countersOn } from '../statistics.ts';
import type { Transport } from '../transport.ts';
import { type Heard, LineReader } from './lines.ts';
import { type SerialLineAddress, type SerialLineChannel, valueIn } from './options.ts';
import { boundedMatcher, LONGEST_MATCH_MS } from './pattern.ts';

type LineTag = Tag<SerialLineAddress>;
type OnResult = (tag: LineTag, result: ReadResult) => void;
type Told =
  | { readonly ok: true; readonly value: NonNullable<ReturnType<typeof valueIn>> }
  | (ReadResult & { ok: false });

/** How often a silent port is looked after: the read of an adapter that was pulled out may never end. */
const LOOK_EVERY_MS = 2000;

/**
 * A damaged line is lost by itself and says nothing of the others; it is counted. Only where nothing but noise was heard
 * for this long (a wrong baud rate) are the tags bad, once in the same time, ms.
 */
const ONLY_NOISE_MS = 10_000;

/** Someone who waits for a line. */
interface Waiter {
  readonly tags: readonly LineTag[];
  /** What the lines of the answer said so far: one request may be answered by several. */
  readonly told: Map<LineTag, Told>;
  /** The last thing heard that was no answer. */
  heard: string | undefined;
  /** Ends the wait for further lines of an answer that has begun. */
  cancelQuiet: () => void;
  readonly settle: (results: ReadonlyMap<LineTag, Told> | 'late') => void;
}

/** Lines of text on a serial port: answers to requests, and lines that come by themselves. */
export class SerialLineDriver
  implements Driver<SerialLineAddress>, Writable<SerialLineAddress>, Eventful<SerialLineAddress>, Observable
{
  readonly concurrency = 1;
  private readonly channel: SerialLineChannel;
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly counters: ReturnType<typeof countersOn>;
  private readonly watchers = new Set<{
    tags: readonly LineTag[];
    onResult: OnResult;
    onLost: (l: NotConnected) => void;
  }>();
  private match = boundedMatcher();
  private reader: LineReader;
  private line: AbortController | undefined;
  /** Why the last connection ended, when it was not closed. */
  private lost: NotConnected | undefined;
  private waiter: Waiter | undefined;
  /** The request whose answer may still come. */
  private owed: { readonly request: string; readonly untilMs: number } | undefined;
  /** When a whole line was heard last, or noise was told of instead. */
  private soundMs = Number.NEGATIVE_INFINITY;
  private readonly held = new Map<LineTag, { untilMs: number; newest: ReadResult | undefined; cancel: () => void }>();
  private hasToldStrangers = false;
  private cancelLook = () => {};
  private cancelExpiry = () => {};

  constructor(channel: SerialLineChannel, transport: Transport, deps: DriverDeps) {
    this.channel = channel;
    this.transport = transport;
    this.clock = deps.clock;
    this.log = deps.log;
    this.counters = countersOn(deps.clock);
    this.reader = new LineReader(channel.line, deps.clock.monoMs());
  }

  async connect(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.end(new NotConnected(`${this.channel.serial.port}: connected anew`));
    const line = new AbortController();
    this.line = line;
    try {
      const events = {
        onBytes: (bytes: Uint8Array) => this.onBytes(bytes),
        onLost: (lost: NotConnected) => this.end(lost),
      };
      await underBoth(signal, line.signal, (either) => this.transport.connect(events, either));
    } catch (error) {
      if (this.line === line) this.line = undefined;
      throw error;
    }
    this.reader = new LineReader(this.channel.line, this.clock.monoMs());
    this.match = boundedMatcher();
    this.owed = undefined;
    this.soundMs = this.clock.monoMs();
    this.counters.connected();
    this.look();
  }

  plan(tags: readonly LineTag[]): readonly (readonly LineTag[])[] {
    const groups = new Map<string, LineTag[]>();
    for (const tag of tags) {
      const key = JSON.stringify([tag.device, tag.address.request]);
      groups.set(key, [...(groups.get(key) ?? []), tag]);
    }
    return [...groups.values()];
  }

  async read(tags: readonly LineTag[], signal: AbortSignal): Promise<readonly ReadResult[]> {
    signal.throwIfAborted();
    if (!this.line)
      throw this.lost ?? new NotConnected(`${this.channel.serial.port}: the port is closed. Connect it first`);
    return underBoth(signal, this.line.signal, async (either) => {
      const results = new Map<LineTag, ReadResult>();
      for (const group of this.plan(tags)) {
        for (const [tag, result] of await this.readGroup(group, either)) results.set(tag, result);
      }
      return tags.map((tag) => results.get(tag)!);
    });
  }

  /** Sends the text of the tag, and waits for its answer where the file says what that looks like. */
  async write(tag: LineTag, value: Value, signal: AbortSignal): Promise<WriteResult> {
    signal.throwIfAborted();
    const { command } = tag.address;
    if (!command)
      return { ok: false, kind: 'refused', why: `${tag.id} has no \`send\`: say what to send to its device` };
    if (!this.line)
      throw this.lost ?? new NotConnected(`${this.channel.serial.port}: the port is closed. Connect it first`);
    const text = command.text.replaceAll('{value}', String(value));
    if (command.reply === undefined) {
      this.transport.write(Buffer.from(text, 'latin1'));
      return { ok: true, readBack: undefined };
    }
    const awaited: LineTag = { ...tag, address: { ...replyOf(tag.address, command.reply), request: text } };
    const { results, heard } = await underBoth(signal, this.line.signal, async (either) => {
      await this.untilNothingElseIsOwed(text, either);
      return this.exchange([awaited], text, either);
    });
    if (results !== 'late') return { ok: true, readBack: undefined };
    const instead = heard === undefined ? '' : ` (${heard})`;
    const why = `${JSON.stringify(text)} was sent, and no answer fits \`reply\`${instead}: look at the device`;
    return { ok: false, kind: 'unknown', why };
  }

  subscribe(tags: readonly LineTag[], onResult: OnResult, onLost: (lost: NotConnected) => void): () => void {
    const watcher = { tags, onResult, onLost };
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }

  statistics(): LineStatistics {
    return this.counters.statistics();
  }

  async close(): Promise<void> {
    this.end(new NotConnected(`${this.channel.serial.port}: the port was closed`), 'quietly');
    await this.transport.close();
  }

  private async readGroup(group: readonly LineTag[], signal: AbortSignal): Promise<Map<LineTag, ReadResult>> {
    const { device, address } = group[0]!;
    const { timeoutMs, retries } = this.channel;
    const counted = this.counters.device(device, timeoutMs);
    const { request } = address;
    if (request !== undefined) await this.untilNothingElseIsOwed(request, signal);
    const startedMs = this.clock.monoMs();
    const tries = request === undefined ? 1 : retries + 1;
    let heard: string | undefined;
    for (let attempt = 0; attempt < tries; attempt++) {
      counted.requests++;
      const waiter = await this.exchange(group, request, signal);
      const nowMs = this.clock.monoMs();
      if (waiter.results !== 'late') {
        this.counters.answered(counted, nowMs - startedMs);
        const at = instantAt(this.clock, request === undefined ? nowMs : (startedMs + nowMs) / 2);
        return resultsAt(group, waiter.results, at);
      }
      counted.timeouts++;
      heard = waiter.heard ?? heard;
      if (request !== undefined) this.owed = { request, untilMs: nowMs + Math.max(2 * timeoutMs, 1000) };
    }
    this.transport.verify();
    signal.throwIfAborted();
    const at = instantAt(this.clock, (startedMs + this.clock.monoMs()) / 2);
    const failure = heard === undefined ? silence(timeoutMs) : ({ why: 'garbled', detail: heard } as const);
    return new Map(group.map((tag) => [tag, { at, ok: false, ...failure }]));
  }

  /** The answer to another request may still come, and nothing in it would say so: wait until it cannot any more. */
  private async untilNothingElseIsOwed(request: string, signal: AbortSignal): Promise<void> {
    const owed = this.owed;
    if (!owed || owed.request === request) return;
    const leftMs = owed.untilMs - this.clock.monoMs();
    if (leftMs > 0) await this.clock.sleep(leftMs, signal);
    this.owed = undefined;
  }

  private async exchange(tags: readonly LineTag[], request: string | undefined, signal: AbortSignal) {
    let cancel = () => {};
    let waiter: Waiter | undefined;
    const settled = new Promise<ReadonlyMap<LineTag, Told> | 'late'>((settle) => {
      const told = new Map<LineTag, Told>();
      waiter = { tags, told, heard: undefined, cancelQuiet: () => {}, settle };
      cancel = this.clock.after(this.channel.timeoutMs, () => settle(told.size > 0 ? told : 'late'));
    });
    this.waiter = waiter!;
    const startedMs = this.clock.monoMs();
    try {
      if (request !== undefined) {
        this.reader.cut();
        this.transport.write(Buffer.from(request, 'latin1'));
      }
      return { results: await unlessAborted(settled, signal), heard: waiter!.heard };
    } finally {
      cancel();
      waiter!.cancelQuiet();
      this.counters.busy(request === undefined ? 0 : this.clock.monoMs() - startedMs);
      if (this.waiter === waiter) this.waiter = undefined;
    }
  }

  private onBytes(bytes: Uint8Array): void {
    for (const heard of this.reader.push(bytes, this.clock.monoMs())) this.hear(heard);
    this.cancelExpiry();
    if (!this.reader.isInLine) return;
    this.cancelExpiry = afterDeadline(this.clock, this.channel.line.idleMs, () => {
      for (const heard of this.reader.expire(this.clock.monoMs())) this.hear(heard);
    });
  }

  private hear(heard: Heard): void {
    if (heard.kind === 'garbled') this.hearNoise(heard);
    else this.hearLine(heard);
  }

  private hearLine({ text }: Heard & { kind: 'line' }): void {
    this.soundMs = this.clock.monoMs();
    const { waiter } = this;
    if (waiter) {
      if (this.hearAnswer(waiter, text) && waiter.tags[0]!.address.request !== undefined) return;
    }
    const at = instantOf(this.clock);
    let takers = 0;
    for (const { tags, onResult } of [...this.watchers]) {
      for (const [tag, told] of this.tell(tags, text)) {
        takers++;
        this.pace(tag, { ...told, at }, onResult);
      }
    }
    if (takers === 0 && !waiter) this.tellStranger(text);
  }

  /** Takes a line as (a part of) the answer that is awaited; false when it is none. */
  private hearAnswer(waiter: Waiter, text: string): boolean {
    const told = this.tell(
      waiter.tags.filter((tag) => waiter.told.get(tag)?.ok !== true),
      text,
    );
    if (told.size === 0) {
      waiter.heard = `no pattern fits the line ${quoted(text)}`;
      return false;
    }
    for (const [tag, result] of told) waiter.told.set(tag, result);
    waiter.cancelQuiet();
    const end = () => waiter.settle(withTheRest(waiter.told, waiter.tags, text));
    if (waiter.tags.every((tag) => waiter.told.has(tag))) end();
    else waiter.cancelQuiet = this.clock.after(this.channel.line.idleMs, end);
    return true;
  }

  /** Hands a reading on; of a device that sends without pause only the newest in each interval. */
  private pace(tag: LineTag, result: ReadResult, onResult: OnResult): void {
    const { apartMs } = tag.address;
    if (apartMs === 0) {
      onResult(tag, result);
      return;
    }
    const nowMs = this.clock.monoMs();
    const held = this.held.get(tag);
    if (held && nowMs < held.untilMs) {
      held.newest = result;
      return;
    }
    held?.cancel();
    const next = { untilMs: nowMs + apartMs, newest: undefined as ReadResult | undefined, cancel: () => {} };
    next.cancel = this.clock.after(apartMs, () => {
      if (this.held.get(tag) !== next) return;
      this.held.delete(tag);
      if (next.newest) this.pace(tag, next.newest, onResult);
    });
    this.held.set(tag, next);
    onResult(tag, result);
  }

  private hearNoise({ detail }: Heard & { kind: 'garbled' }): void {
    if (this.waiter) {
      this.waiter.heard = detail;
      this.counters.device(this.waiter.tags[0]!.device, this.channel.timeoutMs).garbled++;
    }
    const nowMs = this.clock.monoMs();
    const isAllThereIs = nowMs - this.soundMs >= ONLY_NOISE_MS;
    if (isAllThereIs) this.soundMs = nowMs;
    const at = instantOf(this.clock);
    for (const { tags, onResult } of [...this.watchers]) {
      for (const device of new Set(tags.map((tag) => tag.device)))
        this.counters.device(device, this.channel.timeoutMs).garbled++;
      if (!isAllThereIs) continue;
      for (const tag of tags) if (tag.address.isRead) onResult(tag, { at, ok: false, why: 'garbled', detail });
    }
  }

  private tellStranger(text: string): void {
    const message = `a line that fits no pattern: ${quoted(text)}`;
    if (this.hasToldStrangers) this.log.debug(message);
    else this.log.info(`${message}. Lines like it are left out; further ones are shown with more logging only`);
    this.hasToldStrangers = true;
  }

  /** What a line says to each tag that it is for. */
  private tell(tags: readonly LineTag[], text: string): Map<LineTag, Told> {
    const told = new Map<LineTag, Told>();
    for (const tag of tags) {
      const { address } = tag;
      if (!address.isRead) continue;
      const match = address.pattern ? this.match(address.pattern, text) : { value: text };
      if (match === 'none') continue;
      const value = match === 'slow' ? undefined : valueIn(match, address);
      if (value !== undefined) told.set(tag, { ok: true, value });
      else told.set(tag, decodeError(match === 'slow' ? SLOW : `no ${address.form} in the line ${quoted(text)}`));
    }
    return told;
  }

  private look(): void {
    this.cancelLook = this.clock.after(LOOK_EVERY_MS, () => {
      if (!this.line) return;
      this.look();
      this.transport.verify();
    });
  }

  /** The end of a connection: whoever reads gets `lost`; whoever watches is told, unless it is their own wish. */
  private end(lost: NotConnected, how?: 'quietly'): void {
    const { line } = this;
    this.line = undefined;
    this.lost = how === 'quietly' ? undefined : lost;
    this.cancelLook();
    this.cancelExpiry();
    line?.abort(lost);
    const told = line && how === undefined ? [...this.watchers] : [];
    this.watchers.clear();
    for (const { cancel } of this.held.values()) cancel();
    this.held.clear();
    for (const { onLost } of told) onLost(lost);
  }
}

const SLOW = `the pattern takes longer than ${LONGEST_MATCH_MS} ms on a line: make it simpler`;

/** A tag's address that is read from the line that answers its command. */
function replyOf(address: SerialLineAddress, reply: RegExp): SerialLineAddress {
  return { ...address, isRead: true, pattern: reply, form: 'text' };
}

const NOWHERE: Instant = { wallMs: 0, monoMs: 0 };

function decodeError(detail: string): Told {
  return { at: NOWHERE, ok: false, why: 'decode-error', detail };
}

/** An answer is an answer to all tags of its request: those whose pattern does not fit have no value. */
function withTheRest(results: Map<LineTag, Told>, tags: readonly LineTag[], text: string): Map<LineTag, Told> {
  for (const tag of tags)
    if (tag.address.request !== undefined && !results.has(tag))
      results.set(tag, decodeError(`the pattern does not fit the answer ${quoted(text)}`));
  return results;
}

function resultsAt(tags: readonly LineTag[], told: ReadonlyMap<LineTag, Told>, at: Instant): Map<LineTag, ReadResult> {
  return new Map(
    tags.map((tag) => {
      const result = told.get(tag);
      return [tag, result ? { ...result, at } : { at, ok: false, why: 'timeout', detail: 'its line did not come' }];
    }),
  );
}

function silence(timeoutMs: number) {
  return {
    why: 'timeout',
    detail: `no line in ${timeoutMs} ms: check baud rate, parity, cable and delimiter`,
  } as const;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
}
