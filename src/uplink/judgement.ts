/** What one uplink learned of the other side, whatever the session: which streams it takes, and which items it refused. */
import type { Clock } from '../core/clock.ts';
import type { Alarms } from '../core/event.ts';
import type { Logger } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { Stream } from '../store/store.ts';
import { cutParcel, type DeliveryMemory, type Parcel } from './delivery.ts';
import type { Progress } from './progress.ts';
import { type Doubt, StreamJudge } from './refusals.ts';

/** What the judgement of an uplink needs. */
interface JudgementDeps {
  /** Of the uplink. */
  readonly name: string;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly alarms: Alarms;
}

/** The judges of both streams. They say once that a stream waits, and once that it flows again. */
export class Judgement {
  readonly memory: DeliveryMemory;
  private readonly deps: JudgementDeps;

  constructor(deps: JudgementDeps) {
    this.deps = deps;
    const judges = { readings: this.judge('readings'), events: this.judge('events') };
    const sizes = { largestTaken: Number.POSITIVE_INFINITY, largestConfirmed: 0, sizeLearnedMs: 0, sizeHoldsMs: 0 };
    this.memory = { judges, sent: 0, ...sizes };
  }

  /** What of a session that stands does not flow, in one line; undefined when everything does. */
  text(also: string | undefined): string | undefined {
    const waiting = (['readings', 'events'] as const).flatMap((stream) => {
      const doubt = this.memory.judges[stream].doubt();
      return doubt ? [`${stream} wait: ${doubt.why}`] : [];
    });
    const all = also === undefined ? waiting : [...waiting, also];
    return all.length > 0 ? all.join('; ') : undefined;
  }

  private judge(stream: Stream): StreamJudge<Parcel> {
    const { name, progress, clock, random } = this.deps;
    return new StreamJudge<Parcel>({
      clock,
      random,
      nextOrder: () => this.memory.sent + 1,
      cut: cutParcel,
      condemn({ from, items }, detail) {
        const item = items[0]!;
        const wallMs = 'at' in item ? item.at.wallMs : item.wallMs;
        const span = { firstWallMs: wallMs, lastWallMs: wallMs };
        progress.quarantine({ stream, from, to: from + 1, count: 1, uplink: name, detail, ...span });
      },
      changed: (doubt, before) => this.tell(stream, doubt, before),
    });
  }

  private tell(stream: Stream, doubt: Doubt | undefined, before: Doubt | undefined): void {
    const { name, log, alarms } = this.deps;
    const alarm = `uplink/${name}/refused-${stream}`;
    if (!doubt) {
      log.info(`${stream} flow again`);
      alarms.clear(alarm, `uplink ${name}: ${stream} flow again`);
    } else if (doubt.why !== before?.why) {
      log.warn(`${stream} wait: ${doubt.why}. Nothing is lost: they are kept and tried again.`);
      const message = `uplink ${name}: ${stream} are refused and wait. Nothing is lost: they are kept and tried again`;
      alarms.raise(alarm, `${message}. For the cause: millgate status`, { uplink: name, stream });
    }
  }
}
