/** What a route answers, and how whatever it threw becomes an HTTP status with cause and remedy. */
import { STATUS_CODES } from 'node:http';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import type { Answers, Problem } from './description/answers.ts';
import type { BodyOf, BodyShape } from './description/shape.ts';
import type { Role } from './tokens/tokens-view.ts';
import type { GatewayView } from './view.ts';

/** What a route answers: a status and a body that becomes JSON, or text that is sent as it is. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Content type of a body that is text or bytes already; JSON unless given. */
  readonly textType?: string;
  /** Headers in place of those that every answer has, and besides. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The content type of {@link Problem}. */
const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Thrown by a route for a request that cannot be answered: a fault with the HTTP status that says it. */
export class Refused extends Fault {
  readonly status: number;

  constructor(status: number, what: string, remedy: string) {
    super(what, remedy, CODE_OF[status] ?? EXIT.failed);
    this.name = 'Refused';
    this.status = status;
  }
}

const STATUS_OF: Record<ExitCode, number> = {
  [EXIT.ok]: 200,
  [EXIT.failed]: 422,
  [EXIT.usage]: 400,
  [EXIT.unavailable]: 503,
  [EXIT.permission]: 403,
  [EXIT.configInvalid]: 422,
};

/** Exit codes by the HTTP status of a refusal; of any other status it is {@link EXIT.failed}. */
const CODE_OF: Partial<Record<number, ExitCode>> = {
  400: EXIT.usage,
  401: EXIT.permission,
  403: EXIT.permission,
  404: EXIT.usage,
  405: EXIT.usage,
  415: EXIT.usage,
  429: EXIT.permission,
  503: EXIT.unavailable,
  504: EXIT.unavailable,
};

/** The answer to whatever a route threw. Anything but a fault is a bug and says nothing more. */
export function answerTo(thrown: unknown): Answer {
  if (thrown instanceof Refused) return failure(thrown.status, thrown);
  if (thrown instanceof Fault) return failure(STATUS_OF[thrown.code], thrown);
  return failure(500, {
    what: 'internal error',
    remedy: 'This is a bug of the gateway; its log has the details. Please report it.',
    code: EXIT.failed,
  });
}

/** The answer to a request that is refused. */
export function refusal(status: number, what: string, remedy: string): Answer {
  return answerTo(new Refused(status, what, remedy));
}

function failure(status: number, { what, remedy, code }: Pick<Fault, 'what' | 'remedy' | 'code'>): Answer {
  const title = STATUS_CODES[status] ?? 'Error';
  const problem: Problem = { type: 'about:blank', title, status, detail: what, remedy, code };
  const headers = status === 401 ? { 'WWW-Authenticate': 'Bearer realm="millgate"' } : undefined;
  return { status, body: `${JSON.stringify(problem)}\n`, textType: PROBLEM_TYPE, ...(headers && { headers }) };
}

/** What a route gets of a request. */
export interface RouteRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: (name: string) => string | undefined;
  /** The body, with the holder of the token as its `by`; throws `Refused` when it is no JSON of that shape. */
  readonly body: <const S extends BodyShape>(shape: S) => Promise<BodyOf<S>>;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/** A success. */
export function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** A whole number of the query; throws `Refused` for anything else that is given. */
export function integer(
  request: Pick<RouteRequest, 'query'>,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const text = request.query(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Refused(400, `${name}=${text.slice(0, 40)} is not allowed`, `Give a whole number from ${min} to ${max}.`);
}

/** One route. The OpenAPI description is made of the same table that serves, so that they cannot differ. */
export interface Route {
  readonly method: 'get' | 'post';
  /** With `{name}` parameters, as OpenAPI writes them. */
  readonly path: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly requestBody?: BodyShape;
  /** What it answers; absent where that is no JSON. */
  readonly answers?: keyof Answers;
  /** True when it changes something: for callers of the socket, and over TCP for those whose token has the role. */
  readonly changes?: true;
  /** The role that is needed; unless given `technician` for what changes something, else `viewer`. */
  readonly role?: Role;
  /** True when nobody needs a token for it, wherever he is. */
  readonly open?: true;
  /** How long it may take, ms, where that is longer than for others. */
  readonly deadlineMs?: number;
  /** Absent for the stream and for the description itself, which the server answers. */
  readonly answer?: (view: GatewayView, request: RouteRequest) => Promise<Answer> | Answer;
}
