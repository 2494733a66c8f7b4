// The least MQTT broker that a publisher can work with: it confirms everything, keeps nothing, and says what came.
import { createServer } from 'node:net';
import { inflateSync } from 'node:zlib';

/** What a payload begins with that is deflated; JSON does with 0x7b. */
const DEFLATED = 0x78;

const CONNECT = 1;
const PUBLISH = 3;
const SUBSCRIBE = 8;
const PING = 12;

/** Listens on a free port of the loopback. `onPublish(topic, payload)` is told of each message. */
export function startSink(onPublish) {
  const server = createServer((socket) => {
    let rest = Buffer.alloc(0);
    let isVersion5 = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let packet = firstPacket(rest); packet; packet = firstPacket(rest)) {
        rest = rest.subarray(packet.end);
        const { kind, flags, body } = packet;
        // Protocol name and level; an answer of version 5 has a byte of properties.
        if (kind === CONNECT) {
          isVersion5 = body[6] === 5;
          socket.write(Buffer.from(isVersion5 ? [0x20, 3, 0, 0, 0] : [0x20, 2, 0, 0]));
        } else if (kind === PUBLISH) {
          const end = 2 + body.readUInt16BE(0);
          const isConfirmed = ((flags >> 1) & 3) > 0;
          if (isConfirmed) socket.write(Buffer.from([0x40, 2, body[end], body[end + 1]]));
          const start = end + (isConfirmed ? 2 : 0);
          onPublish(body.toString('utf8', 2, end), body.subarray(isVersion5 ? start + 1 + body[start] : start));
        } else if (kind === SUBSCRIBE) {
          const answer = isVersion5 ? [0x90, 4, body[0], body[1], 0, 1] : [0x90, 3, body[0], body[1], 1];
          socket.write(Buffer.from(answer));
        } else if (kind === PING) socket.write(Buffer.from([0xd0, 0]));
      }
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

/** The first whole packet of a stream; undefined when there is none yet. MQTT 3.1.1, 2.2. */
function firstPacket(bytes) {
  let length = 0;
  for (let at = 1, factor = 1; at < bytes.length && at <= 4; at++, factor *= 128) {
    length += (bytes[at] & 127) * factor;
    if (bytes[at] >= 128) continue;
    const end = at + 1 + length;
    if (bytes.length < end) return undefined;
    return { kind: bytes[0] >> 4, flags: bytes[0] & 15, body: bytes.subarray(at + 1, end), end };
  }
  return undefined;
}

/** How many readings a payload of a gateway or of a peer holds. */
export function readingsIn(payload) {
  const message = JSON.parse((payload[0] === DEFLATED ? inflateSync(payload) : payload).toString());
  if (Array.isArray(message.v)) return message.v.length;
  let count = 0;
  for (const { v } of message.blocks ?? [])
    for (const column of v) count += column.filter((one) => one !== null).length;
  for (const record of message.records ?? []) for (const _ in record.v) count++;
  return count;
}
