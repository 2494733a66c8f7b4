import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { BUILT_IN, linesOf, load, yaml } from './double/files.ts';
import { edited, GOOD } from './double/good.ts';

/** The configuration of files that are expected to be good. */
function good(contents: Record<string, string>, hostname?: string): Config {
  const result = load(contents, hostname);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  return result.config;
}

const MINIMAL = yaml(
  'channels: {sim: {driver: mock}}',
  'devices: {oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)"}}}}',
);

describe('a good file', () => {
  it('gives its channels with their devices and tags, complete', () => {
    const config = good({ 'millgate.yaml': GOOD });
    expect(linesOf({ 'millgate.yaml': GOOD })).toEqual([]);
    expect(config.channels.map(({ name, devices }) => [name, devices.map((device) => device.name)])).toEqual([
      ['line-a', ['press-1']],
      ['plc', ['meter']],
      ['pins', ['door']],
    ]);
    expect(config.channels[0]!.devices[0]!.tags[0]).toEqual({
      tag: {
        id: 'press-1/oil-temp',
        device: 'press-1',
        name: 'oil-temp',
        address: { unit: 3, table: 'holding', start: 100, type: 'int16' },
      },
      everyMs: 1000,
      scale: 1,
      offset: 0,
      unit: undefined,
      deadband: 0.2,
      heartbeatMs: 60_000,
      min: -20,
      max: undefined,
      counter: false,
      writable: undefined,
      description: undefined,
    });
  });

  it('has every default of the contract when it says the least', () => {
    const { gateway, store, uplinks, api, hash } = good({ 'millgate.yaml': MINIMAL });
    expect(gateway).toEqual({ id: 'gate-1', location: undefined, timezone: 'Europe/London' });
    expect(store).toEqual({
      path: '/var/lib/millgate',
      maxBytes: 2_000_000_000,
      commitEveryMs: 1000,
      replayMs: 86_400_000,
    });
    expect(uplinks).toEqual([]);
    expect(api).toEqual({ listen: { host: '127.0.0.1', port: 8420 }, hosts: [] });
    expect(hash).toMatch(/^[0-9a-f]{12}$/);
  });

  it('has the defaults of an MQTT uplink, with the gateway in its topic and client id', () => {
    const [uplink] = good({ 'millgate.yaml': GOOD }).uplinks;
    expect(uplink).toMatchObject({
      protocolVersion: undefined,
      clientId: 'millgate-press-shop-1',
      topic: 'millgate/press-shop-1',
      topics: 'batch',
      compression: 'none',
      backfillRate: 5000,
      password: undefined,
      tls: undefined,
    });
    const text = edited('    type: mqtt', '    type: mqtt\n    version: 3.1.1\n    topic: "{location}/{id}"');
    expect(good({ 'millgate.yaml': text }).uplinks[0]).toMatchObject({
      protocolVersion: 4,
      topic: 'acme/leeds/press-shop-1',
    });
  });

  it('keeps secrets as references', () => {
    const text = edited('    type: mqtt', '    type: mqtt\n    username: me\n    password: {file: /run/secret}');
    expect(good({ 'millgate.yaml': text, '/run/secret': 'hunter2' }).uplinks[0]!.password).toEqual({
      file: '/run/secret',
    });
  });

  it('takes its id from the host name, and says so when that had to be changed', () => {
    expect(good({ 'millgate.yaml': MINIMAL }, 'Press Shop').gateway.id).toBe('press-shop');
    expect(linesOf({ 'millgate.yaml': MINIMAL }, 'Press Shop')).toEqual([
      'millgate.yaml:1:1 gateway.id: warning: not given, and the host name "Press Shop" is not a valid name: using "press-shop"',
    ]);
  });

  it.each([
    ['off', undefined],
    ['false', undefined],
    ['"[::1]:9000"', { host: '::1', port: 9000 }],
    ['"0.0.0.0:80", plaintext: true', { host: '0.0.0.0', port: 80 }],
  ])('can listen at %s', (listen, expected) => {
    expect(good({ 'millgate.yaml': `${MINIMAL}api: {listen: ${listen}}\n` }).api.listen).toEqual(expected);
  });

  it('may share what devices have in common by anchors and merge keys', () => {
    const text = yaml(
      'channels: {line: {driver: modbus-rtu, port: /dev/ttyS0}}',
      'devices:',
      '  a: &press {channel: line, unit: 1, tags: {temp: {address: "input:1", type: int16}}}',
      '  b:',
      '    <<: *press',
      '    unit: 2',
    );
    const [a, b] = good({ 'millgate.yaml': text }).channels[0]!.devices;
    expect([a!.tags[0]!.tag.address, b!.tags[0]!.tag.address]).toMatchObject([{ unit: 1 }, { unit: 2 }]);
  });

  it('has another hash when any of its files changes', () => {
    const profile = { [`${BUILT_IN}/sdm.yaml`]: 'name: sdm\nmanufacturer: E\nmodel: M\ntags: {}\n' };
    const files: Record<string, string> = {
      'millgate.yaml': edited('unit: 3', 'unit: 3\n    profile: sdm'),
      ...profile,
    };
    const hashes = [
      files,
      { ...files, 'conf.d/a.yaml': '# nothing\n' },
      { ...files, [`${BUILT_IN}/sdm.yaml`]: `${profile[`${BUILT_IN}/sdm.yaml`]}# edited\n` },
    ].map((each) => good(each).hash);
    expect(new Set(hashes).size).toBe(3);
  });
});

