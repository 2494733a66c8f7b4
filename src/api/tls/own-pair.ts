/** The certificate that the API is served with: that of the configuration, or one of its own, made once and kept. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../../core/clock.ts';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import { writeWhole } from '../../core/file-system.ts';
import type { Logger } from '../../core/log.ts';
import type { CertificateView } from '../view.ts';
import { makeSelfSigned } from './self-signed.ts';

const DAY_MS = 86_400_000;

/** How long a certificate is good for: browsers of Apple refuse any that is good for more than 825 days. */
const VALID_MS = 820 * DAY_MS;

/** One that ends this soon is replaced. */
const RENEW_BEFORE_MS = 30 * DAY_MS;

/** A board whose clock has not been set yet begins its certificate here (2026-01-01 UTC), and not in 1970. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);

/** Key and certificate in one file, so that a power cut leaves both or neither; and the certificate alone, to be handed out. */
const PAIR_FILE = 'api-tls.pem';
const CERTIFICATE_FILE = 'api-tls.crt';

/** A certificate with its key, both in PEM, and what is told of it. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly view: CertificateView;
}

/** What the file says of TLS. */
export type TlsPlace = 'self-signed' | { readonly cert: string; readonly key: string };

/** What a certificate of our own is made for and kept with. */
interface OwnParts {
  /** Undefined: it is kept in memory and ends with the process. */
  readonly folder: string | undefined;
  /** Names that it must be good for, the one that a person knows first. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The pair of our own as it is kept, or a new one: where there is none, where it ends within a month, and where it lacks
 * one of the names. An address that the machine got since is no reason: everybody who noted the fingerprint would have
 * to note another one.
 *
 * @param before the one that is served already
 * @throws Fault when the disk refuses it
 */
export function ownPair({ folder, names, clock, log }: OwnParts, before?: Pair): Pair {
  const nowMs = Math.max(clock.wallMs(), EARLIEST_MS);
  const wanted = [...new Set([...names.map(shortAddress), 'localhost', '127.0.0.1', '::1'])];
  const kept = before?.view.isSelfSigned ? before : folder === undefined ? undefined : keptPair(folder);
  const lacks = kept && reasonToRenew(kept.view, wanted, clock.known() ? nowMs : undefined);
  if (kept && lacks === undefined) return kept;
  const hosts = [...new Set([...wanted, ...ownAddresses()])];
  const made = makeSelfSigned({
    name: names[0] ?? 'millgate',
    hosts,
    fromMs: nowMs - DAY_MS,
    untilMs: nowMs + VALID_MS,
  });
  if (folder !== undefined) keep(folder, made);
  const pair = { ...made, view: viewOf(made.cert, certificatePath(folder), true) };
  log.info(
    `made ${lacks === undefined ? 'a self-signed certificate' : `another self-signed certificate, as the one before ${lacks}`}: SHA-256 ${pair.view.fingerprint}`,
  );
  return pair;
}

/** @param nowMs undefined while the clock is not known to be right, by which nothing is judged that everybody has noted */
function reasonToRenew(
  { endsMs, names }: CertificateView,
  wanted: readonly string[],
  nowMs: number | undefined,
): string | undefined {
  const leftMs = nowMs === undefined ? undefined : endsMs - nowMs;
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  if (leftMs !== undefined && leftMs < RENEW_BEFORE_MS) return `ends on ${day(endsMs)}`;
  // It was made while the clock was ahead: nobody takes it before that day.
  if (leftMs !== undefined && leftMs > VALID_MS + DAY_MS) return `begins on ${day(endsMs - VALID_MS - DAY_MS)}`;
  const missing = wanted.find((name) => !names.includes(name));
  return missing === undefined ? undefined : `does not name ${missing}`;
}

/** Undefined when there is none, or when what is there is no key with its certificate. */
function keptPair(folder: string): Pair | undefined {
  try {
    const text = readFileSync(join(folder, PAIR_FILE), 'utf8');
    const [key = '', cert = ''] = text.split(/(?=-----BEGIN CERTIFICATE-----)/);
    createSecureContext({ key, cert });
    return { key, cert, view: viewOf(cert, certificatePath(folder), true) };
  } catch {
    return undefined;
  }
}

function keep(folder: string, { key, cert }: { readonly key: string; readonly cert: string }): void {
  const path = join(folder, PAIR_FILE);
  try {
    writeWhole(path, key + cert, { mode: 0o600 });
    writeWhole(join(folder, CERTIFICATE_FILE), cert, { mode: 0o644 });
  } catch (error) {
    const remedy = 'Check that the disk has room and that the user of the gateway may write there.';
    throw new Fault(`${path} cannot be written: ${messageOf(error)}`, remedy, EXIT.unavailable, { cause: error });
  }
}

function certificatePath(folder: string | undefined): string | undefined {
  return folder === undefined ? undefined : join(folder, CERTIFICATE_FILE);
}

/** Addresses of this machine that others can reach it by. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ internal, address }) => !internal && !address.startsWith('fe80')).map(({ address }) => address);
}

/**
 * Certificate and key of the configuration, as they are in their files now.
 *
 * @throws Fault that names the file which cannot be read, or the pair that does not fit
 */
export function pairOfFiles(tls: Exclude<TlsPlace, 'self-signed'>): Pair {
  const read = (what: 'cert' | 'key'): string => {
    try {
      return readFileSync(tls[what], 'utf8');
    } catch (error) {
      const isForbidden = codeOf(error) === 'EACCES';
      const remedy = isForbidden ? `Let the gateway read it: sudo chgrp millgate ${tls[what]}.` : 'Check the path.';
      const code = isForbidden ? EXIT.permission : EXIT.unavailable;
      throw new Fault(`api.tls.${what}: ${tls[what]} cannot be read`, remedy, code, { cause: error });
    }
  };
  const pem = { cert: read('cert'), key: read('key') };
  try {
    createSecureContext(pem);
    return { ...pem, view: viewOf(pem.cert, tls.cert, false) };
  } catch (error) {
    throw new Fault(
      `api.tls: ${tls.cert} and ${tls.key} are not a certificate and its key in PEM: ${messageOf(error)}`,
      'See what they are: openssl x509 -noout -subject -in CERT; openssl pkey -noout -in KEY.',
      EXIT.unavailable,
      { cause: error },
    );
  }
}

function viewOf(cert: string, file: string | undefined, isSelfSigned: boolean): CertificateView {
  const parsed = new X509Certificate(cert);
  const names = [...(parsed.subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map(([, name]) => name!);
  return {
    isSelfSigned,
    fingerprint: parsed.fingerprint256,
    endsMs: Date.parse(parsed.validTo),
    names: names.map(shortAddress),
    file,
  };
}

/** A name as it is compared. OpenSSL writes IPv6 addresses in full: 0:0:0:0:0:0:0:1. */
function shortAddress(name: string): string {
  return isIPv6(name) ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name.toLowerCase();
}
