import { describe, expect, it } from 'vitest';
import { configured, problemsWith, simulated } from '../../double/configured.ts';

const CHANNEL =
  'channels:\n  scales: {driver: serial-line, port: /dev/ttyACM0, baud: 9600, delimiter: "\\r\\n"}\ndevices:\n';
const WEIGHT = "weight: {pattern: '^ST,GS,\\s*(?<value>[-+0-9.]+)\\s*kg', unit: kg}";
const GAUGE = `  gauge: {channel: scales, tags: {${WEIGHT}}}\n`;
const READER = '  reader: {channel: scales, tags: {code: {}}}\n';
const BALANCE = `  balance: {channel: scales, request: "SI\\r\\n", every: 2s, tags: {${WEIGHT}}}\n`;

describe('a channel of text lines in a file', () => {
  it('has tags that report by themselves, and tags that are polled with a request', () => {
    const [channel] = configured(CHANNEL + GAUGE + BALANCE);
    const [gauge, balance] = channel!.devices.flatMap(({ tags }) => tags);
    expect([gauge!.everyMs, balance!.everyMs]).toEqual([undefined, 2000]);
    expect(channel!.driver.describeAddress(balance!.tag.address)).toBe(
      'line /^ST,GS,\\s*(?<value>[-+0-9.]+)\\s*kg/, number, asked with "SI\\r\\n"',
    );
  });

  it('costs line time only where it is asked', () => {
    const [channel] = configured(CHANNEL + GAUGE + BALANCE);
    const tags = channel!.devices.flatMap((device) => device.tags.map(({ tag }) => tag));
    const { requests } = channel!.driver.estimate(channel!.options, tags);
    expect(requests.map(({ device, text }) => [device, text])).toEqual([['balance', 'send "SI\\r\\n"']]);
    expect(requests[0]!.lineMs).toBeGreaterThan(28);
  });

  it.each([
    ["weight: {pattern: '(\\d+)'}", 'put that part in a group'],
    ["weight: {pattern: '(?<value>(\\d+)+)'}", 'repeats a part that itself repeats'],
    ["lat: {pattern: '(?<value>.+)', type: degrees}", '(?<hemisphere>[NSEW])'],
    ['code: {decimal: ","}', 'decimal is for numbers'],
    ['weight: {address: "holding:1"}', 'address'],
  ])('refuses {%s}, and says what to write', (tag, message) => {
    const problems = problemsWith(`${CHANNEL}  gauge: {channel: scales, tags: {${tag}}}\n`);
    expect(problems).toEqual([expect.stringContaining(message)]);
  });

  it('gives texts and numbers under --simulate', async () => {
    const [channel] = configured(CHANNEL + GAUGE + READER);
    const { driver, tags } = simulated(channel!);
    const { signal } = new AbortController();
    await driver.connect(signal);
    const results = await driver.read(tags, signal);
    expect(results.map((result) => result.ok && typeof result.value)).toEqual(['number', 'string']);
  });
});
