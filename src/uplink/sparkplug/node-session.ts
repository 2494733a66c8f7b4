/** One connection of an edge node, from its acceptance to its end: births, data, commands, death. */
import type { MqttClient } from 'mqtt';
import { type Clock, within } from '../../core/clock.ts';
import { Fault } from '../../core/errors.ts';
import type { SeqRange } from '../../core/intervals.ts';
import type { Logger } from '../../core/log.ts';
import type { DeviceRecord } from '../../core/reading.ts';
import type { Stream } from '../../store/store.ts';
import type { Subject, Suspicion } from '../mqtt-hangup.ts';
import { reasonText, SESSION_TAKEN_OVER, takeoverText } from '../mqtt-trouble.ts';
import type { OutgoingBatch, SendResult, SessionEnd, UplinkSession } from '../uplink.ts';
import { saysLost } from './committed-values.ts';
import type { NodeCommands } from './node-commands.ts';
import { type NodeEvents, REBIRTH } from './node-events.ts';
import { type NodeName, NodePublisher, topicOf } from './node-publisher.ts';
import type { Metric } from './payload.ts';
import { PingFence } from './ping-fence.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { Roster } from './roster.ts';

/** What a session needs. The client is connected and belongs to the session from now on. */
interface NodeSessionDeps {
  readonly client: MqttClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly name: NodeName;
  readonly clientId: string;
  readonly bdSeq: number;
  readonly ackTimeoutMs: number;
  readonly protocolVersion: 4 | 5;
  readonly packetBytes: number;
  /** Devices whose tags a host may write. */
  readonly commanded: () => ReadonlySet<string>;
  readonly host: PrimaryHost | undefined;
  /** Made anew for each birth of the node, from the configuration in force. */
  readonly createRoster: () => Roster;
  readonly events: NodeEvents;
  readonly commands: NodeCommands;
  readonly suspicion: Suspicion;
  /** An error of the connection as a line for a technician. */
  readonly explain: (error: unknown) => string;
  /** What it means that the broker ended the session without a word. */
  readonly closedByBroker: (lastedMs: number, firstUnconfirmed: Subject | undefined) => SessionEnd;
}

/** Batches under way at most. */
const WINDOW = 32;

/** How long `close` waits for the last answers, then for the confirmation of the NDEATH, then for the goodbye. */
const CLOSE_STEP_MS = 600;

/** A host that asks for births again and again is given them no more often than this. */
const REBIRTH_EVERY_MS = 1000;

/** A device that was born for its backlog dies again when nothing of it was sent for so long. */
const LENT_MS = 5000;

/**
 * What was confirmed so shortly before the broker found the primary host gone may not have reached it: it is sent again.
 * One and a half times the keep-alive that hosts use, and some.
 */
const HOST_DOUBT_MS = 90_000;

/** See {@link UplinkSession}. */
export class NodeSession implements UplinkSession {
  readonly ended: Promise<SessionEnd>;
  readonly packetBytes: number;
  private readonly deps: NodeSessionDeps;
  private readonly publisher;
  private readonly fence;
  private readonly startedMs: number;
  private readonly unconfirmed = new Set<OutgoingBatch>();
  private confirmed: { readonly atMs: number; readonly stream: Stream; readonly range: SeqRange }[] = [];
  private roster: Roster;
  private isBorn = false;
  private bornMs = Number.NEGATIVE_INFINITY;
  private cancelRebirth: (() => void) | undefined;
  private readonly lentSince = new Map<string, number>();
  private cancelLent: (() => void) | undefined;
  private commandsRefused: string | undefined;
  /** Topics of commands that the broker was asked for. */
  private readonly heard = new Set<string>();
  private hostCame = (): void => {};
  private resolveEnded: (end: SessionEnd) => void = () => {};
  private end: SessionEnd | undefined;
  private closing: Promise<void> | undefined;

  constructor(deps: NodeSessionDeps) {
    this.deps = deps;
    const { client, clock, ackTimeoutMs } = deps;
    this.packetBytes = deps.packetBytes;
    this.startedMs = clock.monoMs();
    this.roster = deps.createRoster();
    this.publisher = new NodePublisher(deps);
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    const dead = (reason: string) => this.finish({ reason: `${reason}.`, takenOver: false });
    this.fence = new PingFence({ client, clock, ackTimeoutMs, dead });
    this.listen();
  }

