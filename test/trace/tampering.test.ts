import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { GatewayEvent, SignedCheckpoint } from '../../src/core/event.ts';
import { seededRandom } from '../../src/core/random.ts';
import { type ChainRecord, hashOf, QualityChain } from '../../src/trace/chain.ts';
import { openSigningKey } from '../../src/trace/signing.ts';
import {
  checkpointLine,
  headerLine,
  keptCheckpoints,
  recordLine,
  type Verdict,
  verifyChain,
} from '../../src/trace/verify-chain.ts';
import { readOracle } from '../double/oracle.ts';

/** How many bytes of a large export are changed; all of a small one are. */
const FLIPS = Number(process.env.MILLGATE_FLIPS ?? 300);

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newKey() {
  const folder = mkdtempSync(join(tmpdir(), 'millgate-tampering-'));
  folders.push(folder);
  return openSigningKey(folder);
}

const KEY = newKey();

/** Texts of people and scanners: what JSON escapes, what takes several bytes, and what stands for broken bytes. */
const TEXTS = ['torque 12.5 Nm', '"\\\n\u0000', 'Prüfung 合格', '\ud800', '\ufffd\ufffd', '\u202egnp.exe', '😀'];

function recorded(number: number): GatewayEvent {
  const body = {
    kind: 'audit',
    what: 'spc-exclude',
    message: TEXTS[number % TEXTS.length]!,
    by: 'ann',
    number,
  } as const;
  return { wallMs: 1_700_000_000_000 + number * 1000, monoMs: number, clockKnown: true, body };
}

/** A chain of so many records, with a checkpoint for each instant. */
function chainOf(count: number, key = KEY, textOf = recorded) {
  const chain = new QualityChain(undefined, key);
  const lines: string[] = [];
  const checkpoints: string[] = [];
  for (let number = 0; number < count; number++) {
    const { body, wallMs } = chain.link([textOf(number)]).events[0]!;
    lines.push(recordLine({ schema: 's', gateway: 'g', epoch: 'e', seq: 90 + number, t: wallMs, ...body })!.text);
    checkpoints.push(checkpointLine(chain.sign(wallMs)!));
  }
  return { header: headerLine(key.publicKey), lines, checkpoints };
}

/** An export of the records from one number up to another one, as it is written to a file. */
function exported({ header, lines, checkpoints }: ReturnType<typeof chainOf>, from = 0, to = lines.length): Buffer {
  return Buffer.from(`${[header, ...lines.slice(from, to), checkpoints[to - 1]!].join('\n')}\n`);
}

/** The record in which a byte lies, its line end with it; undefined for the first line and the checkpoint. */
function recordAt(file: Buffer, at: number): number | undefined {
  const line = file.subarray(0, at).filter((byte) => byte === 10).length;
  const count = file.filter((byte) => byte === 10).length - 2;
  return line >= 1 && line <= count ? line - 1 : undefined;
}

function expectFound(file: Buffer, at: number, byte: number): void {
  const changed = Buffer.from(file);
  changed[at] = byte;
  const verdict = verifyChain(changed);
  const where = `byte ${at}: ${file[at]} → ${byte}`;
  expect(verdict.ok, where).toBe(false);
  const record = recordAt(file, at);
  if (record === undefined || verdict.ok) return;
  // A line end belongs to what it separates.
  const isLineEnd = file[at] === 10;
  expect(isLineEnd ? [record - 1, record, record + 1] : [record], where).toContain(verdict.record);
}

describe('a byte of an export that was changed', () => {
  it('is found wherever it is, and the record named in which it is', () => {
    const file = exported(chainOf(TEXTS.length));
    const random = seededRandom(11);
    for (let at = 0; at < file.length; at++) expectFound(file, at, file[at]! ^ (1 << Math.floor(random() * 8)));
    for (let at = 0; at < file.length; at++) expectFound(file, at, file[at]! ^ (1 + Math.floor(random() * 255)));
  });

  it('is found where it only turns one broken character into another', () => {
    const file = exported(chainOf(1, KEY, () => recorded(4)));
    const at = file.indexOf('\ufffd');
    // F0 BF BD is the beginning of a character of four bytes, which is shown as EF BF BD is.
    expectFound(file, at, 0xf0);
    expect(verifyChain(file).ok).toBe(true);
  });

  it('is found in a long export', { timeout: 60_000 }, () => {
    const file = exported(chainOf(200));
    const random = seededRandom(12);
    for (let flip = 0; flip < FLIPS / 10; flip++) {
      const at = Math.floor(random() * file.length);
      expectFound(file, at, file[at]! ^ (1 + Math.floor(random() * 255)));
    }
  });

  it('names a first record that is alone, and one before another that is broken', () => {
    const alone = exported(chainOf(1));
    expectFound(alone, alone.indexOf('ann'), 65);
    const two = exported(chainOf(3), 1);
    const [one, other] = [two.indexOf('ann'), two.lastIndexOf('ann')];
    two[one] = 65;
    two[other] = 65;
    expect(verifyChain(two)).toMatchObject({ ok: false, line: 2, record: 1 });
  });
});

