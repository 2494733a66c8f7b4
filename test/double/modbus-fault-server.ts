import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { systemClock } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { disturbed, type Fault, type FaultShares, type FaultTimes, pickFault } from './modbus-faults.ts';
import type { ModbusSlaves } from './modbus-slave.ts';

/** A Modbus server on a TCP port of this machine; with `rtu` framing it serves a pty through socat as well. */
export interface FaultServer {
  readonly port: number;
  /** The next transactions meet these, before the shares count; undefined is a good one. */
  readonly script: (Fault | undefined)[];
  /** Breaks every connection off. */
  dropConnections(): void;
  readonly connections: number;
  close(): Promise<void>;
}

export interface FaultServerOptions {
  readonly slaves: ModbusSlaves;
  readonly framing: 'rtu' | 'mbap';
  readonly units: readonly number[];
  readonly times?: FaultTimes;
  readonly shares?: FaultShares;
  readonly seed?: number;
  /** Speaks TLS with these. */
  readonly tls?: TlsOptions;
}

const PROMPT: FaultTimes = { turnaroundMs: 0, lateMs: [40, 60], splitMs: 2 };

export async function faultServer(options: FaultServerOptions): Promise<FaultServer> {
  const { slaves, framing, units, times = PROMPT } = options;
  const random = seededRandom(options.seed ?? 1);
  const script: (Fault | undefined)[] = [];
  const sockets = new Set<Socket>();

  const serve = (socket: Socket, question: Uint8Array): void => {
    const isRtu = framing === 'rtu';
    const unit = question[isRtu ? 0 : 6]!;
    const answer = slaves.answer(unit, isRtu ? question.slice(1, -2) : question.slice(7));
    if (!answer) return;
    const fault = script.length > 0 ? script.shift() : pickFault(options.shares ?? {}, random);
    const transaction = (question[0]! << 8) | question[1]!;
    const pieces = disturbed(fault, { framing, transaction, unit, question, answer, units }, times, random);
    for (const { afterMs, bytes } of pieces) {
      if (afterMs === 0) socket.write(bytes);
      else systemClock.after(afterMs, () => socket.writable && socket.write(bytes));
    }
  };

  const onSocket = (socket: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    let unread: Uint8Array = new Uint8Array(0);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      unread = Uint8Array.of(...unread, ...chunk);
      for (let length = questionBytes(unread, framing); length <= unread.length; ) {
        serve(socket, unread.slice(0, length));
        unread = unread.slice(length);
        length = questionBytes(unread, framing);
      }
    });
  };
  const server = options.tls ? createTlsServer(options.tls, onSocket) : createServer(onSocket);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    script,
    dropConnections: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    get connections() {
      return sockets.size;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Length of the question at the beginning of `bytes`; infinite while it cannot be told. */
function questionBytes(bytes: Uint8Array, framing: 'rtu' | 'mbap'): number {
  if (framing === 'mbap') return bytes.length < 6 ? Number.POSITIVE_INFINITY : 6 + ((bytes[4]! << 8) | bytes[5]!);
  if (bytes[1] === 17) return 4;
  if (bytes[1] === 43) return 7;
  if (bytes.length < 8) return Number.POSITIVE_INFINITY;
  if (bytes[1] === 15 || bytes[1] === 16) return 9 + bytes[6]!;
  return bytes[1] === 22 ? 10 : 8;
}
