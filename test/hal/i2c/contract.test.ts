import { createI2c } from '../../../hal/i2c/types.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { describeDriverContract } from '../../contract/driver.ts';
import { byteRegisters, fakeBus, fakeTmp102 } from '../../double/i2c-bus.ts';
import { fakeBosch, fakeMcp23017 } from '../../double/i2c-chips.ts';
import { i2cTag } from '../../double/i2c-driver.ts';

const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };

describeDriverContract('I²C', async () => {
  const bus = fakeBus(systemClock, {
    72: fakeTmp102(21.5),
    118: fakeBosch(0x60),
    32: fakeMcp23017(0),
    75: byteRegisters({}),
  });
  bus.trouble.set(0x4b, { kind: 'hang' });
  const hall = { unit: 0x76, chip: 'bme280' };
  return {
    driver: createI2c({ bus: 1, timeoutMs: 60, retries: 0 }, bus.open, deps),
    tags: [
      i2cTag('hall', hall, 'temperature'),
      i2cTag('oil', { unit: 0x48, chip: 'tmp102' }, 'temperature'),
      i2cTag('hall', hall, 'pressure'),
    ],
    judge: (tag, result) => {
      const expected = { 'hall/temperature': 25.08, 'hall/pressure': 1006.53, 'oil/temperature': 21.5 }[tag.id]!;
      if (!result.ok) return `${result.why}: ${result.detail}`;
      return Math.abs(Number(result.value) - expected) < 0.01 ? undefined : `${result.value} in place of ${expected}`;
    },
    silent: [i2cTag('mute', { unit: 0x4b, chip: 'tmp102' }, 'temperature')],
    writable: { tag: i2cTag('io', { unit: 0x20, chip: 'mcp23017' }, 'a0', { direction: 'output' }), value: true },
    cut: () => {
      bus.trouble.set('all', { kind: 'error', code: 'ENODEV', left: Number.POSITIVE_INFINITY });
      bus.trouble.delete(0x4b);
      bus.release();
    },
    stop: async () => bus.release(),
  };
});
