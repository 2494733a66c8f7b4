/** The key of a gateway that signs the chain of quality records, and its checkpoints (Ed25519, RFC 8032). */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../core/errors.ts';
import type { Checkpoint } from '../core/event.ts';
import { writeWhole } from '../core/file-system.ts';
import { canonical } from './canonical.ts';

/** A key that signs. */
export interface SigningKey {
  /** Names the key: the first 16 hex digits of the SHA-256 of the public key. */
  readonly id: string;
  /** 32 bytes, hex. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** The files of the key in the state folder: the private one is readable for the gateway alone. */
const PRIVATE_FILE = 'quality-key.pem';
export const PUBLIC_FILE = 'quality-key.pub';

/** What stands before the 32 bytes of an Ed25519 public key in its usual form (RFC 8410). */
const SPKI_PREFIX = '302a300506032b6570032100';

/** The key of the folder; it is made at the first start. Throws what the disk says. */
export function openSigningKey(folder: string): SigningKey {
  const file = join(folder, PRIVATE_FILE);
  const pem = readIfThere(file) ?? madeIn(file);
  const privateKey = createPrivateKey(pem);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const publicKey = spki.subarray(-32).toString('hex');
  const key = { id: keyIdOf(publicKey), publicKey, privateKey };
  const publicFile = join(folder, PUBLIC_FILE);
  if (readIfThere(publicFile)?.trim() !== publicKey) writeWhole(publicFile, `${publicKey}\n`, { mode: 0o644 });
  return key;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function madeIn(file: string): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  writeWhole(file, pem, { mode: 0o600, replace: false });
  return pem;
}

/** The name of a public key. */
export function keyIdOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'hex')).digest('hex').slice(0, 16);
}

/** The signature of a checkpoint: of its canonical JSON, hex. */
export function signed(checkpoint: Checkpoint, { privateKey }: SigningKey): string {
  return sign(null, Buffer.from(canonical(checkpoint)), privateKey).toString('hex');
}

/** Whether a checkpoint was signed by the key of this public key. */
export function isSigned(checkpoint: Checkpoint, signature: string, publicKey: string): boolean {
  const der = Buffer.from(SPKI_PREFIX + publicKey, 'hex');
  const key = createPublicKey({ key: der, type: 'spki', format: 'der' });
  return verify(null, Buffer.from(canonical(checkpoint)), key, Buffer.from(signature, 'hex'));
}
