/** Sends one mail by SMTP (RFC 5321): over TLS or STARTTLS (RFC 3207), signed in by PLAIN or LOGIN (RFC 4954). */
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Fault } from '../../core/errors.ts';

/** Whom a mail goes to, over what. */
interface SmtpSession {
  /** The open connection; its greeting has not been read. Belongs to this session. */
  readonly stream: Duplex;
  /** `host:port`, for the texts. */
  readonly address: string;
  /** How the connection is secured by STARTTLS; undefined: it is secure already, or must not be. */
  readonly startTls: ConnectionOptions | undefined;
  readonly login: { readonly username: string; readonly password: string } | undefined;
  /** Name of this machine, for EHLO. */
  readonly hello: string;
}

/** What is sent. `data`: headers and body with CRLF, every line at most 998 bytes. */
interface Envelope {
  readonly from: string;
  readonly to: readonly string[];
  readonly data: string;
}

/** The longest answer; a server that says more is hung up on. */
const MAX_ANSWER_BYTES = 65_536;

interface Reply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Reads answers and writes commands, one at a time. */
class Talk {
  private readonly stream: Duplex;
  private readonly address: string;
  private text = '';
  private lines: string[] = [];
  private broken: Error | undefined;
  private waiting: ((outcome: Reply | Error) => void) | undefined;

  constructor(stream: Duplex, address: string) {
    this.stream = stream;
    this.address = address;
    stream.on('data', this.heard);
    stream.on('error', this.lost);
    stream.on('close', this.closed);
  }

  /** Lets go of the stream, which must have nothing more to say: what came in the clear is not taken for what came by TLS. */
  release(): Duplex {
    this.stream.off('data', this.heard);
    this.stream.off('error', this.lost);
    this.stream.off('close', this.closed);
    if (this.text !== '' || this.lines.length > 0)
      throw new Fault(
        `${this.address} says more than it was asked before the connection is secure`,
        'Something on the way may be changing what it says. Use smtps:// if the server has it.',
      );
    return this.stream;
  }

  /** The answer to a command; undefined in place of a command: the greeting. */
  ask(command: string | undefined): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.waiting = (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
      if (this.broken) {
        this.settle(this.broken);
        return;
      }
      if (command !== undefined) this.stream.write(`${command}\r\n`);
      this.next();
    });
  }

  private settle(outcome: Reply | Error): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.(outcome);
  }

  private next(): void {
    for (let end = this.text.indexOf('\n'); this.waiting && end !== -1; end = this.text.indexOf('\n')) {
      const line = this.text.slice(0, end).replace(/\r$/, '');
      this.text = this.text.slice(end + 1);
      const form = /^(\d{3})([ -]?)(.*)$/.exec(line);
      if (!form) {
        this.fail(new Fault(`${this.address} does not speak SMTP`, 'Check the address and the port.'));
        return;
      }
      this.lines.push(form[3]!);
      if (form[2] === '-') continue;
      const reply = { code: Number(form[1]), lines: this.lines };
      this.lines = [];
      this.settle(reply);
    }
  }

  private fail(error: Error): void {
    this.broken ??= error;
    this.stream.destroy();
    this.settle(this.broken);
  }

  private readonly heard = (chunk: Buffer): void => {
    this.text += chunk.toString('latin1');
    if (this.text.length <= MAX_ANSWER_BYTES) this.next();
    else this.fail(new Fault(`${this.address} answers without end`, 'Check the address and the port.'));
  };

  private readonly lost = (error: Error): void => this.fail(error);

  private readonly closed = (): void =>
    this.fail(new Fault(`${this.address} closed the connection`, 'Look at the log of the mail server.'));
}

/**
 * Sends a mail. Resolves with the recipients that the server refused, where it took others.
 *
 * @throws Fault with what the server said and what to do
 */
