/** What a route answers, and how whatever it threw becomes an HTTP status with cause and remedy. */
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';

/** What a route answers: a status and a body that becomes JSON, or text that is sent as it is. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Content type of a body that is text already; JSON unless given. */
  readonly textType?: string;
}

/** Every answer that is not a success has this body. */
interface JsonError {
  readonly error: string;
  readonly remedy: string;
}

/** Thrown by a route for a request that cannot be answered. */
export class Refused extends Error {
  readonly status: number;
  readonly remedy: string;

  constructor(status: number, error: string, remedy: string) {
    super(error);
    this.name = 'Refused';
    this.status = status;
    this.remedy = remedy;
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

/** The answer to whatever a route threw. Faults carry their remedy; anything else is a bug and says nothing more. */
export function answerTo(thrown: unknown): Answer {
  if (thrown instanceof Refused) return failure(thrown.status, thrown.message, thrown.remedy);
  if (thrown instanceof Fault) {
    const { error, remedy } = splitMessage(thrown.message);
    return failure(STATUS_OF[thrown.exitCode], error, remedy);
  }
  return failure(500, 'internal error', 'This is a bug of the gateway; its log has the details. Please report it.');
}

/** An answer with an error in it. */
export function failure(status: number, error: string, remedy: string): Answer {
  return { status, body: { error, remedy } satisfies JsonError };
}

/** Splits `what: cause. Remedy.` after its first sentence. */
function splitMessage(message: string): JsonError {
  const match = /^(.+?)[.;] (\p{Lu}.*)$/su.exec(message);
  return match ? { error: match[1]!, remedy: match[2]! } : { error: message, remedy: '' };
}

/** What a route gets of a request. */
export interface RouteRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: (name: string) => string | undefined;
  /** The parsed body; throws `Refused` when it is no JSON. */
  readonly body: () => Promise<unknown>;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/** A success. */
export function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** A whole number of the query; throws `Refused` for anything else that is given. */
export function integer(request: RouteRequest, name: string, min: number, max: number): number | undefined {
  const text = request.query(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Refused(400, `${name}=${text.slice(0, 40)} is not allowed`, `Give a whole number from ${min} to ${max}.`);
}

/** A body that is an object; throws `Refused` for any other. */
export function asObject(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new Refused(400, 'the body is no object', 'Send {"by":"NAME", …}.');
}
