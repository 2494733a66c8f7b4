/** Decides which requests are let in: by transport, Host and Origin. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { Refused, type Route } from './answer.ts';
import type { Tokens } from './tokens/tokens.ts';
import { allows, type Role } from './tokens/tokens-view.ts';

/** How a request came: over the Unix socket, where file permissions decide who may, or over loopback TCP. */
export type Transport = 'socket' | 'tcp';

/** Headers of every answer: nothing of it may be framed, sniffed, cached, scripted or read by another site. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Whether an address to listen on can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** By which names the gateway may be asked. */
export interface OwnNames {
  /** Names of the configuration: `api.hosts`, and the host of `api.listen`. */
  readonly configured: readonly string[];
  /** Names of this machine and gateway. They count, alone or with a domain, where it listens beyond loopback. */
  readonly machine: readonly string[];
  readonly isBeyondLoopback: boolean;
}

/**
 * Refuses what a web page of another site could make a browser send: DNS rebinding shows in `Host`, a request across
 * sites in `Origin` or `Sec-Fetch-Site`. A browser cannot reach the Unix socket, so nothing is asked there.
 */
export function refuse(headers: IncomingHttpHeaders, transport: Transport, own: OwnNames): Refused | undefined {
  if (transport === 'socket') return undefined;
  const host = hostName(`http://${headers.host ?? ''}`);
  if (host === undefined || !isOwn(host, own)) {
    const names = new Set([...LOOPBACK_NAMES, ...own.configured.map(urlHost)]);
    return new Refused(
      421,
      `host ${quoted(headers.host)} is not this gateway`,
      `Use ${[...names].map((name) => `http://${name}`).join(' or ')} with the port of api.listen, or add the name to api.hosts.`,
    );
  }
  const { origin } = headers;
  const foreign = origin !== undefined && (!isOwn(hostName(origin) ?? '', own) || !sameAuthority(origin, headers));
  if (foreign || headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site')
    return new Refused(
      403,
      `a page of ${quoted(origin ?? 'another site')} may not use this gateway`,
      'Open the gateway by its own address; other pages are refused.',
    );
  return undefined;
}

/** Whether a name in `Host` is one of the gateway's. An address is, beyond loopback: rebinding needs a name. */
function isOwn(host: string, { configured, machine, isBeyondLoopback }: OwnNames): boolean {
  if (LOOPBACK_NAMES.includes(host) || configured.some((name) => urlHost(name) === host)) return true;
  if (!isBeyondLoopback) return false;
  const isAddress = host.startsWith('[') || isIP(host) !== 0;
  return isAddress || machine.some((name) => host === name.toLowerCase() || host.startsWith(`${name.toLowerCase()}.`));
}

/** Who asks, as far as it is known. */
export interface Caller {
  /** Name of the token; undefined: somebody without one, on the socket or on this machine. */
  readonly by: string | undefined;
  readonly role: Role;
}

/**
 * Who asks, and that he may. The Unix socket belongs to the user and the group of the service, and its file permissions
 * have been passed. Over TCP anybody on this machine may read; whoever wants more, or comes from another machine, sends
 * a token. One that is sent is never passed over, also where none is needed.
 *
 * @throws Refused 401 without a valid token, 403 with one whose role does not allow it, 429 after too many wrong ones
 */
export function callerOf(
  route: Pick<Route, 'changes' | 'role' | 'open'>,
  transport: Transport,
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  tokens: Tokens,
): Caller {
  if (transport === 'socket') return { by: undefined, role: 'admin' };
  const needed = route.role ?? (route.changes ? 'technician' : 'viewer');
  const sender = socket.remoteAddress ?? '';
  if (headers.authorization === undefined) {
    const isReader = needed === 'viewer' && (route.open || isLoopback(sender.replace(/^::ffff:/, '')));
    if (isReader) return { by: undefined, role: 'viewer' };
    throw new Refused(
      401,
      needed === 'viewer' ? 'reading from another machine needs a token' : `this needs a token of the role ${needed}`,
      `Make one on the gateway: millgate token create --role ${needed} NAME, and send it as the header "Authorization: Bearer TOKEN".`,
    );
  }
  const { name, role } = tokens.holder(headers.authorization, sender);
  if (allows(role, needed)) return { by: name, role };
  throw new Refused(
    403,
    `the token ${JSON.stringify(name)} has the role ${role}, and this needs ${needed}`,
    `Use another token, or make one: millgate token create --role ${needed} NAME.`,
  );
}

function sameAuthority(origin: string, headers: IncomingHttpHeaders): boolean {
  try {
    const { protocol, host } = new URL(origin);
    return host === new URL(`${protocol}//${headers.host}`).host;
  } catch {
    return false;
  }
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host.toLowerCase();
}

function hostName(url: string): string | undefined {
  try {
    const parsed = new URL(url);
    return parsed.username === '' && parsed.pathname === '/' ? parsed.hostname : undefined;
  } catch {
    return undefined;
  }
}

/** Untrusted text, short and on one line. */
function quoted(text: string | undefined): string {
  return text === undefined ? '(none)' : JSON.stringify(text.slice(0, 80));
}
