/** One connection to an HTTP server: a request at a time, so that what is sent arrives in its order. */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { HttpConfig } from '../../config/config.ts';
import { type Clock, underBoth, within } from '../../core/clock.ts';
import { codeOf, messageOf } from '../../core/errors.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { Random } from '../../core/random.ts';
import type { HttpCommands } from '../commands/http-commands.ts';
import type { OutgoingBatch, SendResult, SessionEnd, UplinkSession } from '../uplink.ts';
import { type Answer, judgeAnswer } from './http-answer.ts';
import type { HttpForm, HttpMessage } from './http-form.ts';

/** What a session needs. */
interface HttpSessionDeps {
  /** The connection that showed that the server is there; the first request goes over it. */
  readonly first: Duplex;
  /** Opens another, where the server closed one that was idle. */
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
  readonly config: Pick<HttpConfig, 'compression' | 'ackTimeoutMs'>;
  readonly form: HttpForm;
  /** Headers of every request: who sends, and by what right. */
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: 'token' | 'password' | undefined;
  /** `host:port`, for the texts. */
  readonly address: string;
  readonly explain: (error: unknown) => string;
  readonly clock: Clock;
  readonly random: Random;
  /** Absent: nothing may be ordered over it. */
  readonly commands: HttpCommands | undefined;
}

/** Of an answer no more than this is kept; a server that sends more is hung up on. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** A connection that was idle for so long is closed by many servers, which is no trouble; one closed sooner was lost. */
const IDLE_MS = 1500;

/** A line is taken to be no slower than this until it has shown how fast it is. Bytes a second. */
const SLOWEST_LINE = 1000;

/** Pauses where the server asks for one and does not say how long. */
const PAUSE = { minMs: 1000, maxMs: 60_000 };

/** How long `close` waits for the answer that is under way. */
const CLOSE_MS = 600;

const zip = promisify(gzip);

/** An exchange that got no answer. `isStale`: the server closed the connection, as servers do with idle ones. */
class NoAnswer extends Error {
  readonly isStale: boolean;

  constructor(cause: unknown, isStale: boolean) {
    super(messageOf(cause), { cause });
    this.isStale = isStale;
  }
}

/** A session that posts. Requests wait here while the server asks for a pause. */
export class HttpSession implements UplinkSession {
  /** One: with two, the second may overtake the first. */
  readonly window = 1;
  readonly ended: Promise<SessionEnd>;
  private readonly deps: HttpSessionDeps;
  private readonly stop = new AbortController();
  private readonly agent: Agent;
  private resolveEnded: (end: SessionEnd) => void = () => {};
  private end: SessionEnd | undefined;
  private underWay: Promise<unknown> = Promise.resolve();
  private isBusy = false;
  private usedMs: number;
  private pausedUntilMs = 0;
  private pauses = 0;
  private pausedBecause: string | undefined;
  private bytesPerSecond = SLOWEST_LINE;

  constructor(deps: HttpSessionDeps) {
    this.deps = deps;
    this.usedMs = deps.clock.monoMs();
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    this.agent = new OneConnection(
      deps.first,
      () => deps.open(this.stop.signal),
      (socket) => this.watch(socket),
    );
  }

  send(batch: OutgoingBatch, signal: AbortSignal): Promise<SendResult> {
    const gone = () => Promise.reject(new Error(this.end?.reason ?? 'the session is being closed'));
    if (this.end || this.stop.signal.aborted) return gone();
    if (signal.aborted) return Promise.reject(signal.reason);
    const turn = this.underWay.then(() => (this.end ? gone() : this.deliver(batch, signal)));
    this.underWay = turn.catch(() => {});
    return turn;
  }

  /** Why it waits, until something is taken. */
  trouble(): string | undefined {
    const leftMs = this.pausedUntilMs - this.deps.clock.monoMs();
    if (this.pausedBecause === undefined) return undefined;
    // Asked again, and not answered yet: it is no better.
    if (leftMs <= 0) return `${this.pausedBecause}; asked again now`;
    return `${this.pausedBecause}; next attempt in ${formatDuration(Math.max(1000, Math.round(leftMs / 1000) * 1000))}`;
  }

  async close(): Promise<void> {
    if (this.end) return;
    // What waits for its turn or for the end of a pause is not sent any more; what was sent may still be answered.
    this.stop.abort(new Error('closed by the gateway'));
    await within(
      this.deps.clock,
      CLOSE_MS,
      () => this.underWay,
      () => {},
    );
    this.finish('closed by the gateway');
  }

  private async deliver(batch: OutgoingBatch, signal: AbortSignal): Promise<SendResult> {
    const { clock, form, address, credentials } = this.deps;
    signal.throwIfAborted();
    this.stop.signal.throwIfAborted();
    const pauseMs = this.pausedUntilMs - clock.monoMs();
    if (pauseMs > 0) await underBoth(signal, this.stop.signal, (either) => clock.sleep(pauseMs, either));
    let message: HttpMessage | undefined;
    try {
      message = form.message(batch);
    } catch (error) {
      return { ok: false, why: `it cannot be written for this server: ${messageOf(error)}` };
    }
    if (!message) return { ok: true };
    const answer = await this.exchange(message, signal);
    const place = `${address}${message.url.pathname}`;
    const verdict = judgeAnswer(answer, form, {
      place,
      credentials,
      wallMs: clock.wallMs(),
      items: message.items,
    });
    switch (verdict.kind) {
      case 'taken':
        this.pauses = 0;
        this.pausedBecause = undefined;
        this.takeCommands(answer.body);
        return { ok: true };
      case 'refused':
        return { ok: false, why: verdict.why, tooLarge: verdict.tooLarge };
      case 'wait':
        this.pause(verdict.why, verdict.forMs);
        throw new Error(verdict.why);
      case 'over':
        this.finish(verdict.why);
        throw new Error(verdict.why);
    }
  }

