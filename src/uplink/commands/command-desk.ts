/** Takes the commands of one uplink: none is carried out late, twice, or beyond what the file allows. */

import { type Clock, within } from '../../core/clock.ts';
import type { CommandKind } from '../../core/configuration.ts';
import { messageOf } from '../../core/errors.ts';
import type { EventBody } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import { formatDuration } from '../../core/quantity.ts';
import { TokenBucket } from '../run-queue.ts';
import { type Asked, type Command, readCommand } from './parsed-command.ts';

/** What became of a command. */
export type Outcome =
  | { readonly ok: true; readonly detail: Readonly<Record<string, unknown>> }
  /** `refused`: nothing was done. `unknown`: it is not known whether it was. */
  | { readonly ok: false; readonly outcome: 'refused' | 'unknown' | 'mismatch'; readonly why: string };

/** Which commands were taken, kept over restarts. */
interface CommandMemory {
  /** JSON by id, as it was saved last. */
  readonly known: ReadonlyMap<string, string>;
  /** Null forgets it. Resolves when it is on the disk. */
  save(id: string, json: string | null): Promise<void>;
}

/** What the commands of an uplink need of the gateway. */
export interface UplinkCommands {
  /** What may be ordered over this uplink; nothing while `commands.enabled` is not set. Asked each time. */
  readonly allowed: () => ReadonlySet<CommandKind>;
  /** Does it, within what the file allows; never rejects. `from`: uplink and place. `by`: whom the sender named. */
  readonly carryOut: (asked: Asked, who: { readonly by: string; readonly from: string }) => Promise<Outcome>;
  readonly memory: CommandMemory;
  /** Puts an event into the journal. */
  readonly event: (body: EventBody) => void;
}

interface DeskDeps extends UplinkCommands {
  /** Name of the uplink. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A command may hold for so long at most: its id is kept for as long. */
const LONGEST_MS = 3_600_000;

/** An id is kept so much longer than its command holds, should the clock be set back. */
const KEPT_LONGER_MS = 3_600_000;

/** Ids that are kept; while there are as many, no command is taken. */
const MAX_KNOWN = 2000;

/** Commands that may wait for the one before. */
const MAX_WAITING = 20;

/** Commands a second in the long run, and at once. */
const RATE = { perSecond: 5, burst: 100 };

/** Refusals told of in the journal a minute; the others are counted. */
const MAX_TOLD = 20;
const MINUTE_MS = 60_000;

/** How long the disk may take to note an id: without the note nothing is done. */
const NOTE_MS = 5000;

interface Known {
  readonly expiresMs: number;
  /** Undefined while it is carried out; and after a restart in the midst of that. */
  reply: string | undefined;
  /** Resolves with the reply; absent after a restart. */
  readonly underWay?: Promise<string>;
}

/**
 * The desk of one uplink; it outlives sessions. A command is noted on the disk before it is carried out, and what was
 * noted is never carried out again: a repetition is answered with the first reply. A note may go once its command has
 * expired, because then the time refuses it. One command is carried out at a time, in the order they come.
 */
export class CommandDesk {
  private readonly deps: DeskDeps;
  private readonly known = new Map<string, Known>();
  private readonly rate: TokenBucket;
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private told = 0;
  private untold = 0;

  constructor(deps: DeskDeps) {
    this.deps = deps;
    this.rate = new TokenBucket(deps.clock, RATE.perSecond, RATE.burst);
    for (const [id, json] of deps.memory.known) {
      const kept = knownOf(json);
      if (kept) this.known.set(id, kept);
    }
  }

  /** Whether anything may be ordered now. */
  get isOpen(): boolean {
    return this.deps.allowed().size > 0;
  }

  /**
   * Takes one command.
   *
   * @param from the topic or address it came by
   * @param retained the broker kept it from before: it is not for now
   * @returns the reply as JSON; never rejects
   */
  async take(payload: Uint8Array, from: string, retained = false): Promise<string> {
    const read = readCommand(payload);
    const id = 'command' in read ? read.command.id : read.id;
    const refuse = (why: string) => this.refused(id, from, why, 'command' in read ? read.command : undefined);
    if (this.rate.waitMs(1) > 0) return refuse('too many commands come: wait a moment between two');
    this.rate.take(1);
    if (retained) return refuse('the broker kept it, and it may be of any age: commands must not be retained');
    if (!('command' in read)) return refuse(read.why);
    const { command } = read;
    const before = this.known.get(command.id);
    if (before) return repeated(before, command.id);
    const why = this.lateText(command) ?? this.notAllowed(command);
    if (why !== undefined) return refuse(why);
    return this.accept(command, from);
  }

  private notAllowed({ asked, expiresMs }: Command): string | undefined {
    const { clock, name } = this.deps;
    if (!this.deps.allowed().has(asked.kind))
      return `${asked.kind} may not be ordered over ${name}: the file must have commands: {enabled: true}, and ${asked.kind} among commands of this uplink`;
    if (expiresMs - clock.wallMs() > LONGEST_MS)
      return `"expires" is more than ${formatDuration(LONGEST_MS)} ahead, and a command holds for no longer; check the clocks of sender and gateway`;
    if (this.waiting >= MAX_WAITING) return `${this.waiting} commands wait already`;
    this.forget();
    return this.known.size >= MAX_KNOWN ? `${this.known.size} commands of the last hours are kept already` : undefined;
  }

  private lateText({ expiresMs }: Command): string | undefined {
    const { clock } = this.deps;
    if (!clock.known()) return 'the clock of the gateway has not been set yet, and it cannot tell whether it is late';
    const lateMs = clock.wallMs() - expiresMs;
    if (lateMs < 0) return undefined;
    return `it expired ${formatDuration(Math.round(lateMs))} ago; check the clocks of sender and gateway`;
  }

