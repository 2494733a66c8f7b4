/** The driver of devices that speak lines of text. */
import { unlessAborted } from '../../src/core/abort.ts';
import { type Clock, instantAt, instantOf } from '../../src/core/clock.ts';
import type { Logger } from '../../src/core/log.ts';
import type { Instant } from '../../src/core/reading.ts';
import {
  type Driver,
  type DriverDeps,
  type Eventful,
  type LineStatistics,
  NotConnected,
  type Observable,
  type ReadResult,
  type Tag,
} from '../driver.ts';
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

/** Noise is told to the tags of a line at most this often; it is counted always. */
const TELL_NOISE_EVERY_MS = 1000;

/** Someone who waits for a line. */
interface Waiter {
  readonly tags: readonly LineTag[];
  /** The last thing heard that was no answer. */
  heard: string | undefined;
  readonly settle: (results: ReadonlyMap<LineTag, Told> | 'late') => void;
}

/** Lines of text on a serial port: answers to requests, and lines that come by themselves. */
export class SerialLineDriver implements Driver<SerialLineAddress>, Eventful<SerialLineAddress>, Observable {
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
  private noiseToldMs = Number.NEGATIVE_INFINITY;
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
      await this.transport.connect(events, AbortSignal.any([signal, line.signal]));
    } catch (error) {
      if (this.line === line) this.line = undefined;
      throw error;
    }
    this.reader = new LineReader(this.channel.line, this.clock.monoMs());
    this.match = boundedMatcher();
    this.owed = undefined;
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
    const either = AbortSignal.any([signal, this.line.signal]);
    const results = new Map<LineTag, ReadResult>();
    for (const group of this.plan(tags)) {
      for (const [tag, result] of await this.readGroup(group, either)) results.set(tag, result);
    }
    return tags.map((tag) => results.get(tag)!);
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
      waiter = { tags, heard: undefined, settle };
      cancel = this.clock.after(this.channel.timeoutMs, () => settle('late'));
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
      this.counters.busy(request === undefined ? 0 : this.clock.monoMs() - startedMs);
      if (this.waiter === waiter) this.waiter = undefined;
    }
  }

  private onBytes(bytes: Uint8Array): void {
    for (const heard of this.reader.push(bytes, this.clock.monoMs())) this.hear(heard);
    this.cancelExpiry();
    if (!this.reader.isInLine) return;
    this.cancelExpiry = this.clock.after(this.channel.line.idleMs, () => {
      for (const heard of this.reader.expire(this.clock.monoMs())) this.hear(heard);
    });
  }

  private hear(heard: Heard): void {
    if (heard.kind === 'garbled') this.hearNoise(heard);
    else this.hearLine(heard);
  }

  private hearLine(heard: Heard & { kind: 'line' }): void {
    const { waiter } = this;
    if (waiter) {
      const results = this.tell(waiter.tags, heard.text);
      if (results.size > 0) waiter.settle(withTheRest(results, waiter.tags, heard.text));
      else waiter.heard = `no pattern fits the line ${quoted(heard.text)}`;
      if (results.size > 0 && waiter.tags[0]!.address.request !== undefined) return;
    }
    const at = instantOf(this.clock);
    let takers = 0;
    for (const { tags, onResult } of [...this.watchers]) {
      for (const [tag, told] of this.tell(tags, heard.text)) {
        takers++;
        onResult(tag, { ...told, at });
      }
    }
    if (takers > 0 || waiter) return;
    this.counters.unsolicited(heard.bytes);
    this.tellStranger(heard.text);
  }

  private hearNoise({ detail, bytes }: Heard & { kind: 'garbled' }): void {
    this.counters.unsolicited(bytes);
    if (this.waiter) {
      this.waiter.heard = detail;
      this.counters.device(this.waiter.tags[0]!.device, this.channel.timeoutMs).garbled++;
    }
    const nowMs = this.clock.monoMs();
    const isDue = nowMs - this.noiseToldMs >= TELL_NOISE_EVERY_MS;
    if (isDue) this.noiseToldMs = nowMs;
    const at = instantOf(this.clock);
    for (const { tags, onResult } of [...this.watchers]) {
      for (const device of new Set(tags.map((tag) => tag.device)))
        this.counters.device(device, this.channel.timeoutMs).garbled++;
      if (isDue) for (const tag of tags) onResult(tag, { at, ok: false, why: 'garbled', detail });
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
    for (const { onLost } of told) onLost(lost);
  }
}

const SLOW = `the pattern takes longer than ${LONGEST_MATCH_MS} ms on a line: make it simpler`;

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
