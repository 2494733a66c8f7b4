/** Decides which requests are let in: by transport, Host and Origin. */
import type { IncomingHttpHeaders } from 'node:http';

/** How a request came: over the Unix socket, where file permissions decide who may, or over loopback TCP. */
export type Transport = 'socket' | 'tcp';

/** A refusal: the HTTP status, what is wrong, and what to do. */
export interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly remedy: string;
}

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

/**
 * Refuses what a web page of another site could make a browser send: DNS rebinding shows in `Host`, a request across
 * sites in `Origin` or `Sec-Fetch-Site`. A browser cannot reach the Unix socket, so nothing is asked there.
 *
 * @param configuredHost the host of `api.listen`, which may be named too
 */
export function refuse(
  headers: IncomingHttpHeaders,
  transport: Transport,
  configuredHost: string | undefined,
): Refusal | undefined {
  if (transport === 'socket') return undefined;
  const names = [...LOOPBACK_NAMES, ...(configuredHost ? [urlHost(configuredHost)] : [])];
  const host = hostName(`http://${headers.host ?? ''}`);
  if (host === undefined || !names.includes(host))
    return {
      status: 421,
      error: `host ${quoted(headers.host)} is not this gateway`,
      remedy: `Use ${names.map((name) => `http://${name}`).join(' or ')} with the port of api.listen.`,
    };
  const { origin } = headers;
  const foreign = origin !== undefined && (!names.includes(hostName(origin) ?? '') || !sameAuthority(origin, headers));
  if (foreign || headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site')
    return {
      status: 403,
      error: `a page of ${quoted(origin ?? 'another site')} may not use this gateway`,
      remedy: 'Open the gateway by its own address; other pages are refused.',
    };
  return undefined;
}

/**
 * Who may change something. The Unix socket belongs to the user and the group of the service, and its file permissions
 * have been passed; over TCP anybody on this machine could call, so changes are refused there.
 */
export function refuseChange(transport: Transport): Refusal | undefined {
  if (transport === 'socket') return undefined;
  return {
    status: 401,
    error: 'changes are not taken over TCP',
    remedy: 'Use the command line, which speaks over the Unix socket: millgate write DEVICE/TAG VALUE.',
  };
}

function sameAuthority(origin: string, headers: IncomingHttpHeaders): boolean {
  try {
    return new URL(origin).host === new URL(`http://${headers.host}`).host;
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