  /** The metrics of the birth that is in force. */
  get metrics(): Roster {
    return this.roster;
  }

  get window(): number {
    return this.deps.suspicion.isCareful ? 1 : WINDOW;
  }

  /** Hears of commands, and of the primary host where there is one; rejects when the session ends. */
  async subscribe(): Promise<void> {
    const { host } = this.deps;
    await this.hearCommands();
    if (host && (await this.ask([host.topic])))
      throw new Fault(
        `the broker does not let this gateway read ${host.topic}, so that it cannot know whether the primary host listens`,
        'Give it the right to in the broker, or remove primaryHost.',
      );
  }

  /** Asks to be told of the commands that it is not told of yet. */
  private async hearCommands(): Promise<void> {
    const { name, commanded, log } = this.deps;
    const all = [topicOf(name, 'NCMD'), ...[...commanded()].map((device) => topicOf(name, 'DCMD', device))];
    const topics = all.filter((topic) => !this.heard.has(topic));
    if (topics.length === 0) return;
    for (const topic of topics) this.heard.add(topic);
    if (!(await this.ask(topics))) return;
    this.commandsRefused = `the broker does not let this gateway read ${topics[0]}, so that a host can ask for nothing; give it the right to`;
    log.warn(this.commandsRefused);
  }

  /** Resolves once the primary host is there; rejects when the session ends. At once where there is none. */
  hostIsThere(): Promise<unknown> {
    const { host } = this.deps;
    if (!host || host.isOnline) return Promise.resolve();
    return this.orEnded(
      new Promise<void>((resolve) => {
        this.hostCame = resolve;
      }),
    );
  }

  /** Publishes every birth; resolves when the broker has them. */
  birth(signal: AbortSignal): Promise<void> {
    return this.fence.passed(this.giveBirth(), signal);
  }

  /** Tells of another configuration by births; its devices may be commanded before a host can know of them. */
  async announce(signal: AbortSignal): Promise<void> {
    if (this.isOver) return;
    await this.hearCommands();
    if (!this.isOver) await this.birth(signal);
  }

  trouble(): string | undefined {
    return this.commandsRefused;
  }

  send(batch: OutgoingBatch, signal: AbortSignal): Promise<SendResult> {
    if (this.isOver) return Promise.reject(new Error(this.end?.reason ?? 'the session is being closed'));
    if (signal.aborted) return Promise.reject(signal.reason);
    if (batch.kind === 'texts') return Promise.reject(new Error('Sparkplug needs records, not their text'));
    const bytes =
      batch.kind === 'event'
        ? this.publisher.publish('NDATA', undefined, [this.deps.events.data(batch)])
        : this.publishRecords(batch);
    this.unconfirmed.add(batch);
    return this.fence.passed(bytes, signal).then(
      () => {
        this.unconfirmed.delete(batch);
        this.confirm(batch);
        return { ok: true };
      },
      (error: unknown) => {
        // While it is open whose fault the end was, the first that was not confirmed has to be known.
        if (!this.end) this.unconfirmed.delete(batch);
        throw error;
      },
    );
  }

  close(): Promise<void> {
    this.closing ??= this.leave({ reason: 'closed by the gateway', takenOver: false }, true);
    return this.closing;
  }

  private get isOver(): boolean {
    return this.closing !== undefined || this.end !== undefined;
  }

  /** Asks to be told of topics; whether that was refused. */
  private ask(topics: string[]): Promise<boolean> {
    return this.orEnded(
      new Promise((resolve) => {
        this.deps.client.subscribe(topics, { qos: 1 }, (error, granted) =>
          resolve(error !== null && error !== undefined ? true : (granted ?? []).some(({ qos }) => qos >= 128)),
        );
      }),
    );
  }

  /** The result of some work, or a rejection when the session ends first. */
  private orEnded<T>(work: Promise<T>): Promise<T> {
    const lost = this.ended.then(({ reason }): never => {
      throw new Fault(reason, '');
    });
    return Promise.race([work, lost]);
  }

