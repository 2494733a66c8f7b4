/** The form of a signed bundle: one configuration for one gateway or some, with a number that only rises. Pure. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import { tagPattern } from '../../core/reading.ts';

/** Also what the signature begins with, so that no other text that is signed by the same key can be taken for a bundle. */
const FORM = 'millgate/bundle/1';

/** What stands before the 32 bytes of an Ed25519 public key in its usual form (RFC 8410). */
const SPKI_PREFIX = '302a300506032b6570032100';

/** The largest bundle, characters: twice quoted, it has to fit into a request of the API. */
export const MOST_BUNDLE_LENGTH = 400_000;

const contentSchema = lazily(() =>
  z.strictObject({
    form: z.literal(FORM),
    /** `gateway.id`, with `*` for any letters. */
    gateway: z.string().min(1).max(64),
    /** A gateway takes only a number above the last one that it took. */
    number: z.int().min(1),
    /** When it was made, UTC ms; for people. */
    madeMs: z.int(),
    /** The main file, whole. */
    text: z.string(),
  }),
);

/** What is in a bundle. */
type BundleContent = Omit<Readonly<z.infer<ReturnType<typeof contentSchema>>>, 'form'>;

/** A bundle that may be believed, or why it may not. */
type Opened =
  | { readonly ok: true; readonly content: BundleContent }
  | { readonly ok: false; readonly why: string; readonly remedy: string };

/** Two lines: what is signed, as JSON, and the signature in hex. Every byte counts. */
export function sealBundle(content: BundleContent, privatePem: string): string {
  const line = JSON.stringify({ form: FORM, ...content });
  return `${line}\n${sign(null, signedBytes(line), createPrivateKey(privatePem)).toString('hex')}\n`;
}

/** The public key of a private one, 64 hex digits. */
export function publicKeyOf(privatePem: string): string {
  const key = createPrivateKey(privatePem);
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('the key is not one of Ed25519');
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
}

/**
 * Opens a bundle. Nothing of it is looked at before its signature is right.
 *
 * @param publicKey 64 hex digits
 */
export function openBundle(text: string, publicKey: string): Opened {
  const refused = (why: string, remedy: string): Opened => ({ ok: false, why, remedy });
  const [, line, signature] = /^([^\n]+)\n([0-9a-f]{128})\n$/.exec(text.slice(0, MOST_BUNDLE_LENGTH + 1)) ?? [];
  if (line === undefined || signature === undefined || text.length > MOST_BUNDLE_LENGTH)
    return refused('it is no bundle, or a damaged one', 'Make it with millgate bundle, and copy it as it is.');
  if (!verify(null, signedBytes(line), keyOf(publicKey), Buffer.from(signature, 'hex')))
    return refused(
      'its signature is wrong: it was changed after it was signed, or signed by another key',
      'Make it again with the private key that belongs to the public key of this gateway.',
    );
  const content = contentSchema().safeParse(parsed(line));
  if (!content.success)
    return refused('it is signed, but of a form that this version does not know', 'Update millgate on this gateway.');
  const { form: _form, ...rest } = content.data;
  return { ok: true, content: rest };
}

/** Whether a bundle is for a gateway. */
export function isFor({ gateway }: BundleContent, id: string): boolean {
  return tagPattern(gateway)(id);
}

function signedBytes(line: string): Buffer {
  return Buffer.from(`${FORM}\n${line}`, 'utf8');
}

function keyOf(publicKey: string): KeyObject {
  const key = Buffer.from(SPKI_PREFIX + publicKey, 'hex');
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
