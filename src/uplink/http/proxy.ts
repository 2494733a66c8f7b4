/** Reaches a broker or server through a proxy: HTTP CONNECT (RFC 9110, 9.3.6) or SOCKS5 (RFC 1928, RFC 1929). */
import { isIP, isIPv4 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ProxyConfig } from '../../config/config.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import { type Dial, secured } from '../mqtt-dial.ts';
import type { ReadSecret } from '../mqtt-tls.ts';
import { explainTrouble } from '../mqtt-trouble.ts';

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 3128, 'socks5:': 1080 };

/** The longest answer of a proxy to CONNECT. */
const MAX_HEAD_BYTES = 16_384;

/** SOCKS5 replies (RFC 1928, 6). */
const SOCKS_REPLIES: Readonly<Record<number, string>> = {
  1: 'it failed',
  2: 'its rules do not allow it',
  3: 'the network cannot be reached',
  4: 'the host cannot be reached',
  5: 'the connection was refused there',
  6: 'it took too long',
};

interface Login {
  readonly username: string;
  readonly password: string;
}

/**
 * A dialer whose streams go through a proxy, which also looks the names up. TLS is spoken with the other side and not
 * with the proxy, which sees nothing but the name and the port.
 */
export function throughProxy(dial: Dial, proxy: ProxyConfig | undefined, secrets: ReadSecret): Dial {
  if (!proxy) return dial;
  const { protocol, hostname, port: given } = new URL(proxy.url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const port = Number(given) || DEFAULT_PORTS[protocol]!;
  const place = `the proxy ${hostname}:${port}`;
  const ask = protocol === 'http:' ? askHttp : askSocks;
  return async (target, signal) => {
    const { username, password } = proxy;
    const login =
      username !== undefined && password ? { username, password: (await secrets(password)).trim() } : undefined;
    const stream = await dial({ host, port, tls: undefined }, signal).catch((error: unknown) => {
      if (signal.aborted) throw signal.reason;
      throw new Fault(whyNot(error, `${hostname}:${port}`), '', EXIT.failed, { cause: error });
    });
    const end = () => stream.destroy(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
    try {
      await ask(new Reader(stream, place), stream, target, login, place);
    } catch (error) {
      stream.destroy();
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', end);
    }
    return target.tls ? secured(stream, { ...target.tls, host: target.host }, signal) : stream;
  };
}

function whyNot(error: unknown, address: string): string {
  const context = { address: `the proxy ${address}`, secure: false, clientId: '', username: undefined };
  return explainTrouble(error, { ...context, ca: undefined, cert: undefined, peer: 'server' });
}

async function askHttp(
  reader: Reader,
  stream: Duplex,
  { host, port }: Parameters<Dial>[0],
  login: Login | undefined,
  place: string,
): Promise<void> {
  const name = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const pair = login && Buffer.from(`${login.username}:${login.password}`).toString('base64');
  const authorization = pair === undefined ? '' : `Proxy-Authorization: Basic ${pair}\r\n`;
  stream.write(`CONNECT ${name} HTTP/1.1\r\nHost: ${name}\r\n${authorization}\r\n`);
  const head = (await reader.until('\r\n\r\n', MAX_HEAD_BYTES)).toString('latin1');
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
  if (status >= 200 && status < 300) return;
  if (Number.isNaN(status))
    throw new Fault(`${place} does not speak HTTP`, 'Check proxy: its address, and whether it is socks5://.');
  const said = /^HTTP\/1\.[01] (\d{3}[^\r\n]*)/.exec(head)![1]!.slice(0, 100);
  throw new Fault(`${place} answers ${said} to a connection to ${name}`, httpRemedy(status, login !== undefined));
}

function httpRemedy(status: number, hasLogin: boolean): string {
  if (status === 407)
    return hasLogin
      ? 'Check username and password of the proxy; it must take Basic authentication.'
      : 'It wants a user: write proxy: {url: …, username: …, password: {file: PATH}}.';
  if (status === 403) return 'Have its rules allow this host and port.';
  if (status === 502 || status === 503 || status === 504)
    return 'It does not reach the host: check url, and the way behind the proxy.';
  return 'Look at the log of the proxy.';
}

async function askSocks(
  reader: Reader,
  stream: Duplex,
  { host, port }: Parameters<Dial>[0],
  login: Login | undefined,
  place: string,
): Promise<void> {
  stream.write(Buffer.from(login ? [5, 2, 0, 2] : [5, 1, 0]));
  const [version, method] = await reader.take(2);
  if (version !== 5)
    throw new Fault(`${place} does not speak SOCKS5`, 'Check proxy: its address, and whether it is http://.');
  if (method === 2 && login) await signIn(reader, stream, login, place);
  else if (method !== 0)
    throw new Fault(
      `${place} takes nobody without signing in`,
      'Write proxy: {url: …, username: …, password: {file: PATH}}.',
    );
  stream.write(Buffer.concat([Buffer.from([5, 1, 0]), addressOf(host), Buffer.from([port >> 8, port & 255])]));
  const [, reply = 1, , kind = 1] = await reader.take(4);
  if (reply !== 0)
    throw new Fault(
      `${place} does not connect to ${host}:${port}: ${SOCKS_REPLIES[reply] ?? `reply ${reply}`}`,
      'Check url, and the rules of the proxy.',
    );
  const length = kind === 1 ? 4 : kind === 4 ? 16 : (await reader.take(1))[0]!;
  await reader.take(length + 2);
}

async function signIn(reader: Reader, stream: Duplex, { username, password }: Login, place: string): Promise<void> {
  const [user, secret] = [Buffer.from(username), Buffer.from(password)];
  if (user.length > 255 || secret.length > 255)
    throw new Fault(`${place}: user and password have at most 255 bytes each`, 'Check the file of the password.');
  stream.write(Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([secret.length]), secret]));
  const [, status] = await reader.take(2);
  if (status !== 0)
    throw new Fault(`${place} refused the user ${username}`, 'Check username and password of the proxy.');
}

