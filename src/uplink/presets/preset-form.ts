/** What every form of messages to a broker has to say. */
import type { LastValue } from '../last-values.ts';
import type { OutgoingBatch } from '../uplink.ts';

/** Who signs in. */
export interface Credentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** After so long the session has to be made anew, with others; ms. */
  readonly endsInMs?: number;
}

/** A message that is not retained. */
interface Said {
  readonly topic: string;
  readonly payload: string;
}

/** What one product is sent, and how one signs in to it. */
export interface MqttForm {
  /** Set when it sends records as JSON without looking into them. */
  readonly takesTexts: boolean;
  /** Whether it has a status topic, and a will. */
  readonly hasStatus: boolean;
  topicOf(batch: Pick<OutgoingBatch, 'kind'>): string;
  /** Throws a `TypeError` for what has no form in it. */
  payload(batch: OutgoingBatch): string | Buffer;
  /** Several messages in place of one; undefined for a batch that is one. */
  readonly messages?: (batch: OutgoingBatch) => readonly Said[] | undefined;
  /** Retained messages beside the last values, given which topics hold one. */
  readonly retained?: (atBroker: ReadonlySet<string>) => readonly LastValue[];
  /** What is said when a session begins (`isNew`), and what more when the configuration changed in it; not retained. */
  readonly opening?: (isNew: boolean) => readonly Said[];
  /** What is said when the gateway ends a session. */
  readonly closing?: () => readonly Said[];
  /** A topic on which `online` asks for all that is retained once more. */
  readonly birthTopic?: string;
  /** Absent: user and password of the file. */
  readonly credentials?: () => Promise<Credentials>;
  /** What a refused sign-in may come from besides, as a sentence. */
  readonly refusalHint?: () => string;
}
