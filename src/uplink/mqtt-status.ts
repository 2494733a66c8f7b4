/** The retained status topic of a session: says `online`, watches what stands there, and sets it right. */
import type { MqttClient } from 'mqtt';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { type StatusPayload, statusText } from './json.ts';
import type { MqttWindow } from './mqtt-window.ts';
import type { SendResult } from './uplink.ts';

/** What the uplink knows of its status topic; it outlives sessions. */
export interface StatusMemory {
  /** False once the broker hung up on a status message, or on the wish to watch it. */
  maySay: boolean;
  mayWatch: boolean;
  /** `since` of the sessions of this process. */
  readonly ours: Set<number>;
  /** Somebody else speaks under our name. */
  rivalSeen: boolean;
  /** The broker does not take status messages. */
  refusedBecause: string | undefined;
}

/** What a status needs. */
interface MqttStatusDeps {
  readonly client: MqttClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly topic: string;
  readonly retain: boolean;
  readonly window: MqttWindow;
  readonly memory: StatusMemory;
  /** Asked for each message. */
  readonly payload: () => Omit<StatusPayload, 'state'>;
}

/** `online` is said again so long after the connection, where the topic is not watched: a late will may stand there. */
const AGAIN_MS = [5000, 15_000, 45_000, 90_000];

/** And from then on so often. */
const LATER_MS = 600_000;

/** It is set right no more often than this. */
const RIGHT_EVERY_MS = 2000;

/** The status of a connected client. */
export class MqttStatus {
  private readonly deps: MqttStatusDeps;
  private isWatched = false;
  private stopped = false;
  private rightAtMs = 0;
  private said = 0;
  private cancel = () => {};

  constructor(deps: MqttStatusDeps) {
    this.deps = deps;
  }

  /** Asks the broker to be told of the topic, where it may. */
  watch(): void {
    if (!this.deps.memory.mayWatch) return;
    this.deps.client.on('message', this.heard);
    this.deps.window.ask({ kind: 'watch' }, (done) =>
      this.deps.client.subscribe(this.deps.topic, { qos: 1 }, (error, granted) => {
        this.isWatched = !error && (granted?.every(({ qos }) => qos < 128) ?? false);
        if (!error || this.isWatched) done();
      }),
    );
  }

  say(state: StatusPayload['state'], signal?: AbortSignal): Promise<SendResult> {
    if (state === 'online' && this.said === 0) this.scheduleAgain();
    if (state === 'offline') this.stopped = true;
    return this.publish(state, signal);
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
    this.deps.client.off('message', this.heard);
  }

  private async publish(state: StatusPayload['state'], signal?: AbortSignal): Promise<SendResult> {
    if (!this.deps.memory.maySay) return { ok: true };
    const payload = this.deps.payload();
    if (state === 'online') this.deps.memory.ours.add(payload.sinceMs);
    const text = statusText({ state, ...payload });
    const result = await this.deps.window.publish(
      { topic: this.deps.topic, payload: text, retain: this.deps.retain, about: { kind: 'status' } },
      signal,
    );
    this.deps.memory.refusedBecause = result.ok ? undefined : result.why;
    return result;
  }

  private sayAgain(): void {
    this.publish('online').catch((error: unknown) => this.deps.log.debug(`the status message: ${String(error)}`));
  }

  private scheduleAgain(): void {
    const sinceStart = AGAIN_MS[this.said];
    const delayMs = sinceStart === undefined ? LATER_MS : sinceStart - (AGAIN_MS[this.said - 1] ?? 0);
    this.said++;
    this.cancel = this.deps.clock.after(delayMs, () => {
      if (this.stopped) return;
      if (!this.isWatched) this.sayAgain();
      this.scheduleAgain();
    });
  }

  private setRight(): void {
    const waitMs = Math.max(0, this.rightAtMs - this.deps.clock.monoMs());
    this.rightAtMs = this.deps.clock.monoMs() + waitMs + RIGHT_EVERY_MS;
    this.deps.clock.after(waitMs, () => {
      if (!this.stopped) this.sayAgain();
    });
  }

  private readonly heard = (name: string, text: Buffer): void => {
    if (name !== this.deps.topic || this.stopped) return;
    const status = parsed(text);
    // Cleared, or something that no gateway says.
    if (!status) {
      this.setRight();
      return;
    }
    const { epoch } = this.deps.payload();
    const [first] = this.deps.memory.ours;
    const isForeign =
      !this.deps.memory.ours.has(status.since) && (status.epoch !== epoch || status.since > (first ?? Infinity));
    // What stood there before this process said anything may be of a gateway that was here before.
    if (isForeign && first !== undefined) this.deps.memory.rivalSeen = true;
    if (status.state === 'offline') this.setRight();
  };
}

function parsed(payload: Buffer): { state: unknown; since: number; epoch: unknown } | undefined {
  try {
    const { state, since, epoch } = JSON.parse(payload.toString('utf8')) as Record<string, unknown>;
    return typeof since === 'number' ? { state, since, epoch } : undefined;
  } catch {
    return undefined;
  }
}
