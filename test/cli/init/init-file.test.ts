import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type FilePlan, parseTag, renderFile } from '../../../src/cli/init/init-file.ts';

const plan: FilePlan = {
  id: 'gate-1',
  location: undefined,
  channel: {
    kind: 'serial',
    name: 'line-a',
    port: '/dev/ttyUSB0',
    baud: 9600,
    parity: 'none',
    stopBits: 1,
    timeout: '300ms',
  },
  device: 'meter',
  unit: 3,
  every: '1s',
  profile: undefined,
  tags: [{ name: 'a', keys: { address: 'holding:1' } }],
  broker: undefined,
  storePath: undefined,
};

describe('the file that init writes', () => {
  it('says again whatever text it is given', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(text, text, text, text, (port, unit, location, url) => {
        const tags = [{ name: 'a', keys: { address: 'holding:1', unit, scale: 0.1, counter: true } }];
        const broker = { url, username: unit, password: { file: port }, ca: location };
        const written = renderFile(
          { ...plan, location, tags, broker, channel: { ...plan.channel, port } as never },
          'f',
        );
        const { gateway, channels, devices, uplinks } = parse(written);
        expect(gateway.location).toBe(location);
        expect(channels['line-a'].port).toBe(port);
        expect(devices.meter.tags.a).toEqual(tags[0]!.keys);
        expect(uplinks.plant).toMatchObject({ url, username: unit, password: { file: port }, tls: { ca: location } });
      }),
    );
  });

  it('holds the words that YAML would take for something else as text', () => {
    for (const word of ['on', 'No', 'null', 'y', '1e3', '0x10', '~', '', 'a: b', '#x'])
      expect(
        parse(renderFile({ ...plan, tags: [{ name: 'a', keys: { address: 'x', unit: word } }] }, 'f')).devices.meter
          .tags.a.unit,
      ).toBe(word);
  });
});

describe('a tag on the command line', () => {
  it('has an address, then type, order and keys in any sequence', () => {
    expect(parseTag('u=holding:100,unit=V,cdab,float32,scale=0.1,counter=true')).toEqual({
      name: 'u',
      keys: { address: 'holding:100', unit: 'V', order: 'CDAB', type: 'float32', scale: 0.1, counter: true },
    });
  });

  it('never breaks on what is typed', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseTag(text);
        } catch (error) {
          expect((error as Error).message).toMatch(/^--tag /);
        }
      }),
    );
  });
});
