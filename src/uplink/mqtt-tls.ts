/** Reads the TLS files of an uplink, and says what is wrong with them. */
import { X509Certificate } from 'node:crypto';
import type { TlsConfig } from '../config/config.ts';
import { codeOf, Fault, messageOf } from '../core/errors.ts';

/** The contents of the TLS files. */
export interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Reads a file whole; rejects with Node's error. */
export type ReadFile = (path: string) => Promise<Buffer>;

/** Days before the end at which a warning is given. */
const EXPIRY_WARNING_DAYS = [30, 14, 7] as const;

const DAY_MS = 86_400_000;

/** Reads the files as they are now, so that renewed ones are used. Rejects with a `Fault` that names the file. */
export async function loadTls(tls: TlsConfig | undefined, readFile: ReadFile): Promise<TlsFiles> {
  const read = async (member: keyof TlsConfig): Promise<string | undefined> => {
    const path = tls?.[member];
    if (path === undefined) return undefined;
    try {
      return (await readFile(path)).toString('utf8');
    } catch (error) {
      throw new Fault(`tls.${member}: ${path} cannot be read: ${fileTrouble(error)}`, undefined, { cause: error });
    }
  };
  return { ca: await read('ca'), cert: await read('cert'), key: await read('key') };
}

function fileTrouble(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'there is no such file. Correct the path or put the file there.';
  if (codeOf(error) === 'EACCES') return 'no permission. Let the gateway’s user read it.';
  return `${messageOf(error)}.`;
}

/** How near its end a certificate is. */
export interface CertificateFinding {
  /** The smallest of the warning days that is passed; 0 when it has expired; `not-yet` before it begins. */
  readonly stage: number | 'not-yet';
  readonly message: string;
}

/**
 * Judges the first certificate of a PEM text.
 *
 * @param what how the message calls it, such as its file
 * @returns undefined when there is nothing to say
 */
export function judgeCertificate(what: string, pem: string, wallMs: number): CertificateFinding | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return { stage: 0, message: `${what} is not a certificate in PEM form. Replace the file.` };
  }
  const fromMs = Date.parse(certificate.validFrom);
  const toMs = Date.parse(certificate.validTo);
  if (wallMs < fromMs) {
    return { stage: 'not-yet', message: `${what} is not valid before ${day(fromMs)}. Check the gateway's clock.` };
  }
  if (wallMs >= toMs) return { stage: 0, message: `${what} expired on ${day(toMs)}. Renew it.` };
  const left = (toMs - wallMs) / DAY_MS;
  const stage = EXPIRY_WARNING_DAYS.findLast((days) => left <= days);
  if (stage === undefined) return undefined;
  return { stage, message: `${what} expires on ${day(toMs)}, in ${Math.ceil(left)} days. Renew it in time.` };
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
