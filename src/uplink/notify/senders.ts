/** Sends one message to whom a notifier speaks: by mail, to a webhook, or to a chat of Telegram. */
import { request } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { NotifyConfig, NotifyTarget, TlsConfig } from '../../config/config.ts';
import { type Clock, within } from '../../core/clock.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import { throughProxy } from '../http/proxy.ts';
import { createDialer, type Dial } from '../mqtt-dial.ts';
import { loadTls, type ReadFile, type ReadSecret, tlsOptions } from '../mqtt-tls.ts';
import { type BrokerContext, explainTrouble } from '../mqtt-trouble.ts';
import { mailText } from './mail-text.ts';
import type { NoticeText } from './notice-text.ts';
import { sendMail } from './smtp.ts';

/** What sending needs. */
interface SenderDeps {
  readonly clock: Clock;
  /** `gateway.id`. */
  readonly gateway: string;
  readonly secrets: ReadSecret;
  readonly readFile: ReadFile;
  /** Opens the stream. Default: sockets of this machine. */
  readonly dial?: Dial;
}

/** A message has to be taken within this. */
const DEADLINE_MS = 60_000;

/** Of an answer no more than this is looked at. */
const MAX_ANSWER_BYTES = 16_384;

/** Telegram's limit of a message, characters. https://core.telegram.org/bots/api#sendmessage */
const MAX_TELEGRAM = 4096;

/** Resolves when the other side has taken the message, with what of it was not; rejects with a `Fault` that names cause and remedy. */
export type Send = (text: NoticeText, signal: AbortSignal) => Promise<string | undefined>;

/** The way to a target. Certificates and secrets are read anew for each message. */
export function createSender({ target, proxy }: Pick<NotifyConfig, 'target' | 'proxy'>, deps: SenderDeps): Send {
  const dial = throughProxy(deps.dial ?? createDialer(deps.clock), proxy, deps.secrets);
  const ways = { mail, webhook, telegram };
  const way = ways[target.kind] as (target: NotifyTarget, text: NoticeText, line: Line) => Promise<string | undefined>;
  return (text, signal) =>
    within(
      deps.clock,
      DEADLINE_MS,
      (either) => way(target, text, { deps, dial, signal: either }),
      () => {
        throw new Fault(
          `${placeOf(target)} did not take the message within ${DEADLINE_MS / 1000} s`,
          'Check the address, and firewalls on the way.',
        );
      },
      signal,
    );
}

/** Where a target is, as messages name it. */
export function placeOf(target: NotifyTarget): string {
  if (target.kind === 'mail') return `${target.host}:${target.port}`;
  const { protocol, hostname, port } = new URL(target.url);
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
}

interface Line {
  readonly deps: SenderDeps;
  readonly dial: Dial;
  readonly signal: AbortSignal;
}

async function mail(target: Extract<NotifyTarget, { kind: 'mail' }>, text: NoticeText, line: Line) {
  const { host, port, security, from, to, username, password } = target;
  const { deps } = line;
  const secret = password && (await deps.secrets(password)).replace(/[\r\n]+$/, '');
  const name = target.tls?.serverName ?? (isIP(host) === 0 ? host : undefined);
  const options = { ...tlsOptions(await loadTls(target.tls, deps.readFile, deps.secrets), name), host };
  const stream = await opened(line, { host, port, tls: security === 'tls' ? options : undefined }, target);
  try {
    const refused = await sendMail(
      {
        stream,
        address: placeOf(target),
        startTls: security === 'starttls' ? options : undefined,
        login: username !== undefined && secret !== undefined ? { username, password: secret } : undefined,
        hello: `${deps.gateway}.invalid`,
      },
      { from, to, data: mailText({ from, to, ...text, atMs: deps.clock.wallMs(), gateway: deps.gateway }) },
    );
    return refused.length === 0 ? undefined : `${placeOf(target)} refused the recipients ${refused.join(', ')}`;
  } catch (error) {
    throw explained(error, target, target.tls);
  } finally {
    stream.destroy();
  }
}

