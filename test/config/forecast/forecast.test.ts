import { describe, expect, it } from 'vitest';
import { costOfCommit, type Forecast, forecast, MEASURED_COMMITS } from '../../../src/config/forecast/forecast.ts';
import { load, yaml } from '../double/files.ts';
import { GOOD } from '../double/good.ts';

/** The forecast of a file; a request on the doubles' line takes 10 ms and reads one tag. */
function forecastOf(text: string): Forecast {
  const result = load({ 'millgate.yaml': text });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return forecast(result.config);
}

/** A line with so many tags, each read with this period. */
function line(tags: number, every: string, store = ''): string {
  const list = Array.from({ length: tags }, (_, index) => `t${index}: {address: "holding:${index}", type: int16}`);
  return yaml(
    'channels: {line: {driver: modbus-rtu, port: /dev/ttyS0}}',
    `devices: {press: {channel: line, unit: 1, every: ${every}, tags: {${list.join(', ')}}}}`,
    store,
  );
}

describe('line time against the period', () => {
  it.each([
    [50, '1s', 0.5, 'ok'],
    [90, '1s', 0.9, 'tight'],
    [150, '1s', 1.5, 'too-much'],
  ])('%i tags of 10 ms each %s use %f of the line: %s', (tags, every, utilisation, verdict) => {
    const [channel] = forecastOf(line(tags, every)).channels;
    expect(channel!.utilisation).toBeCloseTo(utilisation);
    expect(channel!.verdict).toBe(verdict);
  });

  it('names a period that would do when there is more to do than time', () => {
    expect(forecastOf(line(150, '1s')).channels[0]!.advice).toBe(
      'read the 150 tags of 1s every 2s instead, or use a faster line, fewer tags, or a second channel',
    );
  });

  it('gives tags without a pause what the others leave', () => {
    const text = line(50, '1s').replace('t0: {', 't0: {every: 0s, ');
    const [, backToBack] = forecastOf(text).channels[0]!.periods;
    expect(backToBack).toMatchObject({ everyMs: 0, tags: 1, lineMs: 10 });
    expect(backToBack!.utilisation).toBeCloseTo(0.51);
    expect(backToBack!.readingsPerSecond).toBeCloseTo(51);
  });
});

describe('bytes', () => {
  it('of a commit agree with every measurement', () => {
    for (const measured of MEASURED_COMMITS) expect(costOfCommit(measured.readings)).toEqual(measured);
  });

  it('of a commit lie between two measurements, and go on beyond the last', () => {
    expect(costOfCommit(110)).toEqual({ readings: 110, writtenBytes: 7153, storedBytes: 658.5 });
    expect(costOfCommit(1800)).toEqual({ readings: 1800, writtenBytes: 16_644, storedBytes: 5252 });
  });

  it('count what the points of charts cost: each with the commit of its point', () => {
    const charts = (subgroup: string) => {
      const list = Array.from(
        { length: 10 },
        (_, index) =>
          `c${index}: {tag: press/t${index}, chart: xbar-s, subgroup: ${subgroup}, limits: {baseline: 500}}`,
      );
      return forecastOf(`${line(20, '1s')}spc: {${list.join(', ')}}\n`).store;
    };
    const none = forecastOf(line(20, '1s')).store;
    expect(none.chartBytesPerDay).toBe(0);
    expect(charts('5').chartBytesPerDay).toBeCloseTo(86_400 * (2400 + 2 * 160));
    expect(charts('5').writtenBytesPerDay).toBeCloseTo(none.writtenBytesPerDay + charts('5').chartBytesPerDay);
    expect(charts('{every: 10m}').chartBytesPerDay).toBeCloseTo(144 * 10 * (2400 + 160));
    expect(charts('{trigger: press/t19}').chartBytesPerDay).toBeCloseTo(86_400 * (2400 + 10 * 160));
  });

  const uplinks = 'uplinks: {plant: {type: mqtt, url: "mqtt://10.0.0.5"}}';

  // Measured with the whole store: 9532 B a commit of 1 s, 13489 B a commit of 10 s, one uplink that confirms.
  it.each([
    [200, '1s', '1s', 9532 * 86_400],
    [20, '1s', '1s', 6854 * 86_400],
    [2, '1s', '1s', 6631 * 86_400],
    [200, '10s', '10s', 13_489 * 8640],
    [20, '10s', '10s', 11_182 * 8640],
  ])(
    'written a day for %i tags each %s, committed each %s, are those measured',
    (tags, every, commitEvery, measured) => {
      const { store } = forecastOf(line(tags, every, `store: {commitEvery: ${commitEvery}}\n${uplinks}`));
      expect(store.writtenBytesPerDay / measured).toBeGreaterThan(0.98);
      expect(store.writtenBytesPerDay / measured).toBeLessThan(1.02);
    },
  );

  it('are few for a slow device, which commits only when it is read', () => {
    const { store } = forecastOf(line(2, '60s'));
    expect(store.writtenBytesPerDay).toBeCloseTo(1440 * 5591);
    expect(store.storedBytesPerDay).toBeCloseTo(1440 * 176);
  });

  it('say how long an outage may last, and nothing when nothing is polled', () => {
    const { storedBytesPerDay, outageDays } = forecastOf(line(200, '1s')).store;
    expect(outageDays).toBeCloseTo(2e9 / storedBytesPerDay);
    const quiet = yaml(
      'channels: {pins: {driver: gpio}}',
      'devices: {door: {channel: pins, tags: {open: {address: GPIO17}}}}',
    );
    expect(forecastOf(quiet).store.outageDays).toBeUndefined();
  });
});

it('loses nothing as JSON', () => {
  const whole = forecastOf(GOOD);
  expect(JSON.parse(JSON.stringify(whole)).channels[0].utilisation).toBe(whole.channels[0]!.utilisation);
});