  /** NBIRTH, then the DBIRTH of every device that can be reached, in one go: nothing else goes between them. Gives bytes. */
  private giveBirth(): number {
    const { clock, events, bdSeq, createRoster } = this.deps;
    const known = this.roster.born();
    this.cancelRebirth?.();
    this.cancelRebirth = undefined;
    this.roster = createRoster();
    this.isBorn = true;
    this.bornMs = clock.monoMs();
    this.publisher.startAgain();
    let bytes = this.publisher.publish('NBIRTH', undefined, events.birth(bdSeq, clock.wallMs()));
    for (const device of this.roster.reachable()) bytes += this.birthOf(device);
    for (const device of known)
      if (this.roster.has(device) && !this.roster.isBorn(device)) bytes += this.birthOf(device);
    return bytes;
  }

  private birthOf(device: string): number {
    return this.publisher.publish('DBIRTH', device, this.roster.birth(device, this.deps.clock.wallMs()));
  }

  private deathOf(device: string): number {
    this.roster.died(device);
    this.lentSince.delete(device);
    return this.publisher.publish('DDEATH', device, []);
  }

  /** Records of one device go together as long as time goes on; what becomes of the device goes between them. */
  private publishRecords({ records, seq, lane }: Extract<OutgoingBatch, { kind: 'readings' }>): number {
    const { roster } = this;
    const gathered = new Map<string, { metrics: Metric[]; wallMs: number }>();
    let bytes = 0;
    const flush = (device: string): void => {
      const metrics = gathered.get(device)?.metrics;
      gathered.delete(device);
      if (metrics) bytes += this.publisher.publish('DDATA', device, metrics);
    };
    const take = (record: DeviceRecord, number: number): void => {
      const { device, at } = record;
      if (lane === 'live' && saysLost(record) && roster.isBorn(device) && !roster.isLent(device)) {
        flush(device);
        bytes += this.deathOf(device);
      }
      // Of a device that is not there, that there is no value is said already.
      if (!roster.isBorn(device) && !record.fields.hasValue()) return;
      if (roster.prepare(record)) {
        flush(device);
        bytes += this.birthOf(device);
      }
      if ((gathered.get(device)?.wallMs ?? 0) > at.wallMs) flush(device);
      const metrics = roster.data(record, number, lane);
      const group = gathered.get(device);
      if (group) group.metrics.push(...metrics);
      gathered.set(device, { metrics: group?.metrics ?? metrics, wallMs: at.wallMs });
      if (roster.isLent(device)) this.lend(device);
    };
    for (const [index, record] of records.entries()) take(record, seq + index);
    for (const device of [...gathered.keys()]) flush(device);
    return bytes;
  }

  /** Has a device that was born for its backlog die when that is done. */
  private lend(device: string): void {
    this.lentSince.set(device, this.deps.clock.monoMs());
    this.cancelLent ??= this.deps.clock.after(LENT_MS, () => {
      this.cancelLent = undefined;
      if (this.isOver) return;
      const doneMs = this.deps.clock.monoMs() - LENT_MS;
      for (const [name, sinceMs] of [...this.lentSince]) {
        if (!this.roster.isLent(name)) this.lentSince.delete(name);
        else if (sinceMs <= doneMs) this.deathOf(name);
        else this.lend(name);
      }
    });
  }

  private confirm(batch: OutgoingBatch): void {
    const { suspicion, host, clock } = this.deps;
    suspicion.confirmed({ kind: 'batch', batch });
    if (!host || batch.kind === 'texts') return;
    const atMs = clock.monoMs();
    const count = batch.kind === 'event' ? 1 : batch.records.length;
    const stream = batch.kind === 'event' ? 'events' : 'readings';
    this.confirmed.push({ atMs, stream, range: { from: batch.seq, to: batch.seq + count } });
    if (this.confirmed[0]!.atMs < atMs - 2 * HOST_DOUBT_MS) this.confirmed = this.doubtful();
  }

