/** Decides which requests are let in: by transport, Host and Origin. */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { Refused } from './answer.ts';

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

/**
 * Who may change something. The Unix socket belongs to the user and the group of the service, and its file permissions
 * have been passed; over TCP anybody on this machine could call, so changes are refused there.
 */
export function refuseChange(transport: Transport): Refused | undefined {
  if (transport === 'socket') return undefined;
  return new Refused(
    401,
    'changes are not taken over TCP',
    'Use the command line, which speaks over the Unix socket: millgate write DEVICE/TAG VALUE.',
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
