/** Joins the routes to one web application: checks who asks, bounds bodies and waits, and answers errors. */
import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Clock } from '../core/clock.ts';
import { Fault, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { type Answer, answerTo, failure, Refused } from './answer.ts';
import { refuseChange, SECURITY_HEADERS, type Transport } from './guard.ts';
import { toJson } from './json.ts';
import { MAX_RECORDINGS, type Recordings } from './recordings.ts';
import { knownTags, openApi, ROUTES, type Route } from './routes.ts';
import { MAX_STREAM_CLIENTS, type Streams } from './stream.ts';
import type { GatewayView } from './view.ts';

/** Largest body of a request, bytes. */
export const MAX_BODY_BYTES = 1_000_000;

/** Longest time a request may take, ms; reading slow devices on a shared line is the longest of them. */
export const REQUEST_DEADLINE_MS = 30_000;

/** What the application is made of. */
interface AppParts {
  readonly view: GatewayView;
  readonly streams: Streams;
  readonly recordings: Recordings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** How a request came. */
  readonly transportOf: (request: IncomingMessage) => Transport;
}

type Env = { Bindings: HttpBindings };

/** The routes as an application for the HTTP server. Requests that reach it have passed the guard. */
export function createApp(parts: AppParts): Hono<Env> {
  const app = new Hono<Env>();
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => respond(failure(413, 'the body is too large', `Send at most ${MAX_BODY_BYTES} bytes.`)),
    }),
  );
  const description = openApi(parts.version);
  app.get('/api/v1/openapi.json', () => respond({ status: 200, body: description }));
  app.get('/api/v1/stream', (context) => stream(parts, context));
  app.get('/api/v1/record', (context) => record(parts, context));
  for (const route of ROUTES) {
    if (!route.answer) continue;
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    app.on(route.method.toUpperCase(), path, (context) => {
      const refusal = route.changes ? refuseChange(parts.transportOf(context.env.incoming)) : undefined;
      if (refusal) return respond(failure(refusal.status, refusal.error, refusal.remedy));
      return serve(parts, route.answer!, context);
    });
  }
  app.notFound((context) => respond(missing(context)));
  app.onError((thrown) => respond(answer(parts.log, thrown)));
  return app;
}

/** Runs one route within the request deadline; the route's signal also ends when the client goes away. */
async function serve(
  { view, clock, log }: AppParts,
  route: NonNullable<Route['answer']>,
  context: Context<Env>,
): Promise<Response> {
  const deadline = new AbortController();
  const late = new Refused(504, 'no answer within the deadline', 'A device or the disk is slow; see millgate status.');
  const cancel = clock.after(REQUEST_DEADLINE_MS, () => deadline.abort(late));
  const expired = new Promise<never>((_resolve, reject) => {
    deadline.signal.addEventListener('abort', () => reject(late), { once: true });
  });
  try {
    const request = {
      params: context.req.param() as Record<string, string>,
      query: (name: string) => context.req.query(name),
      body: () => parseBody(context),
      signal: AbortSignal.any([deadline.signal, context.req.raw.signal]),
      nowMs: clock.wallMs(),
    };
    return respond(await Promise.race([route(view, request), expired]));
  } catch (thrown) {
    return respond(answer(log, thrown));
  } finally {
    cancel();
  }
}

function stream({ view, streams }: AppParts, context: Context<Env>): Response {
  const tags = context.req.queries('tag') ?? [];
  try {
    knownTags(view, tags);
  } catch (thrown) {
    return respond(answerTo(thrown));
  }
  if (streams.attach(context.env.outgoing, new Set(tags))) return RESPONSE_ALREADY_SENT;
  return respond(failure(503, `${MAX_STREAM_CLIENTS} clients follow already`, 'Close one of them and try again.'));
}

/** Bus traffic shows what was written to machines, too: it is for those who may use the socket. */
function record({ recordings, transportOf }: AppParts, context: Context<Env>): Response {
  if (transportOf(context.env.incoming) !== 'socket')
    return respond(
      failure(401, 'bus traffic is not given out over TCP', 'Use the command line: millgate record FILE.'),
    );
  try {
    const channels = context.req.queries('channel') ?? [];
    if (recordings.attach(context.env.outgoing, channels)) return RESPONSE_ALREADY_SENT;
  } catch (thrown) {
    return respond(answerTo(thrown));
  }
  return respond(failure(503, `${MAX_RECORDINGS} recordings run already`, 'End one of them and try again.'));
}

async function parseBody(context: Context<Env>): Promise<unknown> {
  if (!/^application\/json\b/i.test(context.req.header('content-type') ?? ''))
    throw new Refused(415, 'the body is not declared as JSON', 'Send the header Content-Type: application/json.');
  try {
    return JSON.parse(await context.req.text());
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refused(400, 'the body is not JSON', `JSON says: ${error.message}.`);
    throw error;
  }
}

function missing(context: Context<Env>): Answer {
  const { path, method } = context.req;
  const others = ROUTES.filter((route) => route.path === path).map((route) => route.method.toUpperCase());
  if (others.length > 0) return failure(405, `${method} is not for ${path}`, `Use ${others.join(' or ')}.`);
  return failure(404, `nothing at ${path.slice(0, 200)}`, 'GET /api/v1/openapi.json lists what there is.');
}

function answer(log: Logger, thrown: unknown): Answer {
  if (!(thrown instanceof Refused || thrown instanceof Fault))
    log.error(`a request failed; this is a bug: ${(thrown instanceof Error && thrown.stack) || messageOf(thrown)}`);
  return answerTo(thrown);
}

function respond({ status, body, textType }: Answer): Response {
  const headers = { ...SECURITY_HEADERS, 'Content-Type': textType ?? 'application/json; charset=utf-8' };
  return new Response(textType === undefined ? `${toJson(body)}\n` : String(body), { status, headers });
}