describe('an export of which something is missing, or in another place', () => {
  it('is found wherever it is cut off', () => {
    const file = exported(chainOf(5));
    for (let length = 0; length < file.length; length++)
      expect(verifyChain(file.subarray(0, length)).ok, `${length} bytes`).toBe(false);
    expect(verifyChain(file)).toMatchObject({ ok: true, records: 5 });
  });

  it('is found wherever a piece is taken out, put in or exchanged', () => {
    const [file, other] = [exported(chainOf(6)), exported(chainOf(6, newKey()))];
    const random = seededRandom(13);
    const place = () => Math.floor(random() * file.length);
    for (let run = 0; run < FLIPS; run++) {
      const [from, to] = [place(), place()].sort((a, b) => a - b) as [number, number];
      const cut = Buffer.concat([file.subarray(0, from), file.subarray(to)]);
      const twice = Buffer.concat([file.subarray(0, to), file.subarray(from)]);
      const spliced = Buffer.concat([file.subarray(0, from), other.subarray(from, to), file.subarray(to)]);
      // What becomes the whole file of another gateway is found by the key that was noted.
      for (const changed of [cut, twice, spliced])
        expect(changed.equals(file) || !verifyChain(changed, { trusted: KEY.publicKey }).ok, `${from} to ${to}`).toBe(
          true,
        );
    }
  });

  it('is found in whatever order its lines are', () => {
    const lines = exported(chainOf(5)).toString().trimEnd().split('\n');
    const random = seededRandom(14);
    for (let run = 0; run < 100; run++) {
      const order = lines.map((line) => [random(), line] as const).sort(([a], [b]) => a - b);
      const text = order.map(([, line]) => line).join('\n');
      expect(text === lines.join('\n') || !verifyChain(Buffer.from(`${text}\n`)).ok).toBe(true);
    }
  });

  it('is found when its checkpoint is an earlier one, or that of another chain', () => {
    const chain = chainOf(6);
    const other = chainOf(6, newKey());
    const sameKey = chainOf(6, KEY, (number) => recorded(number + 1));
    for (const checkpoint of [...chain.checkpoints.slice(0, 5), ...other.checkpoints, ...sameKey.checkpoints]) {
      const text = `${[chain.header, ...chain.lines, checkpoint].join('\n')}\n`;
      expect(verifyChain(Buffer.from(text))).toMatchObject({ ok: false, record: 5 });
    }
  });

  it('is whole when it begins with a later record, and two that overlap agree', () => {
    const chain = chainOf(9);
    const [early, late] = [exported(chain, 0, 6), exported(chain, 4, 9)];
    const kept = keptCheckpoints(early.toString());
    expect(kept).toHaveLength(1);
    expect(verifyChain(late, { kept })).toMatchObject({ ok: true, records: 5, from: 4, to: 8 });
    const anew = exported(
      chainOf(9, KEY, (number) => recorded(number + (number > 4 ? 1 : 0))),
      4,
      9,
    );
    expect(verifyChain(anew).ok).toBe(true);
    expect(verifyChain(anew, { kept })).toMatchObject({ ok: false, record: 5 });
  });
});

describe('checkpoints that were kept elsewhere', () => {
  const chain = chainOf(8);
  const event = (line: string) =>
    JSON.stringify({ kind: 'quality', what: 'checkpoint', publicKey: KEY.publicKey, ...JSON.parse(line) });
  const log = ['', 'millgate/g/events {"kind":"alarm"}', `millgate/g/events ${event(chain.checkpoints[5]!)}`, '{'];
  const kept = keptCheckpoints(log.join('\n'));

  it('are found in what a broker gave, behind topics and among other events', () => {
    expect(kept).toMatchObject([{ line: 3, checkpoint: { count: 6 } }]);
    expect(verifyChain(exported(chain), { kept }).ok).toBe(true);
  });

  it('show that the end was cut and an older checkpoint put there', () => {
    const cut = exported(chain, 0, 4);
    expect(verifyChain(cut).ok).toBe(true);
    expect(verifyChain(cut, { kept })).toMatchObject({ ok: false, record: 4 });
  });

  it('show that the chain was written anew by whoever has the key', () => {
    const anew = exported(chainOf(8, KEY, (number) => recorded(number === 3 ? 30 : number)));
    expect(verifyChain(anew).ok).toBe(true);
    expect(verifyChain(anew, { kept })).toMatchObject({ ok: false, record: 5 });
  });

  it('speak against a file of another key, and are nothing when they are forged', () => {
    expect(verifyChain(exported(chainOf(8, newKey())), { kept }).ok).toBe(false);
    const [one] = kept;
    const forged = [{ ...one!, checkpoint: { ...one!.checkpoint, count: 9 } }];
    expect(verifyChain(exported(chain), { kept: forged })).toMatchObject({ ok: false, line: 3, record: null });
  });
});

