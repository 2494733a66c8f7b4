/** Finds the route of a request, reads its body within bounds, and sends what the route answers. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, within } from '../core/clock.ts';
import { Fault, messageOf } from '../core/errors.ts';
import { installed } from '../core/file-system.ts';
import type { Logger } from '../core/log.ts';
import { type Answer, answerTo, integer, Refused, type Route, type RouteRequest, refusal } from './answer.ts';
import { type AnswerSchemas, openApi } from './description/openapi.ts';
import { type BodyOf, type BodyShape, troubleOf } from './description/shape.ts';
import { type Caller, callerOf, SECURITY_HEADERS, type Transport } from './guard.ts';
import { toJson } from './json.ts';
import { knownTags } from './known-tags.ts';
import type { PageFiles } from './page-files.ts';
import { ROUTES } from './routes.ts';
import { parsePlace } from './stream/follow.ts';
import { MAX_RECORDINGS, type Recordings } from './stream/recordings.ts';
import { MAX_STREAM_CLIENTS, type Streams } from './stream/stream.ts';
import type { Tokens } from './tokens/tokens.ts';
import type { GatewayView } from './view.ts';

/** Largest body of a request, bytes. */
const MAX_BODY_BYTES = 1_000_000;

/** Most levels of a body. */
const MAX_DEPTH = 32;

/** Characters of JSON; what closes a bracket is two behind what opens it. */
const [QUOTE, BACKSLASH, BRACKET, BRACE] = [0x22, 0x5c, 0x5b, 0x7b];

/** What is read of a body that nobody wants, so that its sender gets the answer, bytes. */
const MAX_DROPPED_BYTES = 8_000_000;

/** Longest time a request may take, ms; reading slow devices on a shared line is the longest of them. */
const REQUEST_DEADLINE_MS = 30_000;

/** A connection is kept open for so much longer than what is asked on it may take, ms. */
const OPEN_LONGER_MS = 10_000;

/** What the application is made of. */
interface AppParts {
  readonly view: GatewayView;
  readonly streams: Streams;
  readonly recordings: Recordings;
  readonly tokens: Tokens;
  readonly pageFiles: PageFiles;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
}

/** One request that has passed the guard. */
interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly transport: Transport;
  readonly caller: Caller;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/** Answers a request; never rejects. */
export type Application = (incoming: IncomingMessage, outgoing: ServerResponse, transport: Transport) => Promise<void>;

/** The routes as a function that answers requests. */
export function createApp(parts: AppParts): Application {
  let description: object | undefined;
  const answerOf = (route: Route, exchange: Exchange): Promise<Answer | undefined> | Answer | undefined => {
    if (route.path === '/api/v1/stream') return stream(parts, exchange);
    if (route.path === '/api/v1/record') return record(parts, exchange);
    if (!route.answer) {
      description ??= openApi(ROUTES, answerSchemas(), parts.version);
      return { status: 200, body: description };
    }
    return serve(parts, { answer: route.answer, deadlineMs: route.deadlineMs ?? REQUEST_DEADLINE_MS }, exchange);
  };
  return async (incoming, outgoing, transport) => {
    try {
      const { pathname, query } = targetOf(incoming);
      const found = matching(pathname);
      const file = found.length === 0 && pageFile(parts, incoming, pathname);
      if (file) return respond(outgoing, file);
      if (found.length === 0)
        throw new Refused(404, `nothing at ${pathname.slice(0, 200)}`, 'GET /api/v1/openapi.json lists what there is.');
      const wanted = incoming.method === 'HEAD' ? 'GET' : incoming.method;
      const match = found.find(({ route }) => route.method.toUpperCase() === wanted);
      if (!match) return refuseMethod(incoming, outgoing, pathname, found);
      const caller = callerOf(match.route, transport, incoming, parts.tokens);
      const answer = await answerOf(match.route, {
        incoming,
        outgoing,
        transport,
        caller,
        query,
        params: match.params,
      });
      if (answer) respond(outgoing, answer);
    } catch (thrown) {
      tellBug(parts.log, thrown);
      respond(outgoing, answerTo(thrown));
    }
  };
}

