/** Makes a key and a certificate that it signs itself (X.509 v3, RFC 5280), which Node.js can check but not make. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import { bits, boolean, explicit, implicit, integer, octets, oid, sequence, set, time, utf8 } from './der.ts';

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  keyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  alternativeNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
} as const;

/** Most characters of a common name (RFC 5280, ub-common-name). */
const MAX_COMMON_NAME = 64;

/** What a certificate says. */
interface Wish {
  /** Whose it is, for a person. */
  readonly name: string;
  /** Host names and addresses that it is good for. */
  readonly hosts: readonly string[];
  /** UTC ms. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * A new key on the curve P-256 and its certificate, both in PEM. It is no authority: whoever trusts it trusts this one
 * server, and what is stolen with its key cannot vouch for any other.
 */
export function makeSelfSigned({ name, hosts, fromMs, untilMs }: Wish): {
  readonly key: string;
  readonly cert: string;
} {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const who = sequence(set(sequence(oid(OID.commonName), utf8(name.slice(0, MAX_COMMON_NAME)))));
  // 127 random bits: a serial number is positive.
  const serial = randomBytes(16);
  serial[0]! &= 0x7f;
  const content = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    who,
    sequence(time(fromMs), time(untilMs)),
    who,
    spki,
    explicit(3, sequence(...extensions(spki, hosts))),
  );
  const signature = sign('sha256', content, privateKey);
  const certificate = sequence(content, algorithm, bits(signature));
  return { key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })), cert: pem(certificate) };
}

function extensions(spki: Buffer, hosts: readonly string[]): Buffer[] {
  const digitalSignature = bits(Buffer.from([0x80]), 7);
  return [
    extension(OID.basicConstraints, sequence(), true),
    extension(OID.keyUsage, digitalSignature, true),
    extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuthentication))),
    extension(OID.keyIdentifier, octets(createHash('sha1').update(spki).digest())),
    extension(OID.alternativeNames, sequence(...hosts.map(alternativeName))),
  ];
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(value));
}

/** `GeneralName`: an address as its bytes, everything else as a name of DNS. */
function alternativeName(host: string): Buffer {
  return isIP(host) === 0 ? implicit(2, Buffer.from(host, 'latin1')) : implicit(7, addressBytes(host));
}

/** An IPv4 or IPv6 address as its 4 or 16 bytes. */
function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  // The form of a URL is the short one of RFC 5952, without an IPv4 address at its end.
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = short.split('::');
  const groups = (text: string | undefined): number[] =>
    text ? text.split(':').map((hex) => Number.parseInt(hex, 16)) : [];
  const [front, back] = [groups(head), groups(tail)];
  const all = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
