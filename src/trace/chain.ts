/** The chain of quality records: each holds the hash of the one before, so that none can be changed, lost or moved unseen. */
import { createHash } from 'node:crypto';
import type { Checkpoint, EventBody, GatewayEvent, SignedCheckpoint } from '../core/event.ts';
import { canonical } from './canonical.ts';
import { type SigningKey, signed } from './signing.ts';

/** The `prev` of the first record. */
export const GENESIS = '0'.repeat(64);

/** What a quality event carries of its record: its place, the hash of the record before, its time, and its own hash. */
export interface Link {
  readonly seq: number;
  readonly prev: string;
  /** UTC ms; that of the event may be corrected later, when the clock becomes known. */
  readonly t: number;
  readonly hash: string;
}

/** A record as it is hashed. */
export interface ChainRecord {
  readonly event: Readonly<Record<string, unknown>>;
  readonly prev: string;
  readonly seq: number;
  readonly t: number;
}

/** The end of the chain, and how much of it a checkpoint covers. */
interface End {
  readonly count: number;
  readonly head: string;
  readonly signed: number;
}

/** Under which key of the store the end is kept, written with the events that moved it. */
export const CHAIN_KEY = 'quality-chain';

/** Records after which a checkpoint is due without waiting for its time. */
const MOST_UNSIGNED = 100;

/** The hash of a record: SHA-256 of its canonical JSON. */
export function hashOf(record: ChainRecord): string {
  return createHash('sha256').update(canonical(record)).digest('hex');
}

/** Whether an event is a quality record: judgements of charts and parts, what keeps a chart from judging, and every order of a person. */
function isQualityRecord(body: EventBody): boolean {
  if (body.kind !== 'quality') return body.kind === 'spc' || body.kind === 'audit';
  return body.what === 'part' || body.what.startsWith('spc-');
}

/** The chain of a running gateway. It is moved only while a commit is put together, so that it is on the disk with its events. */
export class QualityChain {
  private end: End;
  /** The end as it was handed out last to be stored. */
  private saved: End;
  private readonly key: SigningKey | undefined;
  private isDue = false;

  /** @param stored the end as it was stored last; undefined: none yet */
  constructor(stored: string | undefined, key: SigningKey | undefined) {
    this.end = restored(stored);
    this.saved = this.end;
    this.key = key;
  }

  /** Records that no checkpoint covers. */
  get unsigned(): number {
    return this.end.count - this.end.signed;
  }

  /** The next commit ends with a checkpoint, where there is something to sign. */
  signNext(): void {
    this.isDue = true;
  }

  /**
   * Links the quality records among events; those that were linked before, for a commit that failed, stay as they are.
   *
   * @returns the events, with a checkpoint among them where one is due, and the end to be stored where it moved
   */
  link(events: readonly GatewayEvent[]): {
    readonly events: readonly GatewayEvent[];
    readonly state: string | undefined;
  } {
    const linked = events.map((event) => this.linkedEvent(event));
    const last = events.at(-1);
    if (last && this.unsigned > 0 && (this.isDue || this.unsigned >= MOST_UNSIGNED)) {
      const { wallMs, monoMs, clockKnown } = last;
      const made = this.sign(wallMs);
      // Right behind the last record: the last event of a run that stops in order says so.
      const place = linked.findLastIndex(({ body }) => 'chain' in body) + 1;
      if (made) linked.splice(place, 0, { wallMs, monoMs, clockKnown, body: checkpointEvent(made) });
      this.isDue = false;
    }
    const hasMoved = this.end !== this.saved;
    this.saved = this.end;
    return { events: linked, state: hasMoved ? JSON.stringify(this.end) : undefined };
  }

  /** Signs the chain as it is; undefined without a key. */
  sign(nowMs: number): SignedCheckpoint | undefined {
    if (!this.key) return undefined;
    const { count, head } = this.end;
    const checkpoint: Checkpoint = { count, head, key: this.key.id, time: Math.round(nowMs) };
    if (this.unsigned > 0) this.end = { count, head, signed: count };
    return { checkpoint, signature: signed(checkpoint, this.key), publicKey: this.key.publicKey };
  }

  private linkedEvent(event: GatewayEvent): GatewayEvent {
    const { body, wallMs } = event;
    if (!isQualityRecord(body) || 'chain' in body) return event;
    const { count: seq, head: prev } = this.end;
    const hash = hashOf({ event: body, prev, seq, t: wallMs });
    this.end = { count: seq + 1, head: hash, signed: this.end.signed };
    const chain: Link = { seq, prev, t: wallMs, hash };
    return { ...event, body: { ...body, chain } };
  }
}

/** A checkpoint as it is told of: whoever keeps it can check the chain later. */
export function checkpointEvent(made: SignedCheckpoint): EventBody {
  const { count, key } = made.checkpoint;
  const message = `the chain of quality records is signed by key ${key}, up to record ${count - 1}`;
  return { kind: 'quality', what: 'checkpoint', message, ...made };
}

function restored(text: string | undefined): End {
  const none: End = { count: 0, head: GENESIS, signed: 0 };
  if (text === undefined) return none;
  try {
    const { count, head, signed: covered } = JSON.parse(text) as Partial<End>;
    const isGood = Number.isSafeInteger(count) && Number.isSafeInteger(covered) && /^[0-9a-f]{64}$/.test(head ?? '');
    return isGood ? { count: count!, head: head!, signed: covered! } : none;
  } catch {
    return none;
  }
}
