/** Tells people of alarms: follows the journal, gathers what is new, and sends it no more often than the file allows. */
import type { NotifyConfig } from '../../config/config.ts';
import { type Clock, every } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Alarms, EventBody, GatewayEvent } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { Random } from '../../core/random.ts';
import { tagPattern } from '../../core/reading.ts';
import type { CommitBatch, Receipt, Store } from '../../store/store.ts';
import { minuteOfDay, noticeText, type Teller } from './notice-text.ts';
import {
  accept,
  beginAfter,
  countOf,
  type Digest,
  due,
  matured,
  type NoticeState,
  repeated,
  sent,
  without,
} from './notices.ts';
import type { Send } from './senders.ts';

/** What a notifier needs. */
interface NotifierDeps {
  readonly config: NotifyConfig;
  readonly teller: Teller;
  readonly send: Send;
  readonly store: Pick<Store, 'peekEvents' | 'status'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly alarms: Alarms;
  /** Puts an event into the journal. */
  readonly event: (body: EventBody) => void;
  /** What it remembered when the gateway stopped, JSON; undefined: it is new. */
  readonly stored: string | undefined;
  readonly save: (json: string) => void;
}

/** What is told of a notifier in `status`. */
export interface NotifierStatus {
  readonly name: string;
  /** Alarms that wait to be told. */
  readonly waiting: number;
  /** Messages since the start. */
  readonly sent: number;
  /** Why nothing goes; undefined: it does, or nothing waits. */
  readonly reason: string | undefined;
}

/** How often it is looked whether something is due, and what changed is noted. */
const LOOK_MS = 2000;

/** A failed message is tried again after this, doubled up to the second. */
const RETRY = { minMs: 30_000, maxMs: 600_000 };

/** What could not be told for so long is given up. */
const GIVE_UP_MS = 86_400_000;

/** Trouble that lasts so long is an event. */
const TROUBLE_MS = 300_000;

/** Events read at once, and how many may pass before the place is noted. */
const PAGE = 500;

/** One notifier. It stands still until `run` is called. */
export class Notifier {
  private readonly deps: NotifierDeps;
  private readonly log: Logger;
  private readonly policy;
  private readonly minute: ((ms: number) => number) | undefined;
  private state: NoticeState | undefined;
  private savedSeen = 0;
  private isDirty = false;
  /** The next number of the journal. */
  private head = 0;
  private isReading = false;
  private isSending = false;
  private failures = 0;
  private failingSinceMs: number | undefined;
  private retryAtMs = 0;
  private reason: string | undefined;
  private messages = 0;

  constructor(deps: NotifierDeps) {
    const { config, teller } = deps;
    this.deps = deps;
    this.log = deps.log.scoped(`notify ${config.name}`);
    const patterns = config.alarms?.map(tagPattern);
    this.policy = { ...config, isMeant: (id: string) => patterns?.some((names) => names(id)) ?? true };
    this.minute = config.quiet && minuteOfDay(teller.timezone);
  }

  /** Tells of alarms until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!this.state && !signal.aborted) {
      await this.load().catch(async (error: unknown) => {
        this.log.warn(`the store does not answer: ${messageOf(error)}. Trying again.`);
        await this.deps.clock.sleep(LOOK_MS, signal).catch(() => {});
      });
    }
    const end = every(this.deps.clock, LOOK_MS, () => this.look(signal));
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    end();
    this.save();
  }

  /** To be called after each commit. Never waits and never throws. */
  committed({ events }: Receipt, { events: list }: Pick<CommitBatch, 'events'>): void {
    const { state } = this;
    const isNext = state !== undefined && this.head === state.seen + 1 && events.from === this.head;
    this.head = Math.max(this.head, events.to);
    if (isNext && list.length === events.to - events.from) this.take(events.from, list);
  }

  status(): NotifierStatus {
    const { state, reason, messages } = this;
    const waiting = state ? countOf({ notices: state.waiting, more: state.more }) : 0;
    return { name: this.deps.config.name, waiting, sent: messages, reason: waiting > 0 ? reason : undefined };
  }

  private async load(): Promise<void> {
    const { store, stored } = this.deps;
    const { next } = await store.status();
    this.head = Math.max(this.head, next.events);
    // A new one tells nothing of the past.
    this.state = restored(stored) ?? beginAfter(this.head - 1);
    this.savedSeen = this.state.seen;
    this.save();
  }

  private look(signal: AbortSignal): void {
    const { clock } = this.deps;
    if (!this.state || signal.aborted) return;
    if (this.state.seen + 1 < this.head) void this.read();
    if (this.isDirty) this.save();
    if (this.isSending || clock.monoMs() < this.retryAtMs) return;
    const wallMs = clock.wallMs();
    this.become(matured(repeated(this.state, this.policy, wallMs), this.policy, wallMs));
    const digest = due(this.state, this.policy, { wallMs, isQuiet: this.isQuiet(wallMs) });
    if (digest) void this.tell(digest, signal);
  }

