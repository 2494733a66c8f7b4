/** Serves simulated Modbus devices over TCP. */
import { createServer, type Socket } from 'node:net';
import type { Clock } from '../../src/core/clock.ts';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';
import { activeFault, type FaultWindow } from './faults.ts';
import { type Framing, LONGEST_FRAME_BYTES, type Request, unwrap, wrap } from './framing.ts';
import { mix } from './noise.ts';
import type { Twin } from './twin.ts';

/** A scripted fault of one unit on the wire. Times are since the server started. */
export type LineFault = FaultWindow & {
  readonly unit: number;
} & (
    | { readonly kind: 'silent' }
    /** The answer comes, but so much later. */
    | { readonly kind: 'late'; readonly delayMs: number }
    /** The unit refuses every request with this exception. */
    | { readonly kind: 'exception'; readonly code: number }
    /**
     * One bit of the answer is wrong. With RTU framing any bit, for the checksum to reveal; with TCP framing one of
     * transaction, protocol or length, because nothing on the wire could reveal a wrong bit in the data.
     */
    | { readonly kind: 'flip' }
  );

/** What a twin's server needs. */
interface ServerOptions {
  readonly twin: Twin;
  readonly framing: Framing;
  /** Loopback port; 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  /** Chooses the flipped bits. */
  readonly seed: number;
  readonly faults: readonly LineFault[];
}

/** A running server. */
export interface ModbusServer {
  readonly port: number;
  /** Drops every connection and stops listening. Idempotent. */
  close(): Promise<void>;
}

/** Further connections are refused, as small controllers do. */
const MOST_CONNECTIONS = 16;
/** Requests of one connection that may wait for a late answer; further ones go unanswered. */
const MOST_WAITING = 32;
/** A connection whose master does not read its answers is dropped beyond this. */
const MOST_UNREAD_BYTES = 65_536;
/** Requests that may arrive in one piece; a longer buffer is a peer that speaks something else. */
const MOST_BUFFERED_BYTES = 16 * LONGEST_FRAME_BYTES;

const GATEWAY_TARGET_FAILED = 0x0b;

/**
 * Serves a twin on 127.0.0.1, with MBAP or RTU framing over TCP.
 *
 * One small server of our own for both framings, because modbus-serial's ServerTCP cannot take a free port (0 becomes
 * 502), has no bound on what it buffers, cannot leave a request unanswered or answer late, and asks for the registers of
 * one request one by one.
 *
 * @throws NotConnected when the port cannot be had
 */
export async function serveTwin(options: ServerOptions): Promise<ModbusServer> {
  const startedMs = options.clock.monoMs();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    if (sockets.size >= MOST_CONNECTIONS) return void socket.destroy();
    sockets.add(socket);
    const stop = attend(socket, options, startedMs);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      stop();
      sockets.delete(socket);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(options.port, error)));
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const address = server.address();
  let closed: Promise<void> | undefined;
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close() {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
      return closed;
    },
  };
}

/** Answers what one connection asks; the returned function forgets the answers that wait. */
function attend(socket: Socket, options: ServerOptions, startedMs: number): () => void {
  const { clock, framing } = options;
  const waiting = new Set<() => void>();
  let buffer: Uint8Array = new Uint8Array(0);
  let answered = 0;
  socket.setNoDelay(true);

  const send = (frame: Uint8Array): void => {
    if (socket.destroyed) return;
    socket.write(frame);
    if (socket.writableLength > MOST_UNREAD_BYTES) socket.destroy();
  };

  const handle = (request: Request): void => {
    const answer = answerOf(request, options, clock.monoMs() - startedMs, answered++);
    if (!answer) return;
    if (answer.delayMs === 0) {
      send(answer.frame);
      return;
    }
    if (waiting.size >= MOST_WAITING) return;
    const cancel = clock.after(answer.delayMs, () => {
      waiting.delete(cancel);
      send(answer.frame);
    });
    waiting.add(cancel);
  };

  socket.on('data', (chunk: Uint8Array) => {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    if (buffer.length > MOST_BUFFERED_BYTES) return void socket.destroy();
    for (;;) {
      const unwrapped = unwrap(buffer, framing);
      if (unwrapped.kind === 'more') return;
      buffer = buffer.subarray(unwrapped.used);
      if (unwrapped.kind === 'request') handle(unwrapped.request);
      else if (framing === 'tcp') return void socket.destroy();
    }
  });

  return () => {
    for (const cancel of waiting) cancel();
    waiting.clear();
  };
}

/** The frame that answers a request, or undefined when the unit stays silent. */
function answerOf(
  request: Request,
  { twin, framing, faults, clock, seed }: ServerOptions,
  elapsedMs: number,
  index: number,
): { frame: Uint8Array; delayMs: number } | undefined {
  const active = activeFault(
    faults.filter(({ unit }) => unit === request.unit),
    ['silent', 'late', 'exception', 'flip'],
    elapsedMs,
  )?.fault;
  if (active?.kind === 'silent') return undefined;
  const functionCode = request.pdu[0]!;
  const refused = active?.kind === 'exception' ? Uint8Array.of(functionCode | 0x80, active.code) : undefined;
  const pdu = refused ?? twin.answer(request.unit, request.pdu, clock.monoMs()) ?? nobody(functionCode, framing);
  if (!pdu) return undefined;
  const frame = wrap(pdu, request, framing);
  if (active?.kind === 'flip') flip(frame, framing, mix(seed, index));
  return { frame, delayMs: active?.kind === 'late' ? active.delayMs : 0 };
}

/** On a serial line an unknown unit is silence; a gateway says that its target did not respond. */
function nobody(functionCode: number, framing: Framing): Uint8Array | undefined {
  return framing === 'rtu' ? undefined : Uint8Array.of(functionCode | 0x80, GATEWAY_TARGET_FAILED);
}

function flip(frame: Uint8Array, framing: Framing, chosen: number): void {
  const bits = 8 * (framing === 'rtu' ? frame.length : 6);
  const bit = chosen % bits;
  frame[bit >> 3]! ^= 1 << (bit & 7);
}

function cannotListen(port: number, error: Error): NotConnected {
  const cause =
    codeOf(error) === 'EADDRINUSE'
      ? 'another program listens there. Stop it, or choose another port'
      : `${messageOf(error)}. Choose a port from 1024 to 65535`;
  return new NotConnected(`127.0.0.1:${port}: the simulated device cannot be served: ${cause}`, { cause: error });
}
