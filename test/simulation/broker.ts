import { Duplex } from 'node:stream';
import type { MqttConfig } from '../../src/config/config.ts';
import type { Random } from '../../src/core/random.ts';
import type { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { Dial } from '../../src/uplink/mqtt-dial.ts';
import {
  type ClientPacket,
  connack,
  disconnect,
  PacketReader,
  PINGRESP,
  type Publication,
  puback,
  suback,
} from '../double/mqtt-wire.ts';

/** Return code of a CONNACK of MQTT 3.1.1. */
const WRONG_VERSION = 1;

/** Reason codes of MQTT 5, as a broker gives them in a PUBACK. */
const NOT_AUTHORIZED = 135;
const MALFORMED_PAYLOAD = 153;
const SESSION_TAKEN_OVER = 142;

/** What a broker is asked to do badly. Shares are per message, 0…1. */
export interface BrokerTrouble {
  /** Refuses connections. */
  isDown: boolean;
  /** Accepts connections and hangs up on the first byte, as a proxy whose broker is away. */
  isBehindDeadProxy: boolean;
  /** Ends the session instead of answering. */
  dropShare: number;
  /** Takes the message, and never says so. */
  muteShare: number;
  /** Loses the message. */
  loseShare: number;
  latencyMs: number;
  /** Sessions end because another client has the same id. */
  isTakenOver: boolean;
  /** What may not be published, by the end of its topic: by a code on MQTT 5, by hanging up on 3.1.1. */
  denied: 'readings' | 'events' | undefined;
  /** Answers every publish with this code, MQTT 5 only. */
  refusesWith: number | undefined;
  /** Packets above this make it hang up; undefined: none. */
  packetBytes: number | undefined;
}

/** Nothing is wrong. */
export const CALM: BrokerTrouble = {
  isDown: false,
  isBehindDeadProxy: false,
  dropShare: 0,
  muteShare: 0,
  loseShare: 0,
  latencyMs: 40,
  isTakenOver: false,
  denied: undefined,
  refusesWith: undefined,
  packetBytes: undefined,
};

/** What a broker is for good. */
export interface BrokerKind {
  /** 4 is MQTT 3.1.1: it refuses 5, by its code or by hanging up. */
  readonly speaks: 4 | 5;
  readonly hangsUpOnFive: boolean;
  /** Says in the CONNACK how large a packet may be; MQTT 5 only. */
  readonly maximumPacketSize: number | undefined;
}

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
  sent(uplink: string, session: number, message: WireMessage): void;
  arrived(uplink: string, message: WireMessage): void;
  /** It was refused by a code, or the broker hung up on it. */
  refused(uplink: string, message: WireMessage): void;
  /** A session of MQTT 3.1.1 was ended for another reason, with this as the first message that had no answer. */
  endedBehind(uplink: string, message: WireMessage): void;
}

/** The gateway's side of the world. */
export interface BrokerWorld {
  readonly clock: SimulatedClock;
  readonly hasPower: () => boolean;
}

/** One connection as the broker has it. */
interface Session {
  readonly number: number;
  version: number;
  readonly clock: SimulatedClock;
  /** What was published and not answered, oldest first. */
  readonly unanswered: Set<WireMessage>;
  say(bytes: Buffer): void;
  hangUp(): void;
}

type Publish = Extract<ClientPacket, { kind: 'publish' }>;

/** A broker made of bytes that outlives the gateway; the gateway's own uplink and library are at the other end. */
export class Broker {
  readonly trouble: BrokerTrouble = { ...CALM };
  readonly kind: BrokerKind;
  /** Records that it will never take. */
  readonly poison = new Set<number>();
  sessions = 0;
  /** Messages that it refused, by a code or by hanging up. */
  refused = 0;
  private readonly name: string;
  private readonly random: Random;
  private readonly witness: BrokerWitness;
  private drop = () => {};

  constructor(name: string, kind: BrokerKind, random: Random, witness: BrokerWitness) {
    this.name = name;
    this.kind = kind;
    this.random = random;
    this.witness = witness;
  }

  /** Ends the session there is. */
  cutLine(): void {
    this.drop();
  }

  /** The configuration of the gateway's uplink to this broker. */
  config(backfillRate: number): MqttConfig {
    return {
      type: 'mqtt',
      only: undefined,
      except: [],
      events: true,
      name: this.name,
      url: `mqtt://${this.name}`,
      format: 'json',
      protocolVersion: undefined,
      clientId: 'simulated',
      topic: 'millgate/simulated',
      topics: 'batch',
      compression: 'none',
      username: undefined,
      password: undefined,
      tls: undefined,
      backfillRate,
      // Pings go by the library's own clock, which is the real one.
      keepaliveMs: 65_535_000,
      ackTimeoutMs: 20_000,
    };
  }

