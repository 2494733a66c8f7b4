/** A single-phase inverter that fills a SunSpec block and sends "not implemented" for what it has not. */
import { createServer, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { loopbackModbus } from '../../hal/modbus/type.ts';
import { DRIVERS } from '../../hal/registry.ts';
import { diskFilesFrom } from '../../src/config/file/disk-files.ts';
import { profileTags } from '../../src/config/profiles/profile-book.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import { outcomeOf } from '../../src/poll/outcome.ts';
import { modbusSlaves } from '../double/modbus-slave.ts';

/** Registers from 40071 on, of a published trace of a SolarEdge inverter (evcc-io/evcc 15445). */
const BLOCK = `024e 024e ffff ffff fffe 0933 ffff ffff 0933 ffff ffff ffff 3646 ffff c33e fffd 3665 ffff dba4 fffe d907
  fffe 00df f1da 0000 0d6b fffd 100a ffff 3719 ffff 8000 1049 8000 8000 fffe 0004 0000`
  .trim()
  .split(/\s+/)
  .map((word) => Number.parseInt(word, 16));

const { signal } = new AbortController();
let server: Server | undefined;
afterEach(() => new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined))));

/** Serves the block and nothing else: any other register is exception 02. */
async function serveBlock(): Promise<number> {
  const inside = (start: number, count: number) => start >= 40_071 && start + count <= 40_071 + BLOCK.length;
  const slaves = modbusSlaves({ units: [1], refuses: (_, start, count) => (inside(start, count) ? undefined : 2) });
  for (const [index, value] of BLOCK.entries()) slaves.registers.set(`1/${40_071 + index}`, value);
  server = createServer((socket) =>
    socket.on('data', (frame) => {
      const pdu = slaves.answer(frame[6]!, frame.subarray(7))!;
      const head = Buffer.from([frame[0]!, frame[1]!, 0, 0, 0, pdu.length + 1, frame[6]!]);
      socket.write(Buffer.concat([head, pdu]));
    }),
  );
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

it('gives what the inverter measures, its heat sink too, and no value for what it has not', async () => {
  const found = profileTags(
    'sunspec-inverter-103',
    { file: '/bench/millgate.yaml', files: diskFilesFrom('/') },
    DRIVERS,
  );
  if ('problems' in found) throw new Error(found.problems.map(({ message }) => message).join('\n'));
  const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };
  const driver = loopbackModbus(await serveBlock(), 'tcp', deps);
  await driver.connect(signal);
  const tags = found.tags.map(({ tag }) => tag);
  let results = await driver.read(tags, signal);
  for (let scan = 1; scan < 3; scan++) results = await driver.read(tags, signal);
  await driver.close();

  const good = new Map<string, unknown>();
  const bad: string[] = [];
  found.tags.forEach((config, index) => {
    const outcome = outcomeOf(config, results[index]!);
    if (outcome.quality === 'bad') bad.push(config.tag.name);
    else good.set(config.tag.name, outcome.value);
  });
  const measured = {
    current: 5.9,
    'current-l1': 5.9,
    'voltage-l1': 235.5,
    power: 1389.4,
    frequency: 49.982,
    'apparent-power': 1392.5,
    'reactive-power': -93.08,
    'power-factor': -99.77,
    energy: 14_676.442,
    'dc-current': 3.435,
    'dc-voltage': 410.6,
    'dc-power': 1410.5,
    'heatsink-temperature': 41.69,
  };
  for (const [name, value] of Object.entries(measured)) expect(good.get(name), name).toBeCloseTo(value, 6);
  expect(bad).toEqual(['current-l2', 'current-l3', 'voltage-l2', 'voltage-l3', 'cabinet-temperature']);
});
