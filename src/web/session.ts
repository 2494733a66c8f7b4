/** The token of this browser: where it is kept, and how requests carry it. */
import { whyOf } from './feed.ts';

const KEY = 'millgate-token';

/** The token that was given; undefined: none. */
export function tokenNow(): string | undefined {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? undefined;
}

/** @param keep also when the browser is closed: for a tablet that stays at the machine */
export function keepToken(token: string | undefined, keep: boolean): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  if (token !== undefined) (keep ? localStorage : sessionStorage).setItem(KEY, token);
}

/** Takes the token out of an address such as `/#token=mg_…`, which the demo prints; it is nowhere sent from there. */
export function takeTokenOfAddress(): void {
  const [, token] = /^#token=(mg_\w{8}_[\w-]{43})$/.exec(location.hash) ?? [];
  if (token === undefined) return;
  keepToken(token, false);
  history.replaceState(null, '', '/#/');
}

/** A request that was refused: its status, and cause and remedy as the message. */
export class RefusedRequest extends Error {
  readonly status: number;

  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }
}

/** Version of the gateway that answered first, which is the one that this page came from. */
let answeredBy: string | undefined;

/** Version of the gateway that answered first; undefined before that. */
export function firstVersion(): string | undefined {
  return answeredBy;
}

/** How long an answer is waited for, ms. */
const DEADLINE_MS = 35_000;

/**
 * Asks the gateway.
 *
 * @param body makes it an order (POST)
 * @throws RefusedRequest with status 0 where there is no answer
 */
export async function ask<T>(path: string, body?: object): Promise<T> {
  const token = tokenNow();
  const headers: Record<string, string> = {
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
  };
  const order = body === undefined ? {} : { method: 'POST', body: JSON.stringify({ by: 'page', ...body }) };
  let response: Response;
  try {
    response = await fetch(path, { headers, ...order, signal: AbortSignal.timeout(DEADLINE_MS), cache: 'no-store' });
  } catch {
    throw new RefusedRequest(0, 'The gateway does not answer.');
  }
  answeredBy ??= response.headers.get('X-Millgate-Version') ?? undefined;
  if (!response.ok) throw new RefusedRequest(response.status, await whyOf(response));
  return (await response.json()) as T;
}