  /** Opens the stream of bytes to this broker. */
  dial({ clock, hasPower }: BrokerWorld): Dial {
    return async (_, signal) => {
      await clock.sleep(this.trouble.latencyMs, signal);
      if (this.trouble.isDown || !hasPower())
        throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      return this.line({ clock, hasPower });
    };
  }

  private line(world: BrokerWorld): Duplex {
    const reader = new PacketReader();
    const line = new Duplex({
      // As a socket: the end of what is read is the end of the line.
      allowHalfOpen: false,
      read() {},
      write: (chunk: Buffer, _, done) => {
        done();
        if (line.destroyed || !world.hasPower()) return;
        if (this.trouble.isBehindDeadProxy) session.hangUp();
        else for (const packet of reader.push(chunk)) this.heard(packet, session);
      },
    });
    const session: Session = {
      number: ++this.sessions,
      version: 5,
      clock: world.clock,
      unanswered: new Set(),
      say(bytes) {
        if (!line.destroyed && world.hasPower()) line.push(bytes);
      },
      hangUp() {
        // As a peer that closes: what it said before is still read.
        if (!line.destroyed) line.push(null);
      },
    };
    this.drop = () => line.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    return line;
  }

  private heard(packet: ClientPacket, session: Session): void {
    if (packet.kind === 'connect') this.asked(packet.version, session);
    else if (packet.kind === 'publish') this.published(packet, session);
    else if (packet.kind === 'ping') session.say(PINGRESP);
    else if (packet.kind === 'disconnect') session.hangUp();
    else this.soon(session, () => session.say(suback(session.version, packet.id, packet.filters)));
  }

  private soon({ clock }: Session, work: () => void): void {
    clock.after(this.trouble.latencyMs * (0.5 + this.random()), work);
  }

  private asked(version: number, session: Session): void {
    session.version = version;
    const { speaks, hangsUpOnFive } = this.kind;
    if (version === 5 && speaks === 4) {
      this.soon(session, () => (hangsUpOnFive ? session.hangUp() : session.say(connack(4, WRONG_VERSION))));
      return;
    }
    this.soon(session, () => session.say(connack(version, 0, this.properties())));
    if (!this.trouble.isTakenOver) return;
    session.clock.after(3000 * this.random(), () => {
      const [first] = session.unanswered;
      if (version === 5) session.say(disconnect(SESSION_TAKEN_OVER));
      else if (first) this.witness.endedBehind(this.name, first);
      session.hangUp();
    });
  }

  private properties() {
    const { maximumPacketSize } = this.kind;
    return this.kind.speaks === 5 && maximumPacketSize !== undefined ? { maximumPacketSize } : {};
  }

  private published(packet: Publish, session: Session): void {
    const message = messageIn(packet);
    if (message) {
      this.witness.sent(this.name, session.number, message);
      session.unanswered.add(message);
    }
    const fate = message ? this.fate() : 'take';
    this.soon(session, () => {
      if (fate === 'drop') {
        if (message) this.witness.refused(this.name, message);
        return session.hangUp();
      }
      const code = this.refusalOf(packet, message, session.version);
      if (code !== undefined) {
        this.refused++;
        if (message) this.witness.refused(this.name, message);
        if (session.version === 5 && code !== 'hang-up') session.say(puback(5, packet.id, code));
        else session.hangUp();
        return;
      }
      if (message && fate !== 'lose') this.witness.arrived(this.name, message);
      if (fate !== 'take') return;
      if (message) session.unanswered.delete(message);
      session.say(puback(session.version, packet.id));
    });
  }

  /** Why a message is not taken: a code where the version has one. */
  private refusalOf(
    { topic, bytes }: Publish,
    message: WireMessage | undefined,
    version: number,
  ): number | 'hang-up' | undefined {
    const { denied, refusesWith, packetBytes } = this.trouble;
    if (packetBytes !== undefined && bytes > packetBytes) return 'hang-up';
    if (denied !== undefined && topic.endsWith(`/${denied}`)) return NOT_AUTHORIZED;
    if (message && refusesWith !== undefined && version === 5) return refusesWith;
    return message && numbersIn(message).some((seq) => this.poison.has(seq)) ? MALFORMED_PAYLOAD : undefined;
  }

  private fate(): 'take' | 'drop' | 'mute' | 'lose' {
    const { dropShare, muteShare, loseShare } = this.trouble;
    const dice = this.random();
    if (dice < dropShare) return 'drop';
    if (dice < dropShare + muteShare) return 'mute';
    return dice < dropShare + muteShare + loseShare ? 'lose' : 'take';
  }
}

/** Readings or an event; undefined for everything else, which is the status. */
function messageIn({ topic, payload }: Publication): WireMessage | undefined {
  return /\/(readings|events)$/.test(topic) ? (JSON.parse(payload.toString()) as WireMessage) : undefined;
}

/** Numbers of the records in a message. */
export function numbersIn({ records = [], seq }: WireMessage): number[] {
  return records.map((_, index) => seq + index);
}
