import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceStatus } from '../../src/api/view.ts';
import type { ChannelFacts } from '../../src/doctor/facts.ts';
import { judge } from '../../src/doctor/judge.ts';
import { device, healthy, line, running } from './double/healthy.ts';

type Line = Parameters<typeof line>[1];

/** Severity, place, cause and remedy of what is found on one line. */
function found(devices: readonly DeviceStatus[], over: Line = {}, part: Partial<ChannelFacts> = {}): string[] {
  const channels = [{ ...line(devices, over), ...part }];
  const { findings } = judge(healthy({ channels }));
  return findings.map(({ severity, where, cause, remedy }) => `${severity} ${where}: ${cause} → ${remedy}`);
}

const three = device('meter-3');

describe('wrong checksums', () => {
  it('of one unit point to its stub', () => {
    expect(found([three, device('meter-7', { garbled: 120 })])).toEqual([
      'warning line-a/meter-7: garbled answers (wrong checksum or form): meter-7 (unit 7): 12 % and meter-3 (unit 3): 0 % → ' +
        'Look at the stub to unit 7 and its termination: short stub, tight screws, 120 Ω only at the two ends of the line',
    ]);
  });

  it('of all units point to what they share', () => {
    const [finding, ...others] = found([device('meter-3', { garbled: 80 }), device('meter-7', { garbled: 120 })]);
    expect(finding).toMatch(/^warning line-a: .*unit 7\): 12 % and .*unit 3\): 8 % → All units are hit/);
    expect(finding).toContain('120 Ω at both ends');
    expect(others).toEqual([]);
  });

  it('of the only unit say no more than is known', () => {
    expect(found([device('meter-7', { garbled: 50 })])[0]).toMatch(/→ Check termination .* baud and parity/);
  });

  it('behind a converter point to the converter', () => {
    const place = { kind: 'tcp', host: '10.0.0.9', port: 502 } as const;
    expect(found([three, device('meter-7', { garbled: 50 })], {}, { place })[0]).toMatch(
      /→ Check framing \(tcp or rtu\); behind a converter/,
    );
  });

  it.each([
    [1000, 19],
    [10, 5],
  ])('of %i requests, %i are not worth a word', (requests, garbled) => {
    expect(found([three, device('meter-7', { requests, garbled })])).toEqual([]);
  });
});

describe('silence', () => {
  it('of one unit points to that unit', () => {
    expect(found([three, device('meter-7', { state: 'offline', requests: 30, timeouts: 30 })])).toEqual([
      'broken line-a/meter-7: meter-7 (unit 7) does not answer (30 of 30 requests timed out), while meter-3 (unit 3) does → ' +
        'Check its power, its two wires, its baud and parity, and that it is unit 7: millgate scan line-a',
    ]);
  });

  it('of all units points to the line', () => {
    const silent = { state: 'offline', requests: 30, timeouts: 30 } as const;
    const all = found([device('meter-3', silent), device('meter-7', silent)]);
    expect(all).toHaveLength(1);
    expect(all[0]).toMatch(/^broken line-a: none of the 2 devices answers: .* → Swap A and B/);
  });

  it('of a channel that is not connected is told once, by its port', () => {
    const over = { state: 'waiting', reason: '/dev/ttyUSB0: the port is gone. Is the adapter plugged in?' } as const;
    expect(found([device('meter-3', { state: 'waiting', requests: 0 })], over)).toEqual([
      'broken line-a: /dev/ttyUSB0: the port is gone → Is the adapter plugged in?',
    ]);
  });
});

describe('requests that are refused as wholes', () => {
  it('at unasked registers name maxGap', () => {
    expect(found([device('meter-3', { refusedGap: 5 })])).toEqual([
      'hint line-a/meter-3: meter-3 (unit 3) does not answer a request that spans 5 registers nobody asked for; its ' +
        'values are read around them → Write at the device: maxGap: 4',
    ]);
  });

  it('for their length name maxRegisters', () => {
    const [finding, ...others] = found([three, device('meter-7', { mostRegisters: 29 })]);
    expect(finding).toMatch(/^hint line-a\/meter-7: .* 29 registers at a time → Write at the device: maxRegisters: 29/);
    expect(others).toEqual([]);
  });
});

describe('slow answers', () => {
  it('that come too late name the timeout to write', () => {
    expect(found([three, device('meter-7', { lateReplies: 40, timeouts: 60, responseMsMax: 290 })])).toEqual([
      'warning line-a/meter-7: 40 answers of meter-7 (unit 7) came after their deadline, which is 300ms at most, and were dropped → ' +
        'Write at the device: timeout: 750ms',
    ]);
  });

  it('that come near the timeout name it too', () => {
    const [finding] = found([three, device('meter-7', { timeouts: 100, responseMsP95: 280, responseMsMax: 298 })]);
    expect(finding).toContain('loses 10 % of its requests, and its answers take up to 280ms of the 300ms they have');
    expect(finding).toContain('timeout: 750ms');
  });

  it('that are lost though they are quick point to wires, not to the timeout', () => {
    const [finding] = found([three, device('meter-7', { timeouts: 100 })]);
    expect(finding).toMatch(
      /left 10 % of its requests unanswered.* within 20ms → Check the wires and the power of unit 7/,
    );
  });
});

