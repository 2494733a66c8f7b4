/** The files of a TLS connection: read anew for each, judged, and explained where they are not what they should be. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { SecretRef, TlsConfig } from '../config/config.ts';
import { type Clock, every } from '../core/clock.ts';
import { codeOf, EXIT, Fault, messageOf } from '../core/errors.ts';
import type { Alarms } from '../core/event.ts';
import type { Logger } from '../core/log.ts';

/** The contents of the TLS files. */
export interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** A PKCS#12 file, with certificate and key in it. */
  readonly pfx: Buffer | undefined;
  readonly passphrase: string | undefined;
}

/** Reads a file whole; rejects with Node's error. */
export type ReadFile = (path: string) => Promise<Buffer>;

/** Gives a secret; throws with a message that names the file or variable, never its content. */
export type ReadSecret = (ref: SecretRef) => string | Promise<string>;

/** Days before the end at which a warning is given. */
const EXPIRY_WARNING_DAYS = [30, 14, 7] as const;

const DAY_MS = 86_400_000;

const NO_FILES: TlsFiles = { ca: undefined, cert: undefined, key: undefined, pfx: undefined, passphrase: undefined };

/** Reads the files as they are now, so that renewed ones are used. Rejects with a `Fault` that names the file. */
export async function loadTls(tls: TlsConfig | undefined, readFile: ReadFile, secrets: ReadSecret): Promise<TlsFiles> {
  if (!tls) return NO_FILES;
  const read = async (member: 'ca' | 'cert' | 'key' | 'pfx'): Promise<Buffer | undefined> => {
    const path = tls[member];
    if (path === undefined) return undefined;
    try {
      return await readFile(path);
    } catch (error) {
      throw new Fault(`tls.${member}: ${path} cannot be read: ${fileTrouble(error)}`, '', undefined, { cause: error });
    }
  };
  const [ca, cert, key, pfx] = [await read('ca'), await read('cert'), await read('key'), await read('pfx')];
  const passphrase = tls.passphrase && (await secrets(tls.passphrase));
  const pem = { ca: ca?.toString('utf8'), cert: cert?.toString('utf8'), key: key?.toString('utf8') };
  if (ca) requireCertificate(`tls.ca: ${tls.ca}`, ca);
  if (cert) requireCertificate(`tls.cert: ${tls.cert}`, cert);
  if (key) checkKey(tls.key!, key, passphrase);
  if (pfx) checkPfx(tls.pfx!, pfx, passphrase);
  return { ...pem, pfx, passphrase };
}

