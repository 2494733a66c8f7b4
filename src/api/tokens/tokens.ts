/** Makes the tokens of the API, keeps their hashes in one file, and finds whose token a request carries. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import { writeWhole } from '../../core/file-system.ts';
import type { Logger } from '../../core/log.ts';
import { Refused } from '../answer.ts';
import type { Role, TokenView } from './tokens-view.ts';

interface Kept extends TokenView {
  /** SHA-256 of the secret, hexadecimal. The secret has 256 random bits: there is nothing to guess, hence no salt. */
  readonly hash: string;
}

/** Most tokens, so that a script that makes one a call is noticed. */
const MAX_TOKENS = 100;

/** Longest name of a token, characters. */
const MAX_NAME = 60;

/**
 * When each token was used last, in a file of its own beside them: it is written behind a request, and may then be older
 * than what happened to the tokens meanwhile.
 */
const USES_FILE = 'tokens-used.json';

/** The last use is written to the disk when it is this much later than what is there, ms. */
const USE_STEP_MS = 600_000;

/** Wrong tokens of one sender before the first pause; the pause doubles with each more. */
const FREE_FAILURES = 5;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/** Senders whose failures are remembered; the oldest is forgotten first. */
const MAX_SENDERS = 1000;

interface Failures {
  readonly count: number;
  /** Until when nothing of this sender is looked at, monotonic ms. */
  readonly pausedUntilMs: number;
}

/** What tokens are kept with. */
interface TokenParts {
  /** Where they are kept; undefined: in memory, until the process ends. */
  readonly file: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The tokens of one gateway. */
export class Tokens {
  private readonly parts: TokenParts;
  private readonly kept = new Map<string, Kept>();
  private readonly failures = new Map<string, Failures>();
  /** When each token was used last, UTC ms, by its id; and as it was written last. */
  private readonly uses = new Map<string, number>();
  private readonly writtenUses = new Map<string, number>();
  private isWriting = false;

  /** A file that cannot be read leaves no token valid; the log says why. */
  constructor(parts: TokenParts) {
    this.parts = parts;
    if (parts.file === undefined) return;
    try {
      for (const one of JSON.parse(readFileSync(parts.file, 'utf8')) as Kept[]) this.kept.set(one.id, one);
      this.readUses(parts.file);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      parts.log.error(
        `${parts.file} cannot be read: ${messageOf(error)}. No token is valid until it is mended, or removed and the tokens are made anew.`,
      );
    }
  }

  /** Every token, in the order in which they were made. */
  list(): TokenView[] {
    return [...this.kept.values()].map(({ hash: _, ...shown }) => ({ ...shown, lastUsedMs: this.uses.get(shown.id) }));
  }

  /**
   * Makes a token.
   *
   * @returns the token, which is told this once, and how it is listed
   * @throws Fault when there are too many, the name is taken or not allowed, or the disk refuses it
   */
  create(name: string, role: Role): { readonly token: string; readonly view: TokenView } {
    if (name.length === 0 || name.length > MAX_NAME || /[\p{C}\p{Zl}\p{Zp}]/u.test(name))
      throw new Fault(
        'the name of the token is not allowed',
        `Give 1 to ${MAX_NAME} printable characters that say whose it is.`,
        EXIT.usage,
      );
    if (this.list().some((one) => one.name === name))
      throw new Fault(
        `there is a token named ${JSON.stringify(name)} already`,
        'Give another name, or revoke the old one: millgate token revoke ID.',
        EXIT.usage,
      );
    if (this.kept.size >= MAX_TOKENS)
      throw new Fault(`there are ${MAX_TOKENS} tokens`, 'Revoke those that nobody uses: millgate token list.');
    const id = randomBytes(4).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const view: TokenView = { id, name, role, createdMs: this.parts.clock.wallMs() };
    this.keep(new Map(this.kept).set(id, { ...view, hash: hashOf(secret).toString('hex') }));
    return { token: `mg_${id}_${secret}`, view };
  }

  /** Makes a token worthless at once. Throws `Fault` when there is none of that id. */
  revoke(id: string): TokenView {
    const found = this.list().find((one) => one.id === id);
    if (!found) throw new Refused(404, `there is no token ${JSON.stringify(id.slice(0, 40))}`, 'millgate token list.');
    const rest = new Map(this.kept);
    rest.delete(id);
    this.keep(rest);
    this.uses.delete(id);
    return found;
  }

