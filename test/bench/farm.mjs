// A farm of Modbus TCP devices for benchmarks: one port a device, FC 3 only, register 0 counts the scans of the device
// and every other register is a function of device, register and scan, so that each value names the scan it came from.
// Whoever started it may ask by a message for the time between scans, ms, of all devices since it asked before.
// Usage: node farm.mjs PORT_BASE DEVICES
import { createServer } from 'node:net';

const [base, devices] = process.argv.slice(2).map(Number);

/** What register `register` of `device` holds during scan `scan`. */
export function expected(device, register, scan) {
  return register === 0 ? scan & 0xffff : (device * 7919 + register * 31 + scan * 17) & 0xffff;
}

let intervalsMs = [];

function serve(device) {
  let scan = 0;
  let lastMs;
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    let rest = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (rest.length >= 12) {
        const first = rest.readUInt16BE(8);
        const count = rest.readUInt16BE(10);
        if (first === 0) {
          scan++;
          const nowMs = performance.now();
          if (lastMs !== undefined) intervalsMs.push(nowMs - lastMs);
          lastMs = nowMs;
        }
        const reply = Buffer.allocUnsafe(9 + 2 * count);
        rest.copy(reply, 0, 0, 4);
        reply.writeUInt16BE(3 + 2 * count, 4);
        reply[6] = rest[6];
        reply[7] = 3;
        reply[8] = 2 * count;
        for (let index = 0; index < count; index++)
          reply.writeUInt16BE(expected(device, first + index, scan), 9 + 2 * index);
        socket.write(reply);
        rest = rest.subarray(12);
      }
    });
  });
  server.listen(base + device, '127.0.0.1');
}

if (process.argv[1].endsWith('farm.mjs')) {
  for (let device = 0; device < devices; device++) serve(device);
  process.on('message', () => {
    process.send(intervalsMs);
    intervalsMs = [];
  });
  console.log('ready');
}