  private accept(command: Command, from: string): Promise<string> {
    const { id, expiresMs } = command;
    this.waiting++;
    const done = this.last.then(() => this.noted(command, from));
    this.last = done;
    const known: Known = { expiresMs, reply: undefined, underWay: done };
    this.known.set(id, known);
    return done.then(async (reply) => {
      this.waiting--;
      known.reply = reply;
      // Whoever reads the reply may rely on it, and on the audit, which is on the disk with it.
      await this.onDisk(id, known).catch((error: unknown) =>
        this.deps.log.warn(`the reply to a command could not be noted: ${messageOf(error)}`),
      );
      return reply;
    });
  }

  private onDisk(id: string, known: Pick<Known, 'expiresMs' | 'reply'>): Promise<void> {
    const late = (): never => {
      throw new Error('the disk does not answer');
    };
    return within(this.deps.clock, NOTE_MS, () => this.save(id, known), late);
  }

  /** Carries it out once its id is on the disk, if it has not expired by then. */
  private async noted(command: Command, from: string): Promise<string> {
    const { id, expiresMs, asked } = command;
    const refuse = (why: string) => this.refused(id, from, why, command);
    try {
      await this.onDisk(id, { expiresMs, reply: undefined });
    } catch (error) {
      return refuse(`it cannot be noted, and would not be known if it came again: ${messageOf(error)}`);
    }
    const late = this.lateText(command);
    if (late !== undefined) return refuse(late);
    const { by = 'command' } = command;
    const result = await this.deps.carryOut(asked, { by, from: `${this.deps.name} ${from}` });
    if (!result.ok && asked.kind !== 'write') return this.refused(id, from, result.why, command, result.outcome);
    if (asked.kind !== 'write') this.tell(command, from, 'done', undefined);
    return result.ok
      ? JSON.stringify({ id, ok: true, ...result.detail })
      : JSON.stringify({ id, ok: false, outcome: result.outcome, error: result.why });
  }

  private refused(
    id: string | undefined,
    from: string,
    why: string,
    command?: Command,
    outcome: string = 'refused',
  ): string {
    if (this.told < MAX_TOLD) this.tell(command ?? { id, asked: undefined, by: undefined }, from, outcome, why);
    else this.untold++;
    if (this.told++ === 0) this.deps.clock.after(MINUTE_MS, () => this.sumUp());
    return JSON.stringify({ id: id ?? null, ok: false, outcome, error: why });
  }

  /** Tells how many refusals the last minute had beyond those that were told of. */
  private sumUp(): void {
    const { untold } = this;
    this.told = this.untold = 0;
    if (untold === 0) return;
    const message = `${untold} more commands over ${this.deps.name} were refused within a minute`;
    this.deps.log.warn(message);
    this.deps.event({
      kind: 'audit',
      what: 'command',
      from: this.deps.name,
      outcome: 'refused',
      count: untold,
      message,
    });
  }

  private tell(
    {
      id,
      asked,
      by,
    }: { readonly id: string | undefined; readonly asked: Asked | undefined; readonly by: string | undefined },
    place: string,
    outcome: string,
    why: string | undefined,
  ): void {
    const { event, log, name } = this.deps;
    const from = `${name} ${place}`;
    const what = asked === undefined ? 'a command' : `the command ${asked.kind} ${subjectOf(asked)}`;
    const whom = by === undefined ? '' : ` of ${by}`;
    const message =
      why === undefined
        ? `${what}${whom} over ${from}: ${outcome}`
        : `${what}${whom} over ${from} was ${outcome}: ${why}`;
    if (why !== undefined) log.warn(message);
    const asks = asked === undefined ? {} : { command: asked.kind, subject: subjectOf(asked) };
    event({ kind: 'audit', what: 'command', id, ...asks, by: by ?? 'command', from, outcome, why, message });
  }

  private save(id: string, { expiresMs, reply }: Pick<Known, 'expiresMs' | 'reply'>): Promise<void> {
    return this.deps.memory.save(id, JSON.stringify({ expires: expiresMs, reply }));
  }

  /** Lets go of what has expired. */
  private forget(): void {
    const endMs = this.deps.clock.wallMs() - KEPT_LONGER_MS;
    for (const [id, { expiresMs, underWay, reply }] of this.known) {
      if (expiresMs > endMs || (underWay && reply === undefined)) continue;
      this.known.delete(id);
      this.deps.memory.save(id, null).catch(() => {});
    }
  }
}

/** The answer to a command that came before. */
async function repeated(known: Known, id: string): Promise<string> {
  const reply = known.reply ?? (await known.underWay);
  if (reply === undefined) {
    const error =
      'the gateway was stopped while it was carried out: look at the machine before it is sent with another id';
    return JSON.stringify({ id, ok: false, outcome: 'unknown', error, repeated: true });
  }
  return `${reply.slice(0, -1)},"repeated":true}`;
}

function knownOf(json: string): Known | undefined {
  try {
    const { expires, reply } = JSON.parse(json) as Record<string, unknown>;
    if (typeof expires !== 'number') return undefined;
    return { expiresMs: expires, reply: typeof reply === 'string' ? reply : undefined };
  } catch {
    return undefined;
  }
}

/** What a command is about. */
function subjectOf(asked: Asked): string {
  switch (asked.kind) {
    case 'write':
      return asked.tag;
    case 'ack':
    case 'shelve':
      return asked.alarm;
    case 'replay':
      return `${asked.stream} ${asked.from} to ${asked.to - 1}`;
    case 'reason':
      return asked.machine;
  }
}
