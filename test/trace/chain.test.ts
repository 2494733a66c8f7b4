import { createHash, createPrivateKey, sign } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EventBody, GatewayEvent } from '../../src/core/event.ts';
import { canonical } from '../../src/trace/canonical.ts';
import { type ChainRecord, hashOf, QualityChain } from '../../src/trace/chain.ts';
import { isSigned, openSigningKey } from '../../src/trace/signing.ts';
import { checkpointLine, headerLine, recordLine, verifyChain } from '../../src/trace/verify-chain.ts';
import { readOracle } from '../double/oracle.ts';

interface Oracle {
  readonly jcs_rfc8785: { readonly vectors: readonly { in: string; out: string; sha256_of_out: string }[] };
  readonly ed25519_rfc8032: readonly { sk: string; pk: string; msg: string; sig: string }[];
  readonly example_chain: { readonly records: readonly { canonical: string; sha256: string }[] };
}

const ORACLE = readOracle('trace/trace.json') as Oracle;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'millgate-trace-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function audit(number: number): GatewayEvent {
  const body: EventBody = {
    kind: 'audit',
    what: 'spc-exclude',
    message: `points of chart ${number}`,
    by: 'ann',
    number,
  };
  return { wallMs: 1_700_000_000_000 + number, monoMs: number, clockKnown: true, body };
}

/** An event as uplinks and the journal give it. */
function onWire({ body, wallMs }: GatewayEvent, seq: number): Record<string, unknown> {
  return { schema: 'millgate/event/1', gateway: 'g', epoch: 'e', seq, t: wallMs, ...body };
}

/** The lines of a file with records 0 to `count` − 1. */
function file(count = 6, key = openSigningKey(folder())): string[] {
  const chain = new QualityChain(undefined, key);
  const events = Array.from({ length: count }, (_, number) => chain.link([audit(number)]).events).flat();
  const lines = events.map((event, index) => recordLine(onWire(event, 40 + index))!.text);
  return [headerLine(key.publicKey), ...lines, checkpointLine(chain.sign(1_700_000_100_000)!)];
}

const bytesOf = (lines: readonly string[]) => Buffer.from(`${lines.join('\n')}\n`);

const check = (lines: readonly string[], trusted?: string) => verifyChain(bytesOf(lines), { trusted });

describe('canonical JSON', () => {
  it.each(ORACLE.jcs_rfc8785.vectors)('is that of RFC 8785: $out', ({ in: text, out, sha256_of_out: hash }) => {
    expect(canonical(JSON.parse(text))).toBe(out);
    expect(createHash('sha256').update(out).digest('hex')).toBe(hash);
  });

  it('writes integers of any width as events have them, and refuses what is no number', () => {
    expect(canonical({ b: 2n ** 60n, a: 7n, c: undefined, d: -0 })).toBe('{"a":7,"b":"1152921504606846976","d":0}');
    expect(() => canonical([Number.NaN])).toThrow(TypeError);
  });
});

describe('a chain', () => {
  it('hashes the records of the published example', () => {
    for (const { canonical: text, sha256 } of ORACLE.example_chain.records) {
      const record = JSON.parse(text) as ChainRecord;
      expect([canonical(record), hashOf(record)]).toEqual([text, sha256]);
    }
  });

  it('links quality records only, each once, and goes on from what was stored', () => {
    const chain = new QualityChain(undefined, undefined);
    const other = { ...audit(9), body: { kind: 'lifecycle', what: 'stopped', message: '' } as const };
    const first = chain.link([audit(0), other]);
    expect(first.events[1]).toBe(other);
    expect(chain.link(first.events)).toEqual({ events: first.events, state: undefined });
    const next = new QualityChain(first.state, undefined).link([audit(1)]).events[0]!.body;
    const { hash } = first.events[0]!.body.chain as { hash: string };
    expect(next).toMatchObject({ chain: { seq: 1, prev: hash } });
  });

  it('is signed after a hundred records, and before the last words of a run', () => {
    const chain = new QualityChain(undefined, openSigningKey(folder()));
    const made = Array.from({ length: 100 }, (_, number) => chain.link([audit(number)]).events).flat();
    expect(made.filter(({ body }) => body.kind === 'quality')).toMatchObject([
      { body: { checkpoint: { count: 100 } } },
    ]);
    expect(chain.unsigned).toBe(0);
    chain.signNext();
    const stopped = { ...audit(101), body: { kind: 'lifecycle', what: 'stopped', message: '' } as const };
    const { events } = chain.link([audit(100), stopped]);
    expect(events.map(({ body }) => body.kind)).toEqual(['audit', 'quality', 'lifecycle']);
  });
});

