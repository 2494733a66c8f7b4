/** A WebSocket as a stream of bytes, as MQTT has it (RFC 6455; MQTT 5, section 6), over a connection that is open already. */
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { Duplex } from 'node:stream';
import { EXIT, Fault } from '../../core/errors.ts';

/** RFC 6455, 1.3: what the server adds to the key before it hashes it. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The server sends acknowledgements and nothing else; a larger frame is not sane. */
const MAX_FRAME_BYTES = 1024 * 1024;

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Asks the server for a WebSocket. Rejects with a `Fault` when it answers anything else, and with the reason of the signal. */
export function openWebSocket(socket: Duplex, url: URL, signal: AbortSignal): Promise<Duplex> {
  const key = randomBytes(16).toString('base64');
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => socket,
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': key,
        'sec-websocket-version': '13',
        'sec-websocket-protocol': 'mqtt',
      },
    });
    const onAbort = () => fail(signal.reason);
    const settled = () => signal.removeEventListener('abort', onAbort);
    const fail = (error: unknown): void => {
      settled();
      asked.destroy();
      socket.destroy();
      reject(error);
    };
    const refused = (why: string) =>
      fail(
        new Fault(
          `${url.host} offers no MQTT over WebSockets at ${url.pathname}: ${why}`,
          'Check the path in url, often /mqtt, and the port.',
          EXIT.failed,
        ),
      );
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) return onAbort();
    asked.on('error', fail);
    asked.on('response', ({ statusCode }) => refused(`it answers ${statusCode}`));
    asked.on('upgrade', ({ headers }, upgraded, head) => {
      settled();
      const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
      if (headers['sec-websocket-accept'] !== accept) return refused('its handshake is wrong');
      if (headers['sec-websocket-protocol'] !== 'mqtt') return refused('it does not speak the subprotocol mqtt');
      resolve(new WebSocketStream(upgraded as Duplex, head));
    });
    asked.end();
  });
}

/** What is written goes out as binary frames, and what comes in frames is read as bytes. */
class WebSocketStream extends Duplex {
  private readonly socket: Duplex;
  private pending: Buffer;

  constructor(socket: Duplex, head: Buffer) {
    super();
    this.socket = socket;
    this.pending = head;
    socket.on('data', (chunk: Buffer) => {
      this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
      this.parse();
    });
    socket.on('error', (error) => this.destroy(error));
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    if (head.length > 0) process.nextTick(() => this.parse());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(frameOf(OPCODE.binary, chunk), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(frameOf(OPCODE.close, Buffer.from([0x03, 0xe8])), () => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  /** Takes every whole frame off what has come. */
  private parse(): void {
    for (let frame = nextFrame(this.pending); frame; frame = nextFrame(this.pending)) {
      if (frame.length > MAX_FRAME_BYTES) {
        this.destroy(new Error('it sends an oversized frame'));
        return;
      }
      if (frame.end > this.pending.length) return;
      const body = this.pending.subarray(frame.end - frame.length, frame.end);
      this.pending = this.pending.subarray(frame.end);
      this.handle(frame.opcode, body);
    }
  }

  private handle(opcode: number, body: Buffer): void {
    if (opcode === OPCODE.ping) this.socket.write(frameOf(OPCODE.pong, body));
    else if (opcode === OPCODE.close) this.socket.end();
    else if (opcode !== OPCODE.pong && !this.push(body)) this.socket.pause();
  }
}

/** The header of the frame at the front; undefined while that is not whole. `end`: where the frame ends. */
function nextFrame(bytes: Buffer): { opcode: number; length: number; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const opcode = bytes[0]! & 0x0f;
  const short = bytes[1]! & 0x7f;
  const header = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < header) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  return { opcode, length, end: header + length };
}

/** A frame of a client, which is masked (RFC 6455, 5.3). */
function frameOf(opcode: number, body: Buffer): Buffer {
  const mask = randomBytes(4);
  const header = body.length < 126 ? Buffer.alloc(2) : body.length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  header[0] = 0x80 | opcode;
  if (header.length === 2) header[1] = 0x80 | body.length;
  else if (header.length === 4) {
    header[1] = 0x80 | 126;
    header.writeUInt16BE(body.length, 2);
  } else {
    header[1] = 0x80 | 127;
    header.writeBigUInt64BE(BigInt(body.length), 2);
  }
  const masked = Buffer.allocUnsafe(body.length);
  for (let index = 0; index < body.length; index++) masked[index] = body[index]! ^ mask[index & 3]!;
  return Buffer.concat([header, mask, masked]);
}