  /**
   * Whose token a request carries.
   *
   * @param header the header `Authorization` as it was sent
   * @param sender the address it came from: failures are counted by sender and token
   * @throws Refused 401 for one that is not valid, 429 while the sender is paused for too many of those
   */
  holder(header: string, sender: string): TokenView {
    const [, id = '', secret = ''] = /^Bearer +mg_([0-9a-f]{8})_([\w-]{43})$/i.exec(header.slice(0, 200)) ?? [];
    const key = `${sender} ${id}`;
    const nowMs = this.parts.clock.monoMs();
    const before = this.failures.get(key);
    if (before && before.pausedUntilMs > nowMs) {
      const seconds = Math.ceil((before.pausedUntilMs - nowMs) / 1000);
      throw new Refused(429, 'too many wrong tokens', `Wait ${seconds} s, then send a valid one.`);
    }
    const found = this.kept.get(id);
    // Compared also where there is none of that id, so that the time of the answer does not tell which ids there are.
    const isSame = timingSafeEqual(hashOf(secret), Buffer.from(found?.hash ?? '0'.repeat(64), 'hex'));
    if (!found || !isSame) {
      this.fail(key, (before?.count ?? 0) + 1, nowMs);
      throw new Refused(
        401,
        'the token is not valid',
        'It was mistyped or revoked. Make a new one on the gateway: millgate token create --role ROLE NAME.',
      );
    }
    this.failures.delete(key);
    return this.used(found);
  }

  private fail(key: string, count: number, nowMs: number): void {
    const over = count - FREE_FAILURES;
    const pauseMs = over < 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(over, 10));
    this.failures.delete(key);
    this.failures.set(key, { count, pausedUntilMs: nowMs + pauseMs });
    if (this.failures.size > MAX_SENDERS) this.failures.delete(this.failures.keys().next().value!);
    if (count === FREE_FAILURES)
      this.parts.log.warn(`${key.trim()}: ${count} wrong API tokens in a row; it is slowed down`);
  }

  /** Notes when a token was used. The disk is written behind the request: polling never waits for it. */
  private used(token: Kept): TokenView {
    const nowMs = this.parts.clock.wallMs();
    this.uses.set(token.id, nowMs);
    if (Math.abs(nowMs - (this.writtenUses.get(token.id) ?? 0)) > USE_STEP_MS) void this.writeUses();
    return token;
  }

  /** One at a time; it never rejects. */
  private async writeUses(): Promise<void> {
    const { file, log } = this.parts;
    if (file === undefined || this.isWriting) return;
    this.isWriting = true;
    const uses = [...this.uses];
    for (const [id, ms] of uses) this.writtenUses.set(id, ms);
    try {
      await writeFile(join(dirname(file), USES_FILE), `${JSON.stringify(Object.fromEntries(uses))}\n`, { mode: 0o600 });
    } catch (error) {
      log.warn(`when a token was used could not be kept: ${messageOf(error)}`);
    } finally {
      this.isWriting = false;
    }
  }

  /** What cannot be read is not known: it decides nothing. */
  private readUses(file: string): void {
    try {
      const uses = JSON.parse(readFileSync(join(dirname(file), USES_FILE), 'utf8')) as Record<string, unknown>;
      for (const [id, ms] of Object.entries(uses))
        if (typeof ms === 'number' && this.kept.has(id)) this.uses.set(id, ms);
    } catch {
      // There is none yet, or the power was cut while it was written.
    }
  }

  private keep(next: ReadonlyMap<string, Kept>): void {
    const { file } = this.parts;
    try {
      if (file !== undefined)
        writeWhole(file, `${JSON.stringify([...next.values()], undefined, 2)}\n`, { mode: 0o600 });
    } catch (error) {
      const remedy = 'Check that the disk has room and that the user of the gateway may write there.';
      throw new Fault(`${file} cannot be written: ${messageOf(error)}`, remedy, EXIT.failed, { cause: error });
    }
    this.kept.clear();
    for (const [id, one] of next) this.kept.set(id, one);
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
