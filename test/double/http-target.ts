import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** One request as the server got it, its body unpacked. */
export interface Posted {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How the server answers. `hang`: never; `cut`: it closes the connection in place of an answer. */
export type Reply =
  | 'hang'
  | 'cut'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

/** A server that takes what is posted. */
export interface HttpTargetDouble {
  readonly port: number;
  readonly posted: readonly Posted[];
  /** Connections that were accepted. */
  readonly connections: () => number;
  /** Decides on every answer from now on. */
  answer(decide: (posted: Posted) => Reply): void;
  /** Closes all connections. */
  cut(): void;
  close(): Promise<void>;
}

const OK: Reply = { status: 204 };

/** @param tls options of the server, for one with TLS */
export async function startHttpTarget(tls?: ServerOptions): Promise<HttpTargetDouble> {
  const posted: Posted[] = [];
  const sockets = new Set<Socket>();
  let decide: (one: Posted) => Reply = () => OK;
  let accepted = 0;
  const server: Server = tls ? createTlsServer(tls) : createServer();
  server.on('connection', (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const body = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
      const one: Posted = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
      const reply = decide(one);
      posted.push(one);
      if (reply === 'hang') return;
      if (reply === 'cut') {
        request.socket.destroy();
        return;
      }
      response.writeHead(reply.status, reply.headers);
      response.end(reply.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    posted,
    connections: () => accepted,
    answer(next) {
      decide = next;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