  private isQuiet(wallMs: number): boolean {
    const { quiet } = this.deps.config;
    if (!quiet || !this.minute) return false;
    const now = this.minute(wallMs);
    const { fromMin, toMin } = quiet;
    return fromMin <= toMin ? now >= fromMin && now < toMin : now >= fromMin || now < toMin;
  }

  /** What was committed before this notifier began, or while a place was missed. */
  private async read(): Promise<void> {
    if (this.isReading || !this.state) return;
    this.isReading = true;
    try {
      while (this.state.seen + 1 < this.head) {
        const from = this.state.seen + 1;
        const page = await this.deps.store.peekEvents(from, PAGE);
        this.take(page.from, page.events);
        this.become({ ...this.state, seen: Math.max(this.state.seen, page.next - 1) });
        if (page.next <= from) break;
      }
    } catch (error) {
      this.log.warn(`the journal could not be read: ${messageOf(error)}. Trying again.`);
    }
    this.isReading = false;
  }

  private take(from: number, events: readonly GatewayEvent[]): void {
    let state = this.state!;
    // A notifier that the file has again after weeks, or a gateway that was off, tells nothing that would be given up by now.
    const { clock } = this.deps;
    const oldestMs = clock.known() ? clock.wallMs() - GIVE_UP_MS : Number.NEGATIVE_INFINITY;
    for (const [index, { wallMs, clockKnown, body }] of events.entries()) {
      const seq = from + index;
      if (seq <= state.seen) continue;
      const isOld = clockKnown && wallMs < oldestMs;
      state = isOld ? { ...state, seen: seq } : accept(state, this.policy, { seq, wallMs, body });
    }
    this.become(state);
  }

  private async tell(digest: Digest, signal: AbortSignal): Promise<void> {
    const { clock, send, teller } = this.deps;
    this.isSending = true;
    try {
      const refused = await send(noticeText(digest, teller, clock.wallMs()), signal);
      if (refused !== undefined) this.log.warn(refused);
      this.messages++;
      this.become(sent(this.state!, digest, this.policy, clock.wallMs()));
      this.succeeded();
    } catch (error) {
      if (!signal.aborted) this.failed(messageOf(error), digest);
    }
    this.isSending = false;
  }

  private succeeded(): void {
    const { alarms, config } = this.deps;
    this.failures = 0;
    this.failingSinceMs = this.reason = undefined;
    this.retryAtMs = 0;
    alarms.clear(`notify/${config.name}`, `notify ${config.name}: messages are taken again`);
  }

  private failed(reason: string, digest: Digest): void {
    const { clock, random, alarms, config } = this.deps;
    const nowMs = clock.monoMs();
    if (reason !== this.reason) this.log.warn(reason);
    this.reason = reason;
    this.failingSinceMs ??= nowMs;
    const pauseMs = Math.min(RETRY.maxMs, RETRY.minMs * 2 ** Math.min(this.failures++, 10));
    this.retryAtMs = nowMs + pauseMs * (0.5 + random() / 2);
    const lastedMs = nowMs - this.failingSinceMs;
    if (lastedMs >= TROUBLE_MS) alarms.raise(`notify/${config.name}`, `notify ${config.name}: ${reason}`);
    if (lastedMs >= GIVE_UP_MS) this.giveUp(digest, reason, lastedMs);
  }

  /** Lets go of what nobody could be told for so long, and says so in the journal. */
  private giveUp(digest: Digest, reason: string, lastedMs: number): void {
    const { clock, config, event } = this.deps;
    const count = countOf(digest);
    const message = `notify ${config.name}: ${count} alarms could not be told for ${formatDuration(Math.round(lastedMs / 3_600_000) * 3_600_000)} and are given up: ${reason}`;
    this.log.error(message);
    event({ kind: 'audit', what: 'notify-given-up', message, notifier: config.name, count });
    this.failingSinceMs = clock.monoMs();
    this.become(without(this.state!, digest, clock.wallMs()));
  }

  private become(state: NoticeState): void {
    const before = this.state;
    this.state = state;
    const isNews =
      before?.waiting !== state.waiting || before.standing !== state.standing || before.pending !== state.pending;
    // Alarms that come in a flood are noted together, with the place in the journal up to which they are.
    this.isDirty ||= isNews || before?.more !== state.more || state.seen - this.savedSeen >= PAGE;
  }

  private save(): void {
    if (!this.state) return;
    this.savedSeen = this.state.seen;
    this.isDirty = false;
    this.deps.save(JSON.stringify(this.state));
  }
}

/** What was stored, where it can be read. */
function restored(text: string | undefined): NoticeState | undefined {
  if (text === undefined) return undefined;
  try {
    const state = JSON.parse(text) as Partial<NoticeState>;
    const { seen, waiting, standing, sentMs } = state;
    const isWhole = typeof seen === 'number' && [waiting, standing, sentMs].every(Array.isArray);
    return isWhole ? ({ ...beginAfter(seen), ...state } as NoticeState) : undefined;
  } catch {
    return undefined;
  }
}
