/** Commands of a host: who may write what, and that none is carried out late or twice. */
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { EventBody } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import type { TagId, Value } from '../../core/reading.ts';
import { valueOfMetric } from './metric-values.ts';
import { decodePayload, type Metric, type Payload } from './payload.ts';
import type { Aliases } from './roster.ts';

/** What commands need of the gateway. */
export interface CommandDeps {
  /** Tags that a host may write; none while `commands.enabled` is not set. Asked each time. */
  readonly writable: () => ReadonlySet<TagId>;
  /** Writes one value by the one way there is, which looks at range and rate and keeps the audit. Never rejects for a refusal. */
  readonly write: (tag: TagId, value: Value, from: string) => Promise<unknown>;
  /** Puts an event into the journal. */
  readonly event: (body: EventBody) => void;
}

/** A command that was sent longer ago, or is as far ahead, is not carried out: what it was meant for may be over. */
const MAX_AGE_MS = 60_000;

/** Commands that may wait for the machine; what comes beyond is refused. */
const MAX_WAITING = 100;

/** A message of more writes is refused as a whole. */
const MAX_METRICS = 100;

/** Takes the commands of one session; one is carried out at a time, in their order. */
export class NodeCommands {
  private readonly deps: CommandDeps & {
    readonly clock: Clock;
    readonly log: Logger;
    readonly aliases: Aliases;
    readonly typeOf: (tag: TagId) => number | undefined;
  };
  private waiting = 0;
  private last: Promise<void> = Promise.resolve();

  constructor(deps: NodeCommands['deps']) {
    this.deps = deps;
  }

  /** Takes a DCMD. @param retained the broker kept it from before: it is not for now */
  device(device: string, topic: string, payload: Buffer, retained: boolean): void {
    const command = this.read(topic, payload, retained);
    if (!command) return;
    const late = this.lateText(command.timestampMs);
    if (command.metrics.length > MAX_METRICS) {
      this.refuse(topic, device, `it has ${command.metrics.length} metrics, and ${MAX_METRICS} are the most`);
      return;
    }
    for (const metric of command.metrics) {
      const tag = this.tagOf(device, metric);
      const why = tag === undefined ? 'no tag of this device has its name or alias' : (late ?? this.notNow(tag));
      if (tag === undefined || why !== undefined) this.refuse(topic, tag ?? device, why!);
      else this.enqueue(tag, metric, topic, command.timestampMs);
    }
  }

  /** Whether an NCMD asks for births. */
  asksForRebirth(topic: string, payload: Buffer, retained: boolean, name: string): boolean {
    const command = this.read(topic, payload, retained);
    return command?.metrics.some((metric) => metric.name === name && metric.value?.value === true) ?? false;
  }

  private read(topic: string, payload: Buffer, retained: boolean): Payload | undefined {
    if (retained) {
      this.deps.log.warn(
        `a command on ${topic} is kept by the broker, and may be of any age: it is passed over. Hosts must not retain commands`,
      );
      return undefined;
    }
    try {
      return decodePayload(payload);
    } catch (error) {
      this.deps.log.warn(`a message on ${topic} is no payload of Sparkplug B and is passed over: ${messageOf(error)}`);
      return undefined;
    }
  }

  private tagOf(device: string, { name, alias }: Metric): TagId | undefined {
    if (name !== undefined) return `${device}/${name}`;
    const tag = alias === undefined ? undefined : this.deps.aliases.nameOf(alias);
    return tag?.startsWith(`${device}/`) ? tag : undefined;
  }

  /** Every payload of a command has a time (Sparkplug 3.0, `tck-id-payloads-dcmd-timestamp`). */
  private lateText(timestampMs: number | undefined): string | undefined {
    const { clock } = this.deps;
    if (timestampMs === undefined)
      return 'it does not say when it was sent: the host must give its payload a timestamp';
    if (!clock.known()) return 'the clock of the gateway has not been set yet, and it cannot tell whether it is late';
    const ageS = Math.round((clock.wallMs() - timestampMs) / 1000);
    if (Math.abs(ageS) * 1000 <= MAX_AGE_MS) return undefined;
    const when = ageS > 0 ? `was sent ${ageS} s ago` : `is of a time ${-ageS} s ahead`;
    return `it ${when}, and commands hold for ${MAX_AGE_MS / 1000} s; check the clocks of host and gateway`;
  }

  private notNow(tag: TagId): string | undefined {
    if (!this.deps.writable().has(tag)) return `${tag} may not be written: it needs writable: in the file`;
    return this.waiting >= MAX_WAITING ? `${this.waiting} commands wait already` : undefined;
  }

  private enqueue(tag: TagId, metric: Metric, topic: string, sentMs: number | undefined): void {
    const { write, log, typeOf } = this.deps;
    const value = valueOfMetric(metric, typeOf(tag));
    if (value === undefined) {
      this.refuse(topic, tag, 'it has no value that a tag can take');
      return;
    }
    this.waiting++;
    this.last = this.last
      .then(() => {
        // Those before it may have taken long.
        const late = this.lateText(sentMs);
        return late === undefined ? write(tag, value, topic) : this.refuse(topic, tag, late);
      })
      .catch((error: unknown) => log.warn(`the command for ${tag}: ${messageOf(error)}`))
      .then(() => {
        this.waiting--;
      });
  }

  private refuse(topic: string, tag: TagId, why: string): void {
    const message = `a command on ${topic} for ${tag} was not carried out: ${why}`;
    this.deps.log.warn(message);
    this.deps.event({
      kind: 'audit',
      what: 'write',
      tag,
      by: 'command',
      from: topic,
      outcome: 'refused',
      why,
      message,
    });
  }
}