describe('conf.d', () => {
  it('adds to the file in name order', () => {
    const config = good({
      'millgate.yaml': MINIMAL,
      'conf.d/20.yaml': 'store: {maxSize: 500MB}\n',
      'conf.d/10.yaml': 'devices: {hall: {channel: sim, tags: {t: {address: "x"}}}}\nstore: {replay: 2h}\n',
    });
    expect(config.channels[0]!.devices.map(({ name }) => name)).toEqual(['oven', 'hall']);
    expect(config.store).toMatchObject({ maxBytes: 500_000_000, replayMs: 7_200_000 });
  });

  it('names both places of a key that is given twice, and the file of every other problem', () => {
    expect(
      linesOf({
        'millgate.yaml': MINIMAL,
        'conf.d/a.yaml': 'devices:\n  oven: {channel: sim}\nstore: {commitEvry: 1s}\n',
        'conf.d/b.yml': 'x: 1\n',
      }),
    ).toEqual([
      'conf.d/b.yml:1:1: warning: is not read: rename it to .yaml',
      'conf.d/a.yaml:2:3 devices.oven: is already given at millgate.yaml:2:11: keep one of them or rename one',
      'conf.d/a.yaml:3:9 store.commitEvry: unknown key; did you mean "commitEvery"?',
    ]);
  });

  it('is refused whole when one of its files cannot be read', () => {
    expect(linesOf({ 'millgate.yaml': MINIMAL, 'conf.d/a.yaml': 'a: [' })).toEqual([
      'conf.d/a.yaml:1:4: this [ is not closed: add ] at the end of this line',
    ]);
  });
});

describe('a profile', () => {
  const PROFILE = yaml(
    'name: sdm120',
    'manufacturer: Eastron',
    'model: SDM120',
    'device: {order: CDAB, every: 5s}',
    'tags:',
    '  voltage: {address: "input:0", type: float32, unit: V}',
    '  power: {address: "input:12", type: float32, unit: W}',
  );
  const device = (...lines: string[]) =>
    yaml(
      'channels: {line: {driver: modbus-rtu, port: /dev/ttyS0}}',
      'devices:',
      '  meter:',
      '    channel: line',
      '    unit: 1',
      ...lines,
    );

  it('gives the tags below those of the device, which add to it or override it key by key', () => {
    const config = good({
      'millgate.yaml': device(
        '    profile: sdm120',
        '    tags:',
        '      power: {unit: kW, scale: 0.001}',
        '      voltage:',
        '      extra: {address: "input:70", type: float32, every: 1s}',
      ),
      'profiles/sdm120.yaml': PROFILE,
    });
    const { profile, tags } = config.channels[0]!.devices[0]!;
    expect(profile).toBe('sdm120');
    expect(tags.map(({ tag, unit, scale, everyMs }) => [tag.name, unit, scale, everyMs])).toEqual([
      ['voltage', 'V', 1, 5000],
      ['power', 'kW', 0.001, 5000],
      ['extra', undefined, 1, 1000],
    ]);
  });

  it('beside the file goes before the one that comes with the program', () => {
    const files = { 'millgate.yaml': device('    profile: sdm120'), [`${BUILT_IN}/sdm120.yaml`]: PROFILE };
    expect(good(files).channels[0]!.devices[0]!.tags).toHaveLength(2);
    const own = PROFILE.replace(/ {2}power.*\n/, '');
    expect(good({ ...files, 'profiles/sdm120.yaml': own }).channels[0]!.devices[0]!.tags).toHaveLength(1);
  });

  it('is told of at its own lines', () => {
    const broken = PROFILE.replace('unit: W', 'unti: W')
      .replace('type: float32, unit: V', 'type: flaot32')
      .replace('CDAB', 'CABD')
      .replace('model', 'modle');
    expect(linesOf({ 'millgate.yaml': device('    profile: sdm120'), 'profiles/sdm120.yaml': broken })).toEqual([
      'profiles/sdm120.yaml:3:1 modle: unknown key; did you mean "model"?',
      'profiles/sdm120.yaml:4:17 device.order: expected ABCD, CDAB, BADC or DCBA; got "CABD"',
      'profiles/sdm120.yaml:6:39 tags.voltage.type: expected bool, int16, uint16, int32, uint32 or float32; got "flaot32"; did you mean "float32"?',
      'profiles/sdm120.yaml:7:47 tags.power.unti: unknown key; did you mean "unit"?',
    ]);
  });

  it('that is not there is told of with the nearest name and where it was looked for', () => {
    expect(linesOf({ 'millgate.yaml': device('    profile: sdm12'), 'profiles/sdm120.yaml': PROFILE })).toEqual([
      'millgate.yaml:6:14 devices.meter.profile: there is no profile "sdm12"; did you mean "sdm120"? (looked for in profiles/ beside this file, and among those that come with Millgate: millgate profiles lists them)',
    ]);
  });

  it('cannot be reached outside its folders', () => {
    expect(linesOf({ 'millgate.yaml': device('    profile: ../secret'), 'secret.yaml': PROFILE })).toEqual([
      'millgate.yaml:6:14 devices.meter.profile: there is no profile "../secret" (looked for in profiles/ beside this file, and among those that come with Millgate: millgate profiles lists them)',
    ]);
  });
});
