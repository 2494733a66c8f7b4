import { connect, createServer, type Socket } from 'node:net';

/** A proxy that lets connections through, and keeps what it was asked for. */
export interface ProxyDouble {
  readonly port: number;
  /** `host:port` of each connection that was asked for. */
  readonly asked: string[];
  /** What was shown as proof of who asks: `user:password`. */
  readonly logins: string[];
  close(): Promise<void>;
}

/** How it behaves: who may use it, and the answer in place of a connection. */
interface ProxyBehaviour {
  readonly login?: string;
  readonly refuse?: string | number;
}

async function serve(handle: (socket: Socket) => void): Promise<Pick<ProxyDouble, 'port' | 'close'>> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Joins both ends; what the other side says first comes in one piece with the answer, as it may. */
function through(socket: Socket, host: string, port: number, answer: Buffer): void {
  const other = connect(port, host === 'broker.plant.lan' ? '127.0.0.1' : host, () => {
    socket.write(answer);
    socket.pipe(other).pipe(socket);
  });
  other.on('error', () => socket.destroy());
  socket.on('close', () => other.destroy());
}

/** A proxy that is asked to CONNECT. */
export async function startHttpProxy({ login, refuse }: ProxyBehaviour = {}): Promise<ProxyDouble> {
  const asked: string[] = [];
  const logins: string[] = [];
  const server = await serve((socket) => {
    let text = '';
    const heard = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.off('data', heard);
      const place = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(text)?.[1] ?? '';
      asked.push(place);
      const basic = /^Proxy-Authorization: Basic (\S+)/im.exec(text)?.[1];
      if (basic !== undefined) logins.push(Buffer.from(basic, 'base64').toString());
      if (login !== undefined && logins.at(-1) !== login)
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      else if (refuse !== undefined) socket.end(`HTTP/1.1 ${refuse}\r\n\r\n`);
      else {
        const colon = place.lastIndexOf(':');
        through(
          socket,
          place.slice(0, colon),
          Number(place.slice(colon + 1)),
          Buffer.from('HTTP/1.1 200 OK\r\nVia: x\r\n\r\n'),
        );
      }
    };
    socket.on('data', heard);
  });
  return { ...server, asked, logins };
}

/** A SOCKS5 proxy. */
export async function startSocksProxy({ login, refuse }: ProxyBehaviour = {}): Promise<ProxyDouble> {
  const asked: string[] = [];
  const logins: string[] = [];
  const server = await serve((socket) => {
    let bytes = Buffer.alloc(0);
    let step: 'greeting' | 'login' | 'request' = 'greeting';
    const heard = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (step === 'greeting' && bytes.length >= 2 + bytes[1]!) {
        const wanted = login === undefined ? 0 : 2;
        const offers = bytes.subarray(2, 2 + bytes[1]!).includes(wanted);
        bytes = bytes.subarray(2 + bytes[1]!);
        socket.write(Buffer.from([5, offers ? wanted : 255]));
        step = wanted === 2 ? 'login' : 'request';
      } else if (step === 'login' && bytes.length > 3) {
        const user = bytes.subarray(2, 2 + bytes[1]!).toString();
        const secret = bytes.subarray(3 + bytes[1]!).toString();
        logins.push(`${user}:${secret}`);
        bytes = Buffer.alloc(0);
        socket.write(Buffer.from([1, logins.at(-1) === login ? 0 : 1]));
        step = 'request';
      } else if (step === 'request' && bytes.length >= 7) {
        socket.off('data', heard);
        const isName = bytes[3] === 3;
        const host = isName ? bytes.subarray(5, 5 + bytes[4]!).toString() : [...bytes.subarray(4, 8)].join('.');
        const port = bytes.readUInt16BE(bytes.length - 2);
        asked.push(`${host}:${port}`);
        const answer = Buffer.from([5, Number(refuse ?? 0), 0, 1, 0, 0, 0, 0, 0, 0]);
        if (refuse !== undefined) socket.end(answer);
        else through(socket, host, port, answer);
      }
    };
    socket.on('data', heard);
  });
  return { ...server, asked, logins };
}