/** An address as SOCKS5 has it; names go as they are, and the proxy looks them up. */
function addressOf(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([1, ...host.split('.').map(Number)]);
  if (isIP(host) === 6) return Buffer.concat([Buffer.from([4]), ipv6Bytes(host)]);
  const name = Buffer.from(host);
  return Buffer.concat([Buffer.from([3, name.length]), name]);
}

function ipv6Bytes(host: string): Buffer {
  // The URL writes every form of an address the same way, in hexadecimal.
  const text = new URL(`http://[${host.replace(/%.*$/, '')}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((one) => Number.parseInt(one, 16));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** Reads exactly what is asked for, and leaves what follows in the stream for whoever speaks next. */
class Reader {
  private readonly stream: Duplex;
  private readonly place: string;

  constructor(stream: Duplex, place: string) {
    this.stream = stream;
    this.place = place;
  }

  take(count: number): Promise<Buffer> {
    return this.collect((bytes) => (bytes.length >= count ? count : undefined));
  }

  until(end: string, most: number): Promise<Buffer> {
    return this.collect((bytes) => {
      const place = bytes.indexOf(end);
      if (place === -1 && bytes.length > most)
        throw new Fault(`${this.place} answers without end`, 'Check the address of the proxy.');
      return place === -1 ? undefined : place + end.length;
    });
  }

  /** @param lengthOf how many of the bytes so far are what is wanted; undefined: more are needed */
  private collect(lengthOf: (bytes: Buffer) => number | undefined): Promise<Buffer> {
    const { stream, place } = this;
    return new Promise((resolve, reject) => {
      let bytes = Buffer.alloc(0);
      // Read on demand: a stream that was made to flow and paused again would stay paused for its next owner.
      const settle = (act: () => void): void => {
        stream.off('readable', heard).off('error', lost).off('close', closed);
        act();
      };
      const heard = (): void => {
        for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null)
          bytes = Buffer.concat([bytes, chunk]);
        try {
          const length = lengthOf(bytes);
          if (length === undefined) return;
          settle(() => {
            if (bytes.length > length) stream.unshift(bytes.subarray(length));
            resolve(bytes.subarray(0, length));
          });
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const lost = (error: Error) => settle(() => reject(error));
      const closed = () =>
        settle(() => reject(new Fault(`${place} closed the connection`, 'Check its address and its rules.')));
      stream.on('readable', heard).on('error', lost).on('close', closed);
    });
  }
}