describe('a file that begins behind a checkpoint', () => {
  const chain = chainOf(8);
  const behind = (count: number, from = count, of = chain) => {
    const checkpoint = JSON.parse(of.checkpoints[count - 1]!) as SignedCheckpoint;
    return [headerLine(KEY.publicKey, checkpoint), ...chain.lines.slice(from), chain.checkpoints[7]!];
  };
  const check = (lines: readonly string[]) => verifyChain(Buffer.from(`${lines.join('\n')}\n`));

  it('is whole, and says which one', () => {
    expect(check(behind(3))).toMatchObject({ ok: true, from: 3, to: 7, behind: { records: 3 } });
    expect(check(behind(8))).toMatchObject({ ok: true, records: 0, from: null, behind: { records: 8 } });
  });

  it('is broken when a byte of it is changed', () => {
    const file = Buffer.from(`${behind(5).join('\n')}\n`);
    const random = seededRandom(13);
    for (let at = 0; at < file.length; at += 3) {
      const changed = Buffer.from(file);
      changed[at]! ^= 1 + Math.floor(random() * 255);
      expect(verifyChain(changed).ok, `byte ${at}`).toBe(false);
    }
  });

  it('is broken wherever it is cut off', () => {
    const file = Buffer.from(`${behind(5).join('\n')}\n`);
    for (let end = 0; end < file.length; end += 5) expect(verifyChain(file.subarray(0, end)).ok, `${end}`).toBe(false);
  });

  it('is broken when its first records are missing, or the checkpoint is of another chain or replaced by another', () => {
    expect(check(behind(3, 4))).toMatchObject({ ok: false, line: 3, record: 4 });
    expect(check(behind(3, 2))).toMatchObject({ ok: false, line: 3, record: 2 });
    expect(check(behind(8).toSpliced(-1, 1, chain.checkpoints[6]!))).toMatchObject({ ok: false });
    const other = chainOf(8, KEY, (number) => recorded(number + 20));
    expect(check(behind(3, 3, other))).toMatchObject({ ok: false, line: 3, record: 3 });
    expect(check(behind(3, 3, chainOf(8, newKey())))).toMatchObject({ ok: false, line: 2 });
  });
});

interface Oracle {
  readonly merkle_rfc6962: {
    readonly leaves_hex: readonly string[];
    readonly roots: readonly string[];
    readonly empty: string;
  };
  readonly tamper_cases: readonly { change: string; detected_at?: number; detected?: string }[];
  readonly example_chain: { readonly records: readonly { canonical: string; sha256: string }[] };
}

describe('the published cases of tampering', () => {
  const oracle = readOracle('trace/trace.json') as Oracle;
  const chain = chainOf(3);
  const tampered: Readonly<Record<string, () => readonly string[]>> = {
    'value in record 1': () => chain.lines.with(1, chain.lines[1]!.replace('ann', 'bob')),
    'delete record 1': () => chain.lines.toSpliced(1, 1),
    'swap 1 and 2': () => [chain.lines[0]!, chain.lines[2]!, chain.lines[1]!],
    'truncate last record': () => chain.lines.slice(0, 2),
    'rewrite everything from record k with new hashes': () =>
      chainOf(3, KEY, (number) => recorded(number === 0 ? 0 : number + 1)).lines,
  };

  it.each(oracle.tamper_cases)('$change', ({ change, detected_at: record }) => {
    const text = `${[chain.header, ...tampered[change]!(), chain.checkpoints[2]!].join('\n')}\n`;
    const verdict: Verdict = verifyChain(Buffer.from(text));
    expect(verdict.ok).toBe(false);
    if (record !== undefined) expect(verdict).toMatchObject({ record });
  });

  /** RFC 6962, 2.1. The chain is a list and not a tree: a plant that anchors its checkpoints in one finds its roots here. */
  it('come with roots of trees over the same hash', () => {
    const sha = (...parts: readonly (Buffer | string)[]) => {
      const hash = createHash('sha256');
      for (const part of parts) hash.update(part);
      return hash.digest();
    };
    const rootOf = (leaves: readonly Buffer[]): Buffer => {
      if (leaves.length === 0) return sha();
      if (leaves.length === 1) return sha('\u0000', leaves[0]!);
      const left = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
      return sha('\u0001', rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
    };
    const { leaves_hex: leaves, roots, empty } = oracle.merkle_rfc6962;
    const data = leaves.map((hex) => Buffer.from(hex, 'hex'));
    expect(rootOf([]).toString('hex')).toBe(empty);
    expect(data.map((_, index) => rootOf(data.slice(0, index + 1)).toString('hex'))).toEqual(roots);
  });

  it('holds the hash of each record in the next one', () => {
    let prev = '0'.repeat(64);
    for (const { canonical, sha256 } of oracle.example_chain.records) {
      const record = JSON.parse(canonical) as ChainRecord;
      expect([record.prev, hashOf(record)]).toEqual([prev, sha256]);
      prev = sha256;
    }
  });
});