/** They are in a file beside the program, which is read only when somebody asks for the description. */
function answerSchemas(): AnswerSchemas {
  return JSON.parse(readFileSync(installed('config/api-answers.json'), 'utf8')) as AnswerSchemas;
}

/** A file of the page: anybody may have it, as there is nothing of the plant in it. */
function pageFile({ pageFiles }: AppParts, { method, headers }: IncomingMessage, pathname: string): Answer | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const known = headers['if-none-match'];
  return pageFiles(pathname, { encodings: [headers['accept-encoding']].flat().join(), known });
}

/** Path and query of a request, as they were sent. */
function targetOf({ url = '/' }: IncomingMessage): { pathname: string; query: URLSearchParams } {
  const [pathname = '/', ...query] = url.split('?');
  return { pathname, query: new URLSearchParams(query.join('?')) };
}

/** The routes whose path this is, with what stands in the place of their parameters. */
function matching(pathname: string): { route: Route; params: Record<string, string> }[] {
  const segments = pathname.split('/').map(decoded);
  return ROUTES.flatMap((route) => {
    const pattern = route.path.split('/');
    if (pattern.length !== segments.length) return [];
    const params: Record<string, string> = {};
    for (const [index, part] of pattern.entries()) {
      const segment = segments[index]!;
      if (part.startsWith('{')) params[part.slice(1, -1)] = segment;
      else if (part !== segment) return [];
    }
    return [{ route, params }];
  });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refused(400, 'the path is not encoded as URLs are', 'Write % as %25.');
  }
}

/** RFC 9110, 15.5.6: an answer with 405 names the methods that there are. */
function refuseMethod(
  { method }: IncomingMessage,
  outgoing: ServerResponse,
  pathname: string,
  found: readonly { readonly route: Route }[],
): void {
  const others = found.map(({ route }) => route.method.toUpperCase());
  outgoing.setHeader('Allow', others.join(', '));
  respond(outgoing, refusal(405, `${method} is not for ${pathname.slice(0, 200)}`, `Use ${others.join(' or ')}.`));
}

/** Runs one route within its deadline; the route's signal also ends when the client goes away. */
function serve(
  { view, clock }: AppParts,
  { answer, deadlineMs }: { readonly answer: NonNullable<Route['answer']>; readonly deadlineMs: number },
  { incoming, outgoing, caller, params, query }: Exchange,
): Promise<Answer> {
  const gone = new AbortController();
  outgoing.on('close', () => gone.abort());
  if (deadlineMs > REQUEST_DEADLINE_MS) incoming.socket.setTimeout(deadlineMs + OPEN_LONGER_MS);
  const late = (): never => {
    throw new Refused(504, 'no answer within the deadline', 'A device or the disk is slow; see millgate status.');
  };
  const answered = async (deadline: AbortSignal): Promise<Answer> => {
    const request: RouteRequest = {
      params,
      query: (name) => query.get(name) ?? undefined,
      body: async (shape) => checkedBody(named(await parsedBody(incoming), caller), shape),
      signal: AbortSignal.any([deadline, gone.signal]),
      nowMs: clock.wallMs(),
    };
    return answer(view, request);
  };
  return within(clock, deadlineMs, answered, late);
}

/** Undefined when the stream was begun: it answers by itself from then on. */
function stream({ view, streams }: AppParts, { incoming, outgoing, transport, query }: Exchange): Answer | undefined {
  refuseHead(incoming);
  const tags = query.getAll('tag');
  knownTags(view, tags);
  const wish = {
    tags: new Set(tags),
    paceMs: integer({ query: (name) => query.get(name) ?? undefined }, 'pace', 100, 10_000),
    page: query.get('page') === '1',
    place: parsePlace([incoming.headers['last-event-id']].flat()[0]),
  };
  if (streams.attach(outgoing, wish, transport)) return endless(incoming);
  throw new Refused(503, `${MAX_STREAM_CLIENTS} clients follow already`, 'Close one of them and try again.');
}

