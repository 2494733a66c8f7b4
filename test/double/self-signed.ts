import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from './mqtt-peers.ts';

/** The key and certificate of a device on this machine that is its own authority. */
export interface SelfSigned {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Path of the certificate. */
  readonly certPath: string;
  remove(): Promise<void>;
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const SUBJECT = ['-days', '2', '-subj', '/CN=plc', '-addext', 'subjectAltName=IP:127.0.0.1'];

export async function selfSigned(): Promise<SelfSigned> {
  const folder = await mkdtemp(join(tmpdir(), 'millgate-self-signed-'));
  const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  await runTool('openssl', ['req', '-x509', ...EC_KEY, ...SUBJECT, '-keyout', keyPath, '-out', certPath], folder);
  return {
    key: await readFile(keyPath),
    cert: await readFile(certPath),
    certPath,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