/** The files as options of a connection. `host`: where the broker is, which is what its certificate is checked for. */
export function tlsOptions(files: TlsFiles, serverName: string | undefined): ConnectionOptions {
  const { ca, cert, key, pfx, passphrase } = files;
  return {
    rejectUnauthorized: true,
    ...(serverName !== undefined && { servername: serverName }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(pfx !== undefined && { pfx }),
    ...(passphrase !== undefined && { passphrase }),
  };
}

function fileTrouble(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'there is no such file. Correct the path or put the file there.';
  if (codeOf(error) === 'EACCES') return 'no permission. Let the gateway’s user read it.';
  return `${messageOf(error)}.`;
}

function requireCertificate(what: string, content: Buffer): void {
  if (certificatesIn(content.toString('utf8')).length > 0) return;
  throw new Fault(
    `${what} is not a certificate in PEM form`,
    'Convert it: openssl x509 -inform DER -in FILE -out FILE.pem',
  );
}

/** A key must be PEM, and come with its passphrase where it has one. */
function checkKey(path: string, content: Buffer, passphrase: string | undefined): void {
  const text = content.toString('latin1');
  if (!text.includes('-----BEGIN')) {
    throw new Fault(
      `tls.key: ${path} is not a key in PEM form`,
      `A PKCS#12 file (.p12, .pfx) goes under tls.pfx; a DER key is converted: openssl pkey -inform DER -in ${path} -out ${path}.pem`,
    );
  }
  const isEncrypted = /ENCRYPTED/.test(text);
  if (isEncrypted && passphrase === undefined) {
    throw new Fault(
      `tls.key: ${path} is encrypted with a passphrase`,
      `Add tls.passphrase: {file: PATH}, or remove it: openssl pkey -in ${path} -out ${path}.pem`,
    );
  }
  try {
    createPrivateKey({ key: content, format: 'pem', ...(passphrase !== undefined && { passphrase }) });
  } catch (error) {
    const [what, remedy] = isEncrypted
      ? ['is encrypted, and tls.passphrase does not open it', 'Check the passphrase file.']
      : [`is not a private key in PEM form (${messageOf(error)})`, 'Replace the file.'];
    throw new Fault(`tls.key: ${path} ${what}`, remedy, EXIT.failed, { cause: error });
  }
}

function checkPfx(path: string, pfx: Buffer, passphrase: string | undefined): void {
  try {
    createSecureContext({ pfx, ...(passphrase !== undefined && { passphrase }) });
  } catch (error) {
    const text = messageOf(error);
    let what = `is not a PKCS#12 file (${text})`;
    let remedy = 'A PEM certificate and key go under tls.cert and tls.key.';
    if (/mac verify/i.test(text))
      [what, remedy] =
        passphrase === undefined
          ? ['is protected by a passphrase', 'Add tls.passphrase: {file: PATH}.']
          : ['is not opened by tls.passphrase', 'Check the passphrase file.'];
    else if (/unsupported/i.test(text))
      [what, remedy] = [
        'is in an old form that is no longer supported',
        `Convert it: openssl pkcs12 -legacy -in ${path} -nodes -out all.pem, then openssl pkcs12 -export -in all.pem -out ${path}`,
      ];
    throw new Fault(`tls.pfx: ${path} ${what}`, remedy, EXIT.failed, { cause: error });
  }
}

/** How near its end a certificate is. */
export interface CertificateFinding {
  /** The smallest of the warning days that is passed; 0 when it has expired; `not-yet` before it begins. */
  readonly stage: number | 'not-yet';
  readonly message: string;
}

/**
 * Judges every certificate of a PEM text: bundles of authorities hold several, and any of them can be the one that
 * expires. What is nearest to its end is told.
 *
 * @param what how the message calls it, such as its file
 * @returns undefined when there is nothing to say
 */
export function judgeCertificate(what: string, pem: string, wallMs: number): CertificateFinding | undefined {
  const certificates = certificatesIn(pem);
  if (certificates.length === 0)
    return { stage: 0, message: `${what} is not a certificate in PEM form. Replace the file.` };
  const findings = certificates.flatMap((certificate, index) => {
    const name = certificates.length === 1 ? what : `${what}, certificate ${index + 1} (${nameOf(certificate)})`;
    return judgeOne(name, certificate, wallMs) ?? [];
  });
  const rank = ({ stage }: CertificateFinding): number => (stage === 'not-yet' ? 0 : stage);
  const [worst] = findings.sort((a, b) => rank(a) - rank(b));
  if (!worst || findings.length === 1) return worst;
  return { stage: worst.stage, message: findings.map(({ message }) => message).join(' ') };
}

function judgeOne(what: string, certificate: X509Certificate, wallMs: number): CertificateFinding | undefined {
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

/** The certificates of a PEM text; what is no certificate in it is passed over. */
function certificatesIn(pem: string): X509Certificate[] {
  const blocks =
    pem.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

function nameOf({ subject }: X509Certificate): string {
  return /CN=([^\n]+)/.exec(subject)?.[1] ?? subject.replaceAll('\n', ', ');
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Whose certificates they are, and where it is told that they end. */
interface CertificatesDeps {
  /** Name of the uplink. */
  readonly name: string;
  readonly tls: TlsConfig | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly alarms: Alarms;
  readonly readFile: ReadFile;
  readonly secrets: ReadSecret;
}

/** How often the certificates are looked at while a session lasts. */
const CHECK_MS = 86_400_000;

/** The certificates of one uplink: read for each connection, and watched while it lasts. */
export class Certificates {
  private readonly deps: CertificatesDeps;
  private readonly warned = new Map<string, number | string>();

  constructor(deps: CertificatesDeps) {
    this.deps = deps;
  }

  /** The files as they are now; says once for each stage when a certificate nears its end. */
  async load(): Promise<TlsFiles> {
    const { tls, readFile, secrets } = this.deps;
    const files = await loadTls(tls, readFile, secrets);
    for (const member of ['cert', 'ca'] as const) this.judge(member, files[member]);
    return files;
  }

  /** Looks at the files now and then until the session is over. */
  watch(ended: Promise<unknown>): void {
    const { tls, clock, log } = this.deps;
    if (!tls) return;
    const look = () =>
      this.load().then(
        () => {},
        (error: unknown) => log.warn(messageOf(error)),
      );
    ended.then(every(clock, CHECK_MS, look));
  }

  private judge(member: 'cert' | 'ca', pem: string | undefined): void {
    const { name, tls, clock, log, alarms } = this.deps;
    const what = `tls.${member} ${tls?.[member]}`;
    const finding = pem === undefined ? undefined : judgeCertificate(what, pem, clock.wallMs());
    const alarm = `uplink/${name}/certificate/${member}`;
    if (finding && this.warned.get(what) !== finding.stage) {
      log.warn(finding.message);
      alarms.clear(alarm, `uplink ${name}: the certificate is nearer to its end`);
      alarms.raise(alarm, `uplink ${name}: ${finding.message}`, { uplink: name });
    }
    if (finding) this.warned.set(what, finding.stage);
    else {
      this.warned.delete(what);
      alarms.clear(alarm, `uplink ${name}: the certificate was renewed`);
    }
  }
}
