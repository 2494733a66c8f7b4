import type { Random } from '../../src/core/random.ts';
import type { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { createJsonEncoder } from '../../src/uplink/json.ts';
import type { OutgoingBatch, SendResult, SessionEnd, Uplink } from '../../src/uplink/uplink.ts';

/** What a broker is asked to do badly. Shares are per message, 0…1. */
export interface BrokerTrouble {
  /** Refuses connections. */
  isDown: boolean;
  /** Ends the session instead of answering. */
  dropShare: number;
  /** Takes the message, and never says so. */
  muteShare: number;
  /** Loses the message. */
  loseShare: number;
  latencyMs: number;
  /** Sessions end because another client has the same id. */
  isTakenOver: boolean;
}

/** Nothing is wrong. */
export const CALM: BrokerTrouble = {
  ...{ isDown: false, dropShare: 0, muteShare: 0, loseShare: 0, latencyMs: 40, isTakenOver: false },
};

/** What reached the other side, as any consumer would read it. */
export interface WireMessage {
  readonly schema: string;
  readonly seq: number;
  readonly lane?: 'live' | 'backfill';
  readonly records?: readonly WireRecord[];
  readonly kind?: string;
  readonly [member: string]: unknown;
}

/** A record on the wire. */
export interface WireRecord {
  readonly device: string;
  readonly t: number;
  readonly v: Readonly<Record<string, number | string>>;
  readonly bad?: Readonly<Record<string, string>>;
  readonly clock?: 'unsynced';
}

/** Who hears what the broker sees. */
export interface BrokerWitness {
  sent(uplink: string, session: number, batch: OutgoingBatch): void;
  arrived(uplink: string, message: WireMessage): void;
}

/** The gateway's side of the world. */
export interface BrokerWorld {
  readonly clock: SimulatedClock;
  readonly hasPower: () => boolean;
}

/** A message that is not confirmed after this is given up by the gateway's side, ms. */
const ACK_TIMEOUT_MS = 20_000;

/** A broker that outlives the gateway. Messages go through the real encoder, and are read back as text. */
export class Broker {
  readonly trouble: BrokerTrouble = { ...CALM };
  /** Records that it will never take. */
  readonly poison = new Set<number>();
  sessions = 0;
  private readonly name: string;
  private readonly random: Random;
  private readonly witness: BrokerWitness;
  private readonly encoder = createJsonEncoder({ gateway: 'simulated', config: '0' });
  private drop = () => {};

  constructor(name: string, random: Random, witness: BrokerWitness) {
    this.name = name;
    this.random = random;
    this.witness = witness;
  }

  /** Ends the session there is. */
  cutLine(): void {
    this.drop();
  }

  /** The gateway's uplink to this broker. */
  uplink(world: BrokerWorld): Uplink {
    return {
      name: this.name,
      limits: { records: 100, fields: 1000 },
      takesTexts: true,
      connect: async (signal) => {
        await world.clock.sleep(this.trouble.latencyMs, signal);
        if (this.trouble.isDown) throw new Error('the broker refuses connections. Is it running?');
        return this.session(world);
      },
    };
  }

  private session(world: BrokerWorld) {
    const session = ++this.sessions;
    const { clock } = world;
    let isOver = false;
    let end: (end: SessionEnd) => void = () => {};
    const ended = new Promise<SessionEnd>((resolve) => {
      end = resolve;
    });
    const waiting = new Set<(error: Error) => void>();
    const finish = () => {
      isOver = true;
      for (const reject of waiting) reject(new Error('the session ended'));
      waiting.clear();
      end({ reason: 'the session ended', takenOver: this.trouble.isTakenOver });
    };
    this.drop = finish;
    const send = (batch: OutgoingBatch): Promise<SendResult> => {
      if (isOver) return Promise.reject(new Error('the session is over'));
      if (!world.hasPower()) return new Promise(() => {});
      this.witness.sent(this.name, session, batch);
      const text = batch.kind === 'texts' ? this.encoder.texts(batch).toString() : this.encoder.batch(batch);
      const fate = this.fate();
      return new Promise((resolve, reject) => {
        waiting.add(reject);
        clock.after(this.trouble.latencyMs * (0.5 + this.random()), () => {
          if (isOver || !world.hasPower()) return;
          if (fate === 'drop') return finish();
          const refused = numbersIn(batch).some((seq) => this.poison.has(seq));
          if (!refused && fate !== 'lose') this.witness.arrived(this.name, JSON.parse(text) as WireMessage);
          if (fate !== 'take') return this.giveUp(clock, waiting, reject);
          waiting.delete(reject);
          resolve(refused ? { ok: false, why: 'malformed' } : { ok: true });
        });
      });
    };
    if (this.trouble.isTakenOver) clock.after(3000 * this.random(), finish);
    return { window: 1 + Math.floor(this.random() * 16), ended, send, close: async () => finish() };
  }

  private giveUp(clock: SimulatedClock, waiting: Set<(error: Error) => void>, reject: (error: Error) => void): void {
    clock.after(ACK_TIMEOUT_MS, () => {
      waiting.delete(reject);
      reject(new Error('not confirmed in time'));
    });
  }

  private fate(): 'take' | 'drop' | 'mute' | 'lose' {
    const { dropShare, muteShare, loseShare } = this.trouble;
    const dice = this.random();
    if (dice < dropShare) return 'drop';
    if (dice < dropShare + muteShare) return 'mute';
    return dice < dropShare + muteShare + loseShare ? 'lose' : 'take';
  }
}

/** Numbers of the records in a message. */
export function numbersIn(batch: OutgoingBatch): number[] {
  if (batch.kind === 'event') return [];
  const { length } = batch.kind === 'texts' ? batch.texts : batch.records;
  return Array.from({ length }, (_, index) => batch.seq + index);
}