  private doubtful(): NodeSession['confirmed'] {
    const sinceMs = this.deps.clock.monoMs() - HOST_DOUBT_MS;
    return this.confirmed.filter(({ atMs }) => atMs >= sinceMs);
  }

  /** Ends the session as the standard wants it: NDEATH first. @param drains waits for what is under way */
  private async leave(end: SessionEnd, drains: boolean): Promise<void> {
    const { client, clock, bdSeq, protocolVersion } = this.deps;
    if (this.end) return;
    const step = (work: Promise<unknown>): Promise<boolean> =>
      within(
        clock,
        CLOSE_STEP_MS,
        () => Promise.race([work.then(() => true), this.ended.then(() => false)]),
        () => false,
      );
    if (drains) await step(this.fence.drained());
    this.fence.shut(end.reason);
    const isSaid = !this.isBorn || (!this.end && (await step(this.publisher.publishDeath(bdSeq))));
    // Without the confirmation the library would wait before it says goodbye; then the broker speaks the will.
    const goodbye = this.isBorn && protocolVersion === 5 ? { reasonCode: 0x04 } : {};
    if (isSaid && !this.end) await step(new Promise((resolve) => client.end(false, goodbye, () => resolve(undefined))));
    this.finish(end);
  }

  private finish(end: SessionEnd): void {
    if (this.end) return;
    this.end = end;
    this.cancelRebirth?.();
    this.cancelLent?.();
    // Whoever waits for `ended` finds every send still open, so that what was hung up on can be told from the rest.
    this.resolveEnded(end);
    setImmediate(() => this.fence.shut(end.reason));
    this.deps.client.end(true);
    this.deps.client.stream.destroy();
  }

  private hear(topic: string, payload: Buffer, retained: boolean): void {
    const { name, host, commands } = this.deps;
    if (this.isOver) return;
    const news = host?.hear(topic, payload);
    if (news === 'online') this.hostCame();
    else if (news !== undefined) this.hostWent(news === 'lost');
    if (topic === topicOf(name, 'NCMD')) {
      if (commands.asksForRebirth(topic, payload, retained, REBIRTH)) this.rebirth();
    } else if (topic.startsWith(`${topicOf(name, 'DCMD')}/`))
      commands.device(topic.slice(topicOf(name, 'DCMD').length + 1), topic, payload, retained);
  }

  private rebirth(): void {
    if (!this.isBorn || this.cancelRebirth) return;
    const waitMs = Math.max(0, this.bornMs + REBIRTH_EVERY_MS - this.deps.clock.monoMs());
    if (waitMs === 0) {
      this.giveBirth();
      return;
    }
    this.cancelRebirth = this.deps.clock.after(waitMs, () => {
      if (!this.isOver) this.giveBirth();
    });
  }

  /** Nobody listens any more: the session ends, and what may not have been heard goes again. */
  private hostWent(isLost: boolean): void {
    if (!this.isBorn) return;
    const again = isLost ? this.doubtful().map(({ stream, range }) => ({ stream, range })) : [];
    const reason = 'the primary host went offline: what is read is stored until it is back.';
    this.closing ??= this.leave({ reason, takenOver: false, isPlanned: true, again }, false);
  }

  /** Ends the session when the client reports its end, in whichever way it does. */
  private listen(): void {
    const { client, clock, explain, clientId } = this.deps;
    const closed = (): void => {
      if (this.isOver) return;
      const [batch] = this.unconfirmed;
      const first: Subject | undefined = batch && { kind: 'batch', batch };
      this.finish(this.deps.closedByBroker(clock.monoMs() - this.startedMs, first));
    };
    client.on('message', (topic, payload, packet) => this.hear(topic, payload, packet.retain));
    client.on('error', (error: Error) => {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ECONNRESET' || code === 'EPIPE') closed();
      else if (!this.isOver) this.finish({ reason: explain(error), takenOver: false });
    });
    client.on('close', closed);
    client.on('disconnect', ({ reasonCode = 0 }) => {
      const takenOver = reasonCode === SESSION_TAKEN_OVER;
      const reason = takenOver ? takeoverText(clientId) : `the broker ended the session: ${reasonText(reasonCode)}.`;
      this.finish({ reason, takenOver });
    });
  }
}
