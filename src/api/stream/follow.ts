/** What the page follows beside readings: the status, alarms that changed and the journal, asked for once for all who look. */
import { type Clock, every } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { toJson } from '../json.ts';
import type { AlarmView } from '../rules-view.ts';
import type { GatewayView } from '../view.ts';

/** How often it is looked whether something changed, ms; also the heartbeat by which a page knows that it is live. */
const LOOK_MS = 1000;

/** Most events of the journal that are sent at once; of an absence that was longer, the newest. */
const MAX_EVENTS = 500;

/** What is sent of the journal where it was left: the epoch of the store and the number of the last event. */
export interface JournalPlace {
  readonly epoch: string;
  readonly seq: number;
}

/** The value of `id:` and of `Last-Event-ID`; undefined for one that is not ours. */
export function parsePlace(text: string | undefined): JournalPlace | undefined {
  const [, epoch, seq] = /^([\w-]{1,64})\.(\d{1,15})$/.exec(text ?? '') ?? [];
  return epoch === undefined ? undefined : { epoch, seq: Number(seq) };
}

/** One who follows; `at` is where he is in the journal. */
interface Follower {
  at: JournalPlace | undefined;
  /** Alarms as they were sent to him, by id. */
  readonly sent: Map<string, string>;
  readonly send: (text: string) => void;
}

/** What follows are made with. */
interface FollowParts {
  readonly view: GatewayView;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Serves everybody who follows; asks the gateway only while there is somebody. */
export class Following {
  private readonly parts: FollowParts;
  private readonly followers = new Set<Follower>();
  private end: (() => void) | undefined;
  private looking = false;

  constructor(parts: FollowParts) {
    this.parts = parts;
  }

  /** Sends what there is at once, and then what changes. The returned function ends it. */
  attach(follower: Follower): () => void {
    this.followers.add(follower);
    this.end ??= every(this.parts.clock, LOOK_MS, () => void this.look());
    void this.look();
    return () => {
      this.followers.delete(follower);
      if (this.followers.size > 0) return;
      this.end?.();
      this.end = undefined;
    };
  }

  /** One look at the gateway. A slow one is not put twice: then the page says that it is not live, which is true. */
  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const { view } = this.parts;
      const status = await view.status();
      const text = event('status', status);
      const alarms = view.alarms();
      for (const follower of this.followers) {
        sendAlarms(follower, alarms.alarms);
        await this.sendJournal(follower, { epoch: status.store.epoch, seq: status.store.next.events - 1 });
        follower.send(text);
      }
    } catch (error) {
      this.parts.log.debug(`what the page follows could not be read: ${messageOf(error)}`);
    } finally {
      this.looking = false;
    }
  }

  /** The events behind the place where a follower is. One who comes without a place begins with the next. */
  private async sendJournal(follower: Follower, last: JournalPlace): Promise<void> {
    const { at } = follower;
    const from = at === undefined ? last.seq : at.epoch === last.epoch ? at.seq : last.seq;
    follower.at = { epoch: last.epoch, seq: from };
    if (from >= last.seq) return;
    const afterSeq = Math.max(from, last.seq - MAX_EVENTS);
    const page = await this.parts.view.events({ fromMs: undefined, afterSeq, limit: MAX_EVENTS });
    for (const one of page.events) {
      if (one.seq <= from) continue;
      follower.send(event('event', one, `${last.epoch}.${one.seq}`));
      follower.at = { epoch: last.epoch, seq: one.seq };
    }
  }
}

/** All alarms at first, then those that changed; `gone` names those that a new configuration has no more. */
function sendAlarms({ sent, send }: Follower, alarms: readonly AlarmView[]): void {
  const isFirst = sent.size === 0;
  const changed = alarms.filter((alarm) => {
    const text = toJson(alarm);
    if (sent.get(alarm.id) === text) return false;
    sent.set(alarm.id, text);
    return true;
  });
  const ids = new Set(alarms.map(({ id }) => id));
  const gone = [...sent.keys()].filter((id) => !ids.has(id));
  for (const id of gone) sent.delete(id);
  if (isFirst || changed.length + gone.length > 0) send(event('alarms', { alarms: changed, gone }));
}

/** One server-sent event (HTML Living Standard, 9.2.6). */
export function event(name: string, data: unknown, id?: string): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${toJson(data)}\n\n`;
}