  /** Carries out what an answer orders, beside what is sent; the replies go in their turn. */
  private takeCommands(body: string): void {
    const { commands, address } = this.deps;
    commands?.replyTo(body, address).then((reply) => {
      if (!reply || this.end) return;
      const turn = this.underWay.then(() => (this.end ? undefined : this.exchange(reply, this.stop.signal)));
      // A reply that is lost is given again when its command comes again. Its answer orders nothing: that might never end.
      this.underWay = turn.catch(() => {});
    });
  }

  private pause(why: string, forMs: number | undefined): void {
    const grown = Math.min(PAUSE.maxMs, PAUSE.minMs * 2 ** Math.min(this.pauses++, 10));
    this.pausedBecause = why;
    this.pausedUntilMs = this.deps.clock.monoMs() + (forMs ?? grown * (0.5 + this.deps.random() / 2));
  }

  /** Sends a request and gives its answer. A connection that the server closed while it was idle costs one more attempt. */
  private async exchange(message: HttpMessage, signal: AbortSignal): Promise<Answer> {
    const isZipped = this.deps.config.compression === 'gzip';
    const body = isZipped ? await zip(message.body) : Buffer.from(message.body);
    const headers = { ...this.deps.headers, ...message.headers, ...(isZipped && { 'content-encoding': 'gzip' }) };
    const ask = () => this.attempt(message.url, headers, body, signal);
    this.isBusy = true;
    try {
      return await ask().catch((error: unknown) => {
        if (error instanceof NoAnswer && error.isStale && !this.end) return ask();
        throw error;
      });
    } catch (error) {
      if (!signal.aborted && !this.stop.signal.aborted)
        this.finish(this.deps.explain(error instanceof NoAnswer ? error.cause : error));
      throw error;
    } finally {
      this.isBusy = false;
    }
  }

  private attempt(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { clock, config, address } = this.deps;
    const startedMs = clock.monoMs();
    const wasIdle = startedMs - this.usedMs > IDLE_MS;
    const limitMs = config.ackTimeoutMs + Math.round((body.length * 1000) / this.bytesPerSecond);
    return new Promise((resolve, reject) => {
      const { agent } = this;
      const path = `${url.pathname}${url.search}`;
      const posted = request({
        agent,
        path,
        method: 'POST',
        host: url.hostname,
        port: url.port || 80,
        headers: { host: url.host, 'content-length': body.length, ...headers },
      });
      const late = `${address} did not answer within ${formatDuration(limitMs)}. Look at the line and the server.`;
      const cancel = clock.after(limitMs, () => posted.destroy(new Error(late)));
      const onAbort = () => posted.destroy(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      const settled = (): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.usedMs = clock.monoMs();
      };
      posted.on('error', (error) => {
        settled();
        const isCut = ['ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '');
        reject(new NoAnswer(error, isCut && wasIdle && posted.reusedSocket));
      });
      posted.on('response', (response) => {
        collect(response, posted).then((answer) => {
          settled();
          this.bytesPerSecond = Math.max(SLOWEST_LINE, (body.length * 1000) / Math.max(1, this.usedMs - startedMs) / 2);
          resolve(answer);
        }, reject);
      });
      posted.end(body);
    });
  }

  /** A connection that closes while nothing is under way: idle ones are closed by many servers, others were lost. */
  private watch(socket: Duplex): void {
    socket.on('error', () => {});
    socket.once('close', () => {
      if (this.isBusy || this.deps.clock.monoMs() - this.usedMs > IDLE_MS) return;
      this.finish(`${this.deps.address} closed the connection.`);
    });
  }

  private finish(reason: string): void {
    if (this.end) return;
    this.end = { reason, takenOver: false };
    this.stop.abort(new Error(reason));
    this.agent.destroy();
    this.deps.first.destroy();
    this.resolveEnded(this.end);
  }
}

/** Reads an answer whole; what is beyond the bound ends the connection. */
function collect(response: IncomingMessage, posted: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) posted.destroy(new Error('the answer is larger than 1 MB'));
      else chunks.push(chunk);
    });
    response.on('error', (error) => reject(new NoAnswer(error, false)));
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        retryAfter: response.headers['retry-after'],
        date: response.headers.date,
        location: response.headers.location,
        body: Buffer.concat(chunks).toString('utf8'),
      }),
    );
  });
}

/** Keeps one connection, which was opened already, and opens another when that is gone. */
class OneConnection extends Agent {
  private first: Duplex | undefined;
  private readonly open: () => Promise<Duplex>;
  private readonly watch: (socket: Duplex) => void;

  constructor(first: Duplex, open: () => Promise<Duplex>, watch: (socket: Duplex) => void) {
    super({ keepAlive: true, maxSockets: 1 });
    this.first = first;
    this.open = open;
    this.watch = watch;
    watch(first);
  }

  override createConnection(_options: unknown, done?: (error: Error | null, socket: Duplex) => void): undefined {
    const { first } = this;
    this.first = undefined;
    const opened = first && !first.destroyed ? Promise.resolve(first) : this.open();
    opened.then(
      (socket) => {
        if (socket !== first) this.watch(socket);
        done?.(null, socket);
      },
      (error: Error) => done?.(error, undefined as unknown as Duplex),
    );
    return undefined;
  }
}