/** Bus traffic shows what was written to machines, too: it is for those who may use the socket. */
function record({ recordings }: AppParts, { incoming, outgoing, transport, query }: Exchange): Answer | undefined {
  refuseHead(incoming);
  if (transport !== 'socket')
    throw new Refused(401, 'bus traffic is not given out over TCP', 'Use the command line: millgate record FILE.');
  if (recordings.attach(outgoing, query.getAll('channel'))) return endless(incoming);
  throw new Refused(503, `${MAX_RECORDINGS} recordings run already`, 'End one of them and try again.');
}

/** It answers by itself from then on, and is not ended when there is nothing to say for long. */
function endless({ socket }: IncomingMessage): undefined {
  socket.setTimeout(0);
}

/** What never ends has no head of its own. */
function refuseHead({ method }: IncomingMessage): void {
  if (method === 'HEAD') throw new Refused(405, 'HEAD is not for what never ends', 'Use GET.');
}

/** The body of a request as JSON, however its length is announced. */
async function parsedBody(incoming: IncomingMessage): Promise<unknown> {
  const text = await bodyOf(incoming);
  if (text === '') throw new Refused(400, 'the body is empty', 'Send a JSON object.');
  if (!/^application\/json\b/i.test(incoming.headers['content-type'] ?? ''))
    throw new Refused(415, 'the body is not declared as JSON', 'Send the header Content-Type: application/json.');
  if (isTooDeep(text)) throw new Refused(400, 'the body is nested too deeply', `Send at most ${MAX_DEPTH} levels.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refused(400, 'the body is not JSON', `JSON says: ${messageOf(error)}.`);
  }
}

/** Whether brackets are nested deeper than any body is: parsing a megabyte of them would hold up polling for long. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let isText = false;
  for (let index = 0; index < text.length; index++) {
    const letter = text.charCodeAt(index);
    if (isText) {
      if (letter === BACKSLASH) index++;
      else if (letter === QUOTE) isText = false;
    } else if (letter === QUOTE) isText = true;
    else if (letter === BRACKET || letter === BRACE) depth++;
    else if (letter === BRACKET + 2 || letter === BRACE + 2) depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** A body that has the shape which the route wants. */
function checkedBody<const S extends BodyShape>(body: unknown, shape: S): BodyOf<S> {
  const what = troubleOf(body, shape);
  if (what === undefined) return body as BodyOf<S>;
  throw new Refused(400, what, `Send for example ${JSON.stringify(shape.examples[0])}.`);
}

/** A body in the name of whose token came with it: what the body itself says of who it is counts only without one. */
function named(body: unknown, { by }: Caller): unknown {
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  return by !== undefined && isObject ? { ...body, by } : body;
}

/** The text of a body. Of one that is too large the rest is read and dropped, so that its sender gets the answer. */
async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const tooLarge = new Refused(413, 'the body is too large', `Send at most ${MAX_BODY_BYTES} bytes.`);
  if (Number(incoming.headers['content-length']) > MAX_BODY_BYTES) throw tooLarge;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(tooLarge);
    });
    incoming.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    incoming.on('error', () => reject(new Refused(400, 'the body is not whole', 'Send it again.')));
  });
}

function tellBug(log: Logger, thrown: unknown): void {
  if (thrown instanceof Fault) return;
  log.error(`a request failed; this is a bug: ${(thrown instanceof Error && thrown.stack) || messageOf(thrown)}`);
}

/**
 * Sends an answer; nothing where the client is gone or an answer was begun. The connection is closed only behind the body of
 * the request: who is still sending it would find the connection broken, and no answer.
 */
export function respond(outgoing: ServerResponse, { status, body, textType, headers }: Answer): void {
  if (outgoing.headersSent || outgoing.destroyed) return;
  const text = textType === undefined ? `${toJson(body)}\n` : Buffer.isBuffer(body) ? body : String(body);
  outgoing.writeHead(status, {
    ...SECURITY_HEADERS,
    'Content-Type': textType ?? 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  });
  const { req: incoming } = outgoing;
  if (incoming.complete) {
    outgoing.end(text);
    return;
  }
  outgoing.write(text);
  let dropped = 0;
  const end = (): void => {
    outgoing.end();
  };
  incoming.on('data', ({ length }: Buffer) => {
    dropped += length;
    if (dropped > MAX_DROPPED_BYTES) end();
  });
  incoming.on('end', end);
  incoming.on('error', end);
}
