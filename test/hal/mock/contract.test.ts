import { mock } from '../../../hal/mock/mock.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { describeDriverContract } from '../../contract/driver.ts';
import { mockChannel, mockTag } from './bench.ts';

const deps = { clock: systemClock, log: silentLogger, random: seededRandom(1) };

describeDriverContract(
  'The mock',
  async () => {
    const expected: Record<string, unknown> = { 'press/speed': 42, 'press/mode': 3, 'oven/temp': 180 };
    return {
      driver: mock.create(mockChannel({ latency: '20ms' }), deps),
      tags: [
        mockTag('press/speed', { address: 42 }),
        mockTag('oven/temp', { address: 180 }),
        mockTag('press/mode', { address: 3 }),
      ],
      judge: ({ id }, result) => {
        if (!result.ok) return `${result.why}: ${result.detail}`;
        return result.value === expected[id] ? undefined : `${result.value} in place of ${expected[id]}`;
      },
      silent: [mockTag('gone/temp', { address: 1 }, { faults: [{ kind: 'timeout', after: '0s', for: '1h' }] })],
      writable: { tag: mockTag('press/lamp', { address: 0 }), value: 7 },
      stop: async () => {},
    };
  },
  { cut: 'there is no wire; faults: disconnect(…) scripts a channel that is away, and mock.test.ts tries it' },
);
