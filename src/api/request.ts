import { type Answer, Refused } from './answer.ts';

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
