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

/** The status of one session. */
interface MqttStatus {
  /** Asks the broker to be told of the topic, where it may. */
  watch(): void;
  say(state: StatusPayload['state'], signal?: AbortSignal): Promise<SendResult>;
  stop(): void;
}

/** `online` is said again so long after the connection, where the topic is not watched: a late will may stand there. */
const AGAIN_MS = [5000, 15_000, 45_000, 90_000];

/** And from then on so often. */
const LATER_MS = 600_000;

/** It is set right no more often than this. */
const RIGHT_EVERY_MS = 2000;

/** The status of a connected client. */
export function createMqttStatus(deps: MqttStatusDeps): MqttStatus {
  const { client, clock, log, topic, window, memory } = deps;
  let isWatched = false;
  let stopped = false;
  let rightAtMs = 0;
  let said = 0;
  let cancel = () => {};

  const say = async (state: StatusPayload['state'], signal?: AbortSignal): Promise<SendResult> => {
    if (!memory.maySay) return { ok: true };
    const payload = deps.payload();
    if (state === 'online') memory.ours.add(payload.sinceMs);
    const text = statusText({ state, ...payload });
    const result = await window.publish(
      { topic, payload: text, retain: deps.retain, about: { kind: 'status' } },
      signal,
    );
    memory.refusedBecause = result.ok ? undefined : result.why;
    return result;
  };

  const sayAgain = (): void => {
    say('online').catch((error: unknown) => log.debug(`the status message: ${String(error)}`));
  };

  const scheduleAgain = (): void => {
    const sinceStart = AGAIN_MS[said];
    const delayMs = sinceStart === undefined ? LATER_MS : sinceStart - (AGAIN_MS[said - 1] ?? 0);
    said++;
    cancel = clock.after(delayMs, () => {
      if (stopped) return;
      if (!isWatched) sayAgain();
      scheduleAgain();
    });
  };

  const setRight = (): void => {
    const waitMs = Math.max(0, rightAtMs - clock.monoMs());
    rightAtMs = clock.monoMs() + waitMs + RIGHT_EVERY_MS;
    clock.after(waitMs, () => {
      if (!stopped) sayAgain();
    });
  };

  const heard = (name: string, text: Buffer): void => {
    if (name !== topic || stopped) return;
    const status = parsed(text);
    if (!status) return;
    const { epoch } = deps.payload();
    const [first] = memory.ours;
    const isForeign = !memory.ours.has(status.since) && (status.epoch !== epoch || status.since > (first ?? Infinity));
    // What stood there before this process said anything may be of a gateway that was here before.
    if (isForeign && first !== undefined) memory.rivalSeen = true;
    if (status.state === 'offline') setRight();
  };

  return {
    watch() {
      if (!memory.mayWatch) return;
      client.on('message', heard);
      window.ask({ kind: 'watch' }, (done) =>
        client.subscribe(topic, { qos: 1 }, (error, granted) => {
          isWatched = !error && (granted?.every(({ qos }) => qos < 128) ?? false);
          if (!error || isWatched) done();
        }),
      );
    },
    say(state, signal) {
      if (state === 'online' && said === 0) scheduleAgain();
      if (state === 'offline') stopped = true;
      return say(state, signal);
    },
    stop() {
      stopped = true;
      cancel();
      client.off('message', heard);
    },
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
