import { serialLine } from '../../../hal/serial/types.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { describeDriverContract } from '../../contract/driver.ts';
import { ptyTo } from '../../double/pty.ts';
import { scales } from '../../double/scales.ts';
import { lineChannel, lineTag } from '../../double/serial-line.ts';

const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };

describeDriverContract('Lines on a pty', async () => {
  const server = await scales();
  const pty = await ptyTo(server.port);
  const at = (unit: number, name: string, pattern: string, type?: string) =>
    lineTag(`scale-${unit}/${name}`, { pattern, ...(type ? { type } : {}) }, `W${unit}\r`);
  const weightOf = (unit: number) => at(unit, 'weight', `^W${unit} (?<value>[0-9.]+) kg`);
  return {
    driver: serialLine.create(lineChannel({ port: pty.path, timeout: '60ms', retries: 0 }), deps),
    tags: [weightOf(1), weightOf(2), at(1, 'kind', 'kg (?<value>net|gross)', 'text')],
    judge: (tag, result) => {
      const expected = { 'scale-1/weight': 10.5, 'scale-2/weight': 20.5, 'scale-1/kind': 'net' }[tag.id];
      if (!result.ok) return `${result.why}: ${result.detail}`;
      return result.value === expected ? undefined : `${result.value} in place of ${expected}`;
    },
    silent: [weightOf(3)],
    cut: pty.unplug,
    writable: { tag: lineTag('scale-1/zero', { send: 'Z\r' }), value: 1, readsBack: false },
    stop: async () => {
      await pty.stop();
      await server.stop();
    },
  };
});
