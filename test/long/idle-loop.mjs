// One RTU exchange at a time on an otherwise idle event loop, over a pty; started by scripts/test-nodes. Needs dist/.
import { spawn } from 'node:child_process';
import { modbusRtu } from '../../dist/hal/modbus/type.js';
import { systemClock } from '../../dist/src/core/clock.js';
import { silentLogger } from '../../dist/src/core/log.js';
import { seededRandom } from '../../dist/src/core/random.js';

const EXCHANGES = Number(process.env.EXCHANGES ?? 100);
/** Between two exchanges, ms: long enough that nothing of the last one is left on the loop. */
const REST_MS = 60;
const MOST_P50_MS = 15;

// A slave with one register. It answers a question of eight bytes at once.
const SLAVE = `
import os, tty
master, slave = os.openpty()
tty.setraw(slave); tty.setraw(master)
print(os.ttyname(slave), flush=True)
data = b''
while True:
    data += os.read(master, 256)
    while len(data) >= 8:
        frame, data = data[:8], data[8:]
        answer = frame[:2] + bytes([2, 0x01, 0x4a])
        crc = 0xffff
        for byte in answer:
            crc ^= byte
            for _ in range(8): crc = (crc >> 1) ^ 0xa001 if crc & 1 else crc >> 1
        os.write(master, answer + crc.to_bytes(2, 'little'))
`;
const slave = spawn('/usr/bin/python3', ['-u', '-c', SLAVE], { stdio: ['ignore', 'pipe', 'inherit'] });
const port = await new Promise((resolve) => slave.stdout.once('data', (text) => resolve(String(text).trim())));

const channel = modbusRtu.checkChannel({ port, baud: 115_200, parity: 'none' }).value;
const source = { id: 'd/a', device: 'd', name: 'a', options: { address: 'holding:1' }, deviceOptions: { unit: 1 } };
const tag = { id: 'd/a', device: 'd', name: 'a', address: modbusRtu.checkTag(source, channel).value };
const driver = modbusRtu.create(channel, { clock: systemClock, log: silentLogger, random: seededRandom(1) });
const { signal } = new AbortController();
await driver.connect(signal);
const took = [];
for (let exchange = 0; exchange < EXCHANGES; exchange++) {
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const startedMs = performance.now();
  const [result] = await driver.read([tag], signal);
  if (!result.ok || result.value !== 330) throw new Error(`exchange ${exchange}: ${JSON.stringify(result)}`);
  took.push(performance.now() - startedMs);
}
await driver.close();
slave.kill();
took.sort((a, b) => a - b);
const [p50, p95] = [0.5, 0.95].map((share) => took[Math.floor(share * took.length)]);
console.log(
  `one exchange on an idle loop: p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, at most ${MOST_P50_MS} ms`,
);
process.exit(p50 < MOST_P50_MS ? 0 : 1);
