/** What an HTTP server is sent of a batch, and what its answer says of it. */
import type { JsonEncoder } from '../json.ts';
import type { OutgoingBatch, SendResult } from '../uplink.ts';

/** One request. */
export interface HttpMessage {
  /** Where it goes. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  /** Items in it, where the server answers for each. */
  readonly items?: number;
}

/** What one kind of server is sent, and how it answers. */
export interface HttpForm {
  /** Set when it sends records as JSON without looking into them. */
  readonly takesTexts: boolean;
  /** The word in front of the token in the Authorization header. */
  readonly tokenWord: 'Bearer' | 'Token';
  /** Throws a `TypeError` for what has no form in it. Undefined: nothing of the batch has one, and there is nothing to send. */
  message(batch: OutgoingBatch): HttpMessage | undefined;
  /** What a 2xx answer with this body says of so many items. An `Error`: it was not taken, and is sent again. */
  judge(body: string, items: number | undefined): SendResult | Error;
}

/** What a form is made with. */
export interface FormDeps {
  readonly gateway: string;
  readonly encoder: JsonEncoder;
  readonly url: string;
}

/** An address with a path and a query added to it. */
export function addressOf(base: string, path: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}
