/** What the answer of an HTTP server means for what was sent, in words for a technician. */
import type { HttpForm } from './http-form.ts';

/** The end of an exchange: the status line, the headers that matter, and the beginning of the body. */
export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** What the clock of the server shows, as its header `Date` has it. */
  readonly date: string | undefined;
  readonly location: string | undefined;
  readonly body: string;
}

/** What follows from an answer. */
type Verdict =
  | { readonly kind: 'taken' }
  /** This batch will never be taken as it is. */
  | { readonly kind: 'refused'; readonly why: string; readonly tooLarge: boolean }
  /** Nothing is wrong with the batch: it is sent again in this session, after so long; undefined: as the sender finds right. */
  | { readonly kind: 'wait'; readonly why: string; readonly forMs: number | undefined }
  /** The whole target is at fault, or a person has to change something: the session is over. */
  | { readonly kind: 'over'; readonly why: string };

/** A server that asks for a longer pause is asked again all the same after a day. */
const LONGEST_PAUSE_MS = 86_400_000;

/** What of a body is shown. */
const SHOWN = 200;

/** Who and where, for the texts. */
interface Context {
  /** The URL without its query, which may hold a secret. */
  readonly place: string;
  readonly credentials: 'token' | 'password' | undefined;
  readonly wallMs: number;
  /** Items that were sent, where the server answers for each. */
  readonly items: number | undefined;
}

/**
 * Judges an answer. 2xx is what the form makes of its body; 413 and other 4xx refuse the batch; 401, 403, 404, 405, 407 and
 * 410 are about the target; 429 and 503 are a wish to wait; everything else is tried again.
 */
export function judgeAnswer(answer: Answer, form: Pick<HttpForm, 'judge'>, context: Context): Verdict {
  const { status } = answer;
  if (status >= 200 && status < 300) return inside(form.judge(answer.body, context.items));
  if (status >= 300 && status < 400) return { kind: 'over', why: redirectText(answer, context) };
  const said = saidText(answer);
  const failed = `${context.place} answers ${status}${said}`;
  if (status === 429 || status === 503)
    return { kind: 'wait', why: `${failed}: it asks for a pause`, forMs: pauseOf(answer, context.wallMs) };
  if (ABOUT_THE_TARGET.has(status)) return { kind: 'over', why: `${failed}. ${targetRemedy(status, context)}` };
  if (status === 413) return { kind: 'refused', why: `${failed}: the message is too large for it`, tooLarge: true };
  if (status >= 400 && status < 500 && status !== 408) return { kind: 'refused', why: failed, tooLarge: false };
  return { kind: 'over', why: `${failed}. Look at the log of the server.` };
}

const ABOUT_THE_TARGET = new Set([401, 403, 404, 405, 407, 410]);

function inside(result: ReturnType<HttpForm['judge']>): Verdict {
  // What can be tried again inside a 2xx waits as after a 503.
  if (result instanceof Error) return { kind: 'wait', why: result.message, forMs: undefined };
  return result.ok ? { kind: 'taken' } : { kind: 'refused', why: result.why, tooLarge: result.tooLarge === true };
}

function redirectText({ status, location }: Answer, { place }: Context): string {
  const where = location === undefined ? 'another address' : location.replace(/[?#].*$/, '').slice(0, SHOWN);
  return `${place} answers ${status} and points to ${where}. Redirects are not followed, because token and password would go there, too: write the right address in url.`;
}

function targetRemedy(status: number, { credentials }: Context): string {
  const known = credentials === undefined ? 'token: {file: PATH}, or username and password' : `the ${credentials}`;
  switch (status) {
    case 401:
      return credentials === undefined ? `It wants to know who sends: write ${known}.` : `Check ${known}.`;
    case 403:
      return `It knows who sends and does not allow it: give the user of ${credentials ?? 'this gateway'} the right to write there.`;
    case 404:
    case 410:
      return 'There is nothing at this address: check url, and that what it names exists on the server.';
    case 405:
      return 'It takes no POST at this address: check url.';
    default:
      return 'A proxy on the way wants a password: ask whoever runs it.';
  }
}

/** The first words of what the server said, on one line. */
function saidText({ body }: Answer): string {
  const text = body
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return text === '' ? '' : ` (${text.slice(0, SHOWN)})`;
}

/**
 * `Retry-After` in ms: seconds, or an HTTP date (RFC 9110, 10.2.3), which is one of the server's clock: that of the gateway
 * may not have been set yet. Undefined where there is none that can be read, or none to wait for.
 */
function pauseOf({ retryAfter, date }: Answer, wallMs: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const text = retryAfter.trim();
  const serverMs = Date.parse(date ?? '');
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - (Number.isNaN(serverMs) ? wallMs : serverMs);
  return ms > 0 ? Math.min(LONGEST_PAUSE_MS, ms) : undefined;
}
