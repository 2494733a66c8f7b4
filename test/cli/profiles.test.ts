import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../src/cli/terminal/table.ts';
import { EXIT } from '../../src/core/errors.ts';
import { millgate, temporaryFolder } from '../double/command-line.ts';
import { Terminal } from '../double/terminal.ts';

const BUILT_IN = readdirSync(join(import.meta.dirname, '../../config/profiles'))
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => file.slice(0, -5));

async function profiles(args: readonly string[], world: Parameters<typeof millgate>[1] = {}) {
  const run = millgate(['profiles', ...args], world);
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

/** A folder with a profile of one's own, and a configuration file that need not be there. */
function ownProfile(text: string) {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'profiles'));
  writeFileSync(join(folder, 'profiles/my-meter.yaml'), text);
  return { cwd: folder, env: { MILLGATE_CONFIG: 'millgate.yaml' } };
}

const MY_METER = `name: my-meter
manufacturer: Acme
model: M1 meter
serial: {baud: 9600, parity: even}
notes: [Set its address first.]
tags:
  power: {address: "30013", type: float32, unit: W, min: 0, max: 9000}
  limit: {address: "holding:9.2", type: bool, writable: true}
  voltage: {address: "input:0", type: uint16, scale: 0.1, unit: V}
`;

describe('profiles', () => {
  it('lists those that come with the program, with maker and device', async () => {
    const { exitCode, out } = await profiles([]);
    expect(exitCode).toBe(EXIT.ok);
    expect(
      out
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ')[0]),
    ).toEqual(BUILT_IN.sort());
    expect(out).toMatch(/^eastron-sdm120 +Eastron +13 +SDM120-Modbus single-phase meter, 45 A$/m);
  });

  it('lists your own beside the configuration, too, even a broken one', async () => {
    expect((await profiles([], ownProfile(MY_METER))).out).toMatch(/^my-meter +Acme +3 +yours +M1 meter$/m);
    expect((await profiles([], ownProfile('tags: ['))).out).toMatch(/^my-meter +0 +yours$/m);
  });

  it('shows one with its tags, both forms of their addresses, and what an installer must know', async () => {
    const { exitCode, out } = await profiles(['my-meter'], ownProfile(MY_METER));
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toBe(`profile  my-meter  profiles/my-meter.yaml
device   Acme M1 meter
serial   baud 9600, parity even
notes    Set its address first.

tag      address                                unit  scale  range
power    input:12 = 30013, FC 4, float32 ABCD   W            0 … 9000
limit    holding:9.2 = 40010 bit 2, FC 3, bool                         writable
voltage  input:0 = 30001, FC 4, uint16          V     × 0.1
`);
  });

  it('gives both as JSON', async () => {
    const all = JSON.parse((await profiles(['--json'])).out) as { name: string; tags: string[] }[];
    expect(all.find(({ name }) => name === 'eastron-sdm120')).toMatchObject({ builtIn: true, manufacturer: 'Eastron' });
    const one = JSON.parse((await profiles(['my-meter', '--json'], ownProfile(MY_METER))).out);
    expect(one).toMatchObject({ name: 'my-meter', builtIn: false, serial: { baud: 9600, parity: 'even' } });
    expect(one.tags[1]).toEqual({
      tag: 'limit',
      address: 'holding:9.2 = 40010 bit 2, FC 3, bool',
      scale: 1,
      writable: true,
      verified: true,
    });
    expect([one.tags[0].verified, one.unverified]).toEqual([true, []]);
  });

  it('says of each tag whether its register was verified', async () => {
    const text = MY_METER.replace('scale: 0.1', 'scale: 0.1, verified: no');
    const { out, exitCode } = await profiles(['my-meter'], ownProfile(text));
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toMatch(/^verified +2 of 3 tags; compare/m);
    expect(out).toMatch(/^voltage .* × 0\.1 +not verified$/m);
    expect(out).not.toMatch(/^power .*not verified/m);
    const json = JSON.parse((await profiles(['my-meter', '--json'], ownProfile(text))).out);
    expect(json.unverified).toEqual(['voltage']);
    expect(json.tags.map((tag: { verified: boolean }) => tag.verified)).toEqual([true, true, false]);
  });

  it('takes no other word for a register that was not verified, exit 78', async () => {
    const text = MY_METER.replace('scale: 0.1', 'scale: 0.1, verified: perhaps');
    const { exitCode, err } = await profiles(['my-meter'], ownProfile(text));
    expect(exitCode).toBe(EXIT.configInvalid);
    expect(err).toMatch(/my-meter\.yaml:9:\d+ .*verified/);
  });

  it.each(BUILT_IN)('shows %s, every tag of it, at 40 columns', async (name) => {
    const terminal = new Terminal(40);
    const { exitCode, out, err } = await profiles([name], { terminal });
    expect([exitCode, err]).toEqual([EXIT.ok, '']);
    for (const line of out.split('\n'))
      if (line.trim().includes(' ')) expect(displayWidth(line), line).toBeLessThanOrEqual(40);
  });

  it('names the nearest one for a name that is not there, exit 2', async () => {
    const { exitCode, err } = await profiles(['eastron-sdm12']);
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toBe('millgate: no profile "eastron-sdm12". Did you mean eastron-sdm120?\n');
  });

  it('tells what is wrong with a broken one, with its line, exit 78', async () => {
    const { exitCode, err } = await profiles(['my-meter'], ownProfile(MY_METER.replace('float32', 'floatt')));
    expect(exitCode).toBe(EXIT.configInvalid);
    expect(err).toMatch(/profiles\/my-meter\.yaml:7:\d+ .*there is no type "floatt"/);
    expect(err).toContain('Mend what is listed above.');
  });
});