describe('the line itself', () => {
  it('has an echo: a hint, as it is taken out', () => {
    expect(found([three], { echoes: 12 })).toEqual([
      expect.stringMatching(/^hint line-a: the adapter gives back .* → Switch/),
    ]);
  });

  it('has bytes that nobody asked for', () => {
    expect(found([three], { unsolicitedBytes: 5000 })[0]).toMatch(/^warning line-a: 5000 bytes came uncalled/);
    expect(found([three], { unsolicitedBytes: 200 })).toEqual([]);
  });

  it('does not take late answers for a second master', () => {
    const late = device('meter-7', { lateReplies: 100 });
    expect(found([late], { unsolicitedBytes: 900 }).join()).not.toContain('uncalled');
  });

  it('loses its connection', () => {
    expect(found([three], { reconnects: 12 })[0]).toMatch(/the connection was lost 12 times in 1h 15m → .*dmesg/);
  });

  it('is asked for more than it can do', () => {
    const part = { advice: 'read the 40 tags of 200ms every 500ms instead' };
    const [finding] = found([three], { plannedUtilisation: 1.4, scans: 900, skipped: 100 }, part);
    expect(finding).toMatch(
      /^broken line-a: the periods ask for 140 % of the line's time, 100 of 1000 scans were skipped/,
    );
    expect(finding).toContain('slowest: unit 3 holding:100…125, 48 ms for press-3/oil-temp and press-3/pressure');
    expect(finding).toMatch(/→ Read the 40 tags of 200ms every 500ms instead$/);
  });

  it('skips scans though the plan would fit', () => {
    const [finding] = found([three], { scans: 900, skipped: 100, utilisation: 0.97 });
    expect(finding).toMatch(/^warning .*the line is in use 97 % of the time, planned were 30 %/);
  });
});

describe('what was watched', () => {
  it('is judged without what came before', () => {
    const channels = [line([device('meter-7', { requests: 2000, garbled: 500 })])];
    const before = running([line([device('meter-7', { requests: 1000, garbled: 500 })])]).status;
    const watched = (isWatched: boolean) =>
      judge(healthy({ channels, running: running(channels, { before, isWatched }) })).findings.length;
    expect(watched(true)).toBe(0);
    expect(watched(false)).toBe(1);
  });
});

describe('bad tags of a device that answers', () => {
  const bad = (why: string) => {
    const channels = [line([device('meter-7')])];
    const last = { tag: 'meter-7/power', t: 0, quality: 'bad', why } as const;
    const tags = [{ tag: 'meter-7/power', readings: 9, last }];
    const addresses = new Map([['meter-7/power', 'input:900 = 30901']]);
    return judge(healthy({ channels, running: running(channels, { tags, addresses }) })).findings;
  };

  it('name the address that the device does not have', () => {
    expect(bad('illegal-address')).toEqual([
      {
        severity: 'broken',
        where: 'line-a/meter-7',
        cause: '1 tag is bad, Modbus exception 02: no such register: meter-7/power (input:900 = 30901)',
        remedy:
          'The map is not that of this device or firmware: compare the addresses with its manual; try them one lower (many manuals count from 1)',
      },
    ]);
  });

  it.each(['illegal-function', 'sensor-failure', 'decode-error', 'overflow', 'device-busy', 'gateway-target'])(
    'have a remedy: %s',
    (why) => {
      expect(bad(why)).toHaveLength(1);
    },
  );

  it('are left to the line when it explains them', () => {
    expect(bad('timeout')).toEqual([]);
  });
});

describe('other wires', () => {
  it('chips that do not acknowledge', () => {
    const part = {
      driver: 'i2c',
      place: { kind: 'i2c', path: '/dev/i2c-1' },
      devices: [{ name: 'hall', station: { text: '0x76', timeoutMs: 500 } }],
    } as const;
    const [finding] = found([device('hall', { state: 'offline', timeouts: 1000 })], {}, part);
    expect(finding).toMatch(/^broken line-a\/hall: hall \(0x76\) did not acknowledge 1000 of 1000 transfers/);
    expect(finding).toContain('is 0x76 in the list of: sudo i2cdetect -y 1');
  });

  it('lines of text that come damaged', () => {
    expect(found([device('gauge', { garbled: 40, requests: 0 })], {}, { driver: 'serial-line' })[0]).toMatch(
      /^warning line-a\/gauge: 40 lines came damaged/,
    );
  });
});

it('whatever was counted, every finding has a cause and a remedy, and no number is missing', () => {
  const counter = fc.oneof(fc.constant(undefined), fc.nat(5000));
  const counted = fc.record({
    ...{ requests: counter, timeouts: counter, garbled: counter, lateReplies: counter },
    ...{ responseMsP95: counter, responseMsMax: counter, timeoutMs: counter },
    state: fc.constantFrom<DeviceStatus['state']>('online', 'degraded', 'offline', 'waiting'),
  });
  const counters = fc.record({ skipped: fc.nat(99), reconnects: counter, unsolicitedBytes: counter, echoes: counter });
  fc.assert(
    fc.property(fc.array(counted, { maxLength: 4 }), counters, (devices, over) => {
      const channels = [
        line(
          devices.map((each, index) => device(`meter-${index}`, each)),
          over,
        ),
      ];
      for (const { cause, remedy } of judge(healthy({ channels })).findings) {
        expect(`${cause} ${remedy}`).not.toMatch(/undefined|NaN|Infinity|null/);
        expect(cause.length).toBeGreaterThan(10);
        expect(remedy.length).toBeGreaterThan(10);
      }
    }),
  );
});
