import { expect, it } from 'vitest';
import { fillingWatch } from '../../src/store/filling.ts';
import type { StoreStatus } from '../../src/store/store.ts';

it('tells that the store fills while the uplink takes nothing, and when there is room again', async () => {
  const told: string[] = [];
  let now = { bytes: 0, waiting: 0 };
  const watch = fillingWatch(
    {
      status: async () =>
        ({
          ...{ bytes: now.bytes, maxBytes: 100, next: { readings: 101 }, oldest: { readings: 1 } },
          accounts: [{ stream: 'readings', uplink: 'plant', waiting: now.waiting }],
        }) as unknown as StoreStatus,
    },
    { raise: (id, message) => told.push(`${id}: ${message}`), clear: (id) => told.push(`${id} is over`) },
  );
  const look = async (bytes: number, waiting: number): Promise<readonly string[]> => {
    now = { bytes, waiting };
    await watch();
    return told.splice(0);
  };
  // A store that is full of what was delivered is as it should be.
  expect(await look(99, 10)).toEqual(['store/filling is over']);
  expect(await look(85, 75)).toEqual([]);
  expect(await look(85, 95)).toEqual([
    expect.stringMatching(/^store\/filling: .*85 % full.*plant.*95 %.*store.maxSize$/),
  ]);
  expect(await look(60, 95)).toEqual(['store/filling is over']);
});