describe('the key', () => {
  it('is made once, for the gateway alone', () => {
    const path = folder();
    const key = openSigningKey(path);
    expect(openSigningKey(path).publicKey).toBe(key.publicKey);
    expect(statSync(join(path, 'quality-key.pem')).mode & 0o777).toBe(0o600);
  });

  it.each(ORACLE.ed25519_rfc8032)('signs as RFC 8032 does: $pk', ({ sk, msg, sig }) => {
    const der = Buffer.from(`302e020100300506032b657004220420${sk}`, 'hex');
    const key = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
    expect(sign(null, Buffer.from(msg, 'hex'), key).toString('hex')).toBe(sig);
  });

  it('is not that of another gateway', () => {
    const [one, other] = [openSigningKey(folder()), openSigningKey(folder())];
    const { checkpoint, signature } = new QualityChain(undefined, one).sign(1)!;
    expect([isSigned(checkpoint, signature, one.publicKey), isSigned(checkpoint, signature, other.publicKey)]).toEqual([
      true,
      false,
    ]);
  });
});

describe('verify', () => {
  it('finds a file as it was written, whole or from a later record on', () => {
    const lines = file();
    expect(check(lines)).toMatchObject({ ok: true, records: 6, from: 0, to: 5 });
    expect(check([lines[0]!, ...lines.slice(4)])).toMatchObject({ ok: true, records: 3, from: 3, to: 5 });
  });

  it.each<readonly [string, (lines: string[]) => string[], number | null]>([
    ['a record taken out', (lines) => lines.toSpliced(2, 1), 2],
    ['two records exchanged', (lines) => [lines[0]!, lines[1]!, lines[3]!, lines[2]!, ...lines.slice(4)], 1],
    ['a record put twice', (lines) => lines.toSpliced(3, 0, lines[2]!), 1],
    ['the last record cut', (lines) => lines.toSpliced(6, 1), 4],
    ['the end cut', (lines) => lines.slice(0, 5), 3],
    ['the checkpoint cut', (lines) => lines.slice(0, -1), 5],
    ['records of another chain', (lines) => [...lines.slice(0, 4), ...file().slice(4)], null],
    ['the checkpoint of another key', (lines) => [...lines.slice(0, -1), file().at(-1)!], 5],
    ['an older checkpoint of the same key', () => older(), 5],
  ])('finds %s', (_what, change, record) => {
    const verdict = check(change(file()));
    expect(verdict.ok).toBe(false);
    if (record !== null) expect(verdict).toMatchObject({ record });
  });

  it('finds a chain that was written anew, given the key that should have signed it', () => {
    const key = openSigningKey(folder());
    expect(check(file(6, key), key.publicKey).ok).toBe(true);
    expect(check(file(), key.publicKey)).toMatchObject({ ok: false, line: 1 });
  });

  it.each(['', '\n', '{}', 'null', '[]'])('refuses %j', (text) => {
    expect(verifyChain(Buffer.from(text)).ok).toBe(false);
  });
});

/** A file whose checkpoint was replaced by one that was made two records earlier. */
function older(): string[] {
  const key = openSigningKey(folder());
  const chain = new QualityChain(undefined, key);
  const linked = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => chain.link([audit(from + index)]).events[0]!);
  const before = linked(0, 4);
  const checkpoint = checkpointLine(chain.sign(1)!);
  const lines = [...before, ...linked(4, 6)].map((event, index) => recordLine(onWire(event, index))!.text);
  return [headerLine(key.publicKey), ...lines, checkpoint];
}
