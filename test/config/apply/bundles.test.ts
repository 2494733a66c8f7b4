/** Signed bundles: every byte counts, numbers only rise, and a bundle is for the gateway that it names. */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { openBundle, publicKeyOf, sealBundle } from '../../../src/config/apply/bundle.ts';
import { Bundles } from '../../../src/config/apply/bundles.ts';
import type { Disk } from '../../../src/config/apply/durable.ts';
import type { Config } from '../../../src/config/config.ts';
import type { ApplyAnswer, ConfigurationEntry } from '../../../src/core/configuration.ts';
import { Fault } from '../../../src/core/errors.ts';
import type { EventBody } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';

const pem = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const KEY = pem();
const OTHER = pem();
const PUBLIC = publicKeyOf(KEY);
const TEXT = 'gateway: {id: press-1}\n';

const seal = (over: Partial<Parameters<typeof sealBundle>[0]> = {}, key = KEY) =>
  sealBundle({ gateway: 'press-1', number: 5, madeMs: 1_764_000_000_000, text: TEXT, ...over }, key);

describe('a bundle', () => {
  it('opens with the key that belongs to its signature', () => {
    expect(openBundle(seal(), PUBLIC)).toMatchObject({
      ok: true,
      content: { gateway: 'press-1', number: 5, text: TEXT },
    });
    expect(openBundle(seal({}, OTHER), PUBLIC)).toMatchObject({ ok: false });
  });

  it('with any byte changed, lost or added is refused', () => {
    const good = Buffer.from(seal());
    const damaged = fc.oneof(
      fc.record({ at: fc.nat(good.length - 1), bit: fc.nat(7) }).map(({ at, bit }) => {
        const bytes = Buffer.from(good);
        bytes[at]! ^= 1 << bit;
        return bytes;
      }),
      fc.nat(good.length - 1).map((at) => Buffer.concat([good.subarray(0, at), good.subarray(at + 1)])),
      fc.nat(good.length).map((at) => Buffer.concat([good.subarray(0, at), Buffer.from(' '), good.subarray(at)])),
    );
    fc.assert(
      fc.property(damaged, (bytes) => {
        expect(openBundle(bytes.toString('utf8'), PUBLIC).ok).toBe(false);
      }),
      { numRuns: Number(process.env.BUNDLE_RUNS ?? 400) },
    );
  });

  it('of any text is refused without an exception', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(openBundle(text, PUBLIC).ok).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a gateway', () => {
  let events: EventBody[];
  let applied: string[];
  let history: ConfigurationEntry[];
  let files: Map<string, string>;
  let answer: ApplyAnswer;
  /** Hash of the configuration in force. */
  let running: string;

  beforeEach(() => {
    events = [];
    applied = [];
    history = [];
    files = new Map();
    running = 'aaaa';
    answer = { ok: true, hash: 'aaaa', changes: [], warnings: [], pending: true };
  });

  /** The gateway press-1, as it is after a start. */
  function gateway(key: string | null = PUBLIC): Bundles {
    const disk: Disk = {
      read: async (path) => files.get(path),
      write: async (path, text) => void files.set(path, text),
      rename: async (from, to) => {
        files.set(to, files.get(from)!);
        files.delete(from);
      },
      remove: async (path) => void files.delete(path),
      syncFolder: async () => {},
      list: async () => [...files.keys()],
      makeFolder: async () => {},
      realPath: async (path) => path,
    };
    const config = { gateway: { id: 'press-1' }, fleet: { key: key ?? undefined } } as Config;
    return new Bundles({
      config: () => ({ ...config, hash: running }),
      apply: async ({ text }) => {
        applied.push(text);
        return answer;
      },
      history: () => history,
      event: (body) => events.push(body),
      log: silentLogger,
      disk,
      folder: '/store',
    });
  }

  const told = () => events.map((body) => ('what' in body ? body.what : body.kind));

  it('puts a bundle on trial, tells of it, and takes no older one afterwards, also after a restart', async () => {
    expect(await gateway().take({ bundle: seal(), by: 'timer' })).toMatchObject({
      ok: true,
      number: 5,
      outcome: 'on-trial',
    });
    expect([applied, told()]).toEqual([[TEXT], ['bundle']]);
    const older = await gateway().take({ bundle: seal({ number: 4 }), by: 'timer' });
    expect(older).toMatchObject({ ok: false, number: 4, why: expect.stringContaining('not above 5') });
    const same = await gateway().take({ bundle: seal({ text: 'other' }), by: 'timer' });
    expect(same).toMatchObject({ ok: false, number: 5 });
    expect(applied).toHaveLength(1);
  });

  it.each([
    ['signed by another key', () => seal({}, OTHER), undefined],
    ['for another gateway', () => seal({ gateway: 'press-2' }), 5],
    ['changed by one byte', () => seal().replace('press-1', 'press-9'), undefined],
  ])(
    'refuses one that is %s, changes nothing, and tells of it once however often it comes',
    async (_name, make, number) => {
      const bundle = make();
      const own = gateway();
      expect(await own.take({ bundle, by: 'timer' })).toMatchObject({ ok: false, number });
      await own.take({ bundle, by: 'timer' });
      await gateway().take({ bundle, by: 'timer' });
      expect([applied, told()]).toEqual([[], ['bundle-refused']]);
    },
  );

  it('takes one for a group that it belongs to', async () => {
    expect(await gateway().take({ bundle: seal({ gateway: 'press-*' }), by: 'timer' })).toMatchObject({ ok: true });
  });

  it('says what became of a bundle that comes again', async () => {
    const own = gateway();
    await own.take({ bundle: seal(), by: 'timer' });
    const entry = { hash: 'aaaa', how: 'apply', by: 'bundle 5', atMs: 0, changes: [] } as const;
    history = [{ ...entry, outcome: 'kept' }];
    expect(await own.take({ bundle: seal(), by: 'timer' })).toMatchObject({ ok: true, outcome: 'known' });
    running = 'cccc';
    expect(await own.take({ bundle: seal(), by: 'timer' })).toMatchObject({
      ok: false,
      why: expect.stringContaining('configuration cccc, which came later'),
    });
    history = [{ ...entry, outcome: 'rolled-back', why: 'no good reading came from oven' }];
    expect(await own.take({ bundle: seal(), by: 'timer' })).toMatchObject({
      ok: false,
      why: expect.stringContaining('no good reading came from oven'),
    });
    expect(applied).toHaveLength(1);
  });

  it('refuses one whose configuration is not valid, and takes its number again when it is mended', async () => {
    const problem = { file: 'f', line: 1, column: 1, path: 'x', message: 'unknown key', severity: 'error' } as const;
    answer = { ok: false, problems: [problem] };
    expect(await gateway().take({ bundle: seal(), by: 'timer' })).toMatchObject({ ok: false, problems: [problem] });
    answer = { ok: true, hash: 'bbbb', changes: [], warnings: [], pending: true };
    expect(await gateway().take({ bundle: seal({ text: 'mended' }), by: 'timer' })).toMatchObject({
      ok: true,
      number: 5,
    });
  });

  it('without a key, or with a damaged memory of numbers, tries nothing', async () => {
    const keyless = gateway(null);
    await expect(keyless.take({ bundle: seal(), by: 'timer' })).rejects.toThrow(Fault);
    files.set('/store/bundle.json', '{"number":');
    await expect(gateway().take({ bundle: seal(), by: 'timer' })).rejects.toThrow('bundle.json is damaged');
    expect(applied).toEqual([]);
  });
});