export async function sendMail(session: SmtpSession, envelope: Envelope): Promise<readonly string[]> {
  const { address, startTls, login, hello } = session;
  let talk = new Talk(session.stream, address);
  const ask = async (command: string | undefined, wanted: number, doing: string): Promise<Reply> => {
    const reply = await talk.ask(command);
    if (Math.floor(reply.code / 100) === wanted) return reply;
    throw refusal(address, doing, reply);
  };
  await ask(undefined, 2, 'at the greeting');
  let abilities = await ask(`EHLO ${hello}`, 2, 'to EHLO');
  if (startTls) {
    if (!abilities.lines.some((line) => /^STARTTLS$/i.test(line)))
      throw new Fault(
        `${address} offers no STARTTLS, and nothing is sent unencrypted`,
        'Write smtps:// with the port of the server that has TLS, often 465, or plaintext: true for a server in the same hall.',
      );
    await ask('STARTTLS', 2, 'to STARTTLS');
    talk = new Talk(await secured(talk.release(), startTls), address);
    abilities = await ask(`EHLO ${hello}`, 2, 'to EHLO');
  }
  if (login) await signIn(login, abilities, address, ask);
  await ask(`MAIL FROM:<${envelope.from}>`, 2, `to the sender ${envelope.from}`);
  const refused: string[] = [];
  let last: Reply | undefined;
  for (const to of envelope.to) {
    const reply = await talk.ask(`RCPT TO:<${to}>`);
    if (Math.floor(reply.code / 100) === 2) continue;
    refused.push(to);
    last = reply;
  }
  if (last && refused.length === envelope.to.length) throw refusal(address, `to ${refused.join(', ')}`, last);
  await ask('DATA', 3, 'to DATA');
  // A line that is a dot alone would end the mail (RFC 5321, 4.5.2).
  await ask(`${envelope.data.replaceAll(/^\./gm, '..')}\r\n.`, 2, 'to the mail');
  await talk.ask('QUIT').catch(() => {});
  return refused;
}

async function signIn(
  { username, password }: NonNullable<SmtpSession['login']>,
  { lines }: Reply,
  address: string,
  ask: (command: string, wanted: number, doing: string) => Promise<Reply>,
): Promise<void> {
  const ways =
    lines
      .find((line) => /^AUTH[ =]/i.test(line))
      ?.toUpperCase()
      .split(/[ =]/) ?? [];
  const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  const doing = `to the user ${username}`;
  if (ways.includes('PLAIN')) {
    await ask(`AUTH PLAIN ${base64(`\0${username}\0${password}`)}`, 2, doing);
  } else if (ways.includes('LOGIN')) {
    await ask('AUTH LOGIN', 3, doing);
    await ask(base64(username), 3, doing);
    await ask(base64(password), 2, doing);
  } else {
    const offered = ways.slice(1).join(', ') || 'nothing';
    throw new Fault(
      `${address} lets nobody sign in by PLAIN or LOGIN; it offers ${offered}`,
      'Remove username and password if it needs none, or use a password for applications.',
    );
  }
}

/** What a server said that did not do what it was asked. Secrets are never part of it: only answers are shown. */
function refusal(address: string, doing: string, { code, lines }: Reply): Fault {
  const said = lines
    .join(' ')
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 200);
  return new Fault(`${address} answers ${code} ${doing}: ${said}`, remedyOf(code));
}

function remedyOf(code: number): string {
  if (code === 535 || code === 534) return 'Check username and the file of the password.';
  if (code === 530) return 'The server wants a user: write username and password: {file: PATH}.';
  if (code === 550 || code === 551 || code === 553 || code === 554)
    return 'Check the addresses under from and to, and whether the server relays for this gateway.';
  if (code === 552) return 'The mailbox is full, or the mail too large.';
  return code < 500 ? 'It is tried again.' : 'Look at the log of the mail server.';
}

function secured(stream: Duplex, options: ConnectionOptions): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    // What goes wrong below is told of by the TLS on it.
    stream.on('error', () => {});
    const secure = connectTls({ ...options, socket: stream });
    secure.once('secureConnect', () => {
      secure.off('error', reject);
      resolve(secure);
    });
    secure.on('error', reject);
  });
}