async function webhook(target: Extract<NotifyTarget, { kind: 'webhook' }>, { json }: NoticeText, line: Line) {
  const { url, token, tls } = target;
  const headers = token && { authorization: `Bearer ${(await line.deps.secrets(token)).trim()}` };
  const { status, body } = await post(new URL(url), { ...headers }, json, tls, target, line);
  if (status < 200 || status > 299) throw refusal(placeOf(target), status, body, 'Check url and token.');
  return undefined;
}

async function telegram(target: Extract<NotifyTarget, { kind: 'telegram' }>, text: NoticeText, line: Line) {
  const token = (await line.deps.secrets(target.token)).trim();
  if (!/^\d+:[A-Za-z0-9_-]+$/.test(token))
    throw new Fault(
      'the file under token holds no token of a Telegram bot',
      'BotFather shows it, such as 123456:ABC-DEF.',
    );
  const url = new URL(`/bot${token}/sendMessage`, target.url);
  const message = `${text.subject}\n\n${text.body}`.slice(0, MAX_TELEGRAM);
  const json = JSON.stringify({ chat_id: target.chat, text: message, disable_web_page_preview: true });
  const { status, body } = await post(url, {}, json, undefined, target, line);
  if (status !== 200) throw refusal(placeOf(target), status, body, telegramRemedy(status));
  return undefined;
}

function telegramRemedy(status: number): string {
  if (status === 401 || status === 404) return 'Check the file of the token.';
  if (status === 400 || status === 403) return 'Check chat, and that the bot was invited or written to there.';
  return 'It is tried again.';
}

function refusal(place: string, status: number, body: string, remedy: string): Fault {
  const said = body
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
  return new Fault(`${place} answers ${status}${said === '' ? '' : `: ${said}`}`, remedy);
}

/** A stream that stands; its trouble is a `Fault`. */
async function opened({ dial, signal }: Line, where: Parameters<Dial>[0], target: NotifyTarget): Promise<Duplex> {
  try {
    const stream = await dial(where, signal);
    signal.addEventListener('abort', () => stream.destroy(), { once: true });
    return stream;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw explained(error, target, 'tls' in target ? target.tls : undefined);
  }
}

function explained(error: unknown, target: NotifyTarget, tls: TlsConfig | undefined): Fault {
  if (error instanceof Fault) return error;
  const context: BrokerContext = {
    address: placeOf(target),
    secure: true,
    clientId: '',
    username: undefined,
    peer: 'server',
    ca: tls?.ca,
    cert: tls?.cert,
  };
  return new Fault(explainTrouble(error, context), '', EXIT.failed, { cause: error });
}

/** One POST over a connection of its own. Redirects are not followed, because a token would go there, too. */
async function post(
  url: URL,
  headers: Readonly<Record<string, string>>,
  json: string,
  tlsConfig: TlsConfig | undefined,
  target: NotifyTarget,
  line: Line,
): Promise<{ status: number; body: string }> {
  const isSecure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const files = await loadTls(tlsConfig, line.deps.readFile, line.deps.secrets);
  const name = tlsConfig?.serverName ?? (isIP(host) === 0 ? host : undefined);
  const port = Number(url.port) || (isSecure ? 443 : 80);
  const stream = await opened(line, { host, port, tls: isSecure ? tlsOptions(files, name) : undefined }, target);
  try {
    return await answered(url, headers, json, stream);
  } catch (error) {
    if (line.signal.aborted) throw line.signal.reason;
    throw explained(error, target, tlsConfig);
  } finally {
    stream.destroy();
  }
}

function answered(
  url: URL,
  headers: Readonly<Record<string, string>>,
  json: string,
  stream: Duplex,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => stream,
      method: 'POST',
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        connection: 'close',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(json),
        ...headers,
      },
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        if (body.length < MAX_ANSWER_BYTES) body += chunk.toString('utf8');
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.end(json);
  });
}
