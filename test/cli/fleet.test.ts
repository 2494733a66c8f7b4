/** `fleet`: what stands on a broker as the retained statuses of gateways, and how it is judged. */
import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { judgeFleet, statusOf } from '../../src/cli/fleet/judge-fleet.ts';
import { EXIT } from '../../src/core/errors.ts';
import { millgate } from '../double/command-line.ts';
import { freePort, type Peer, startAedes } from '../double/mqtt-peers.ts';

const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.close();
});

interface Told {
  readonly id: string;
  readonly text: string;
}

const status = (id: string, over: object = {}): Told => ({
  id,
  text: JSON.stringify({ state: 'online', version: '1.2.0', config: 'aaaa', epoch: 'e', since: 1000, ...over }),
});

/** A broker on which these statuses are retained. */
async function brokerWith(statuses: readonly Told[], user?: { name: string; password: string }): Promise<string> {
  const peer = await startAedes(user);
  peers.push(peer);
  const url = `mqtt://127.0.0.1:${peer.port}`;
  const client = await connectAsync(url, user && { username: user.name, password: user.password });
  await Promise.all(
    statuses.map(({ id, text }) => client.publishAsync(`millgate/${id}/status`, text, { qos: 1, retain: true })),
  );
  await client.endAsync();
  return url;
}

async function fleet(...args: readonly string[]) {
  const run = millgate(['fleet', ...args]);
  return { exitCode: await run.exitCode, out: run.out(), err: run.err() };
}

describe('fleet', () => {
  it('lists two hundred gateways with those in front that are offline or differ', async () => {
    const statuses = Array.from({ length: 200 }, (_, index) =>
      status(
        `press-${index}`,
        index === 7
          ? { state: 'offline' }
          : index === 9
            ? { version: '1.1.0' }
            : index === 11
              ? { config: 'bbbb' }
              : {},
      ),
    );
    const url = await brokerWith([...statuses, { id: 'odd', text: 'hello' }]);
    const startMs = performance.now();
    const { exitCode, out } = await fleet('--broker', url, '--json');
    console.log(`201 statuses in ${Math.round(performance.now() - startMs)} ms`);
    const { gateways, version, config } = JSON.parse(out);
    expect([exitCode, gateways.length, version, config]).toEqual([EXIT.ok, 201, '1.2.0', 'aaaa']);
    expect(gateways.slice(0, 4)).toMatchObject([
      { gateway: 'odd', state: 'unreadable', differs: [] },
      { gateway: 'press-7', state: 'offline', differs: [] },
      { gateway: 'press-11', state: 'online', differs: ['config'], config: 'bbbb' },
      { gateway: 'press-9', state: 'online', differs: ['version'], version: '1.1.0' },
    ]);
    expect(gateways[4]).toMatchObject({ gateway: 'press-0', state: 'online', differs: [], sinceMs: 1000 });
  });

  it('says in one line what is the matter, and with --differs lists only that', async () => {
    const url = await brokerWith([
      status('a'),
      status('b'),
      status('c', { version: '1.0.0' }),
      status('d', { state: 'offline' }),
    ]);
    const { out } = await fleet('--broker', url, '--differs');
    expect(out).toContain('4 gateways, 1 offline, 1 with another version than 1.2.0');
    expect(out).toMatch(/^d +offline/m);
    expect(out).toMatch(/^c +online.*1\.0\.0 \*/m);
    expect(out).not.toMatch(/^a /m);
  });

  it('that finds nobody says where it looked', async () => {
    const { exitCode, out } = await fleet('--broker', await brokerWith([]), '--topic', 'acme/+/{id}');
    expect([exitCode, out]).toEqual([EXIT.failed, 'No gateway has a status below acme/+/+/status.\n']);
  });

  it('signs in, and says so when it may not', async () => {
    const url = await brokerWith([status('a')], { name: 'fleet', password: 'right' });
    const run = millgate(['fleet', '--broker', url, '--username', 'fleet'], {
      env: { MILLGATE_BROKER_PASSWORD: 'right' },
    });
    expect(await run.exitCode).toBe(EXIT.ok);
    const refused = await fleet('--broker', url);
    expect(refused.exitCode).toBe(EXIT.unavailable);
  });

  it.each([
    [[], 'which broker?'],
    [['--broker', 'broker'], 'not the URL of a broker'],
    [['--broker', 'mqtt://me:secret@broker'], 'has a user name in it'],
    [['--broker', 'mqtt://broker', '--topic', 'millgate/#'], 'not a topic root'],
    [['--broker', 'mqtt://broker', '--wait', 'soon'], 'not a duration'],
  ])('%j is refused', async (args, why) => {
    const { exitCode, err } = await fleet(...args);
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toContain(why);
    expect(err).not.toContain('secret@');
  });

  it('at a port where nothing listens is exit 69', async () => {
    const { exitCode } = await fleet('--broker', `mqtt://127.0.0.1:${await freePort()}`);
    expect(exitCode).toBe(EXIT.unavailable);
  });
});

describe('a fleet of which each gateway has a file of its own', () => {
  it('has no configuration that another differs from', () => {
    const statuses = ['a', 'b', 'c'].map((id) =>
      statusOf(`millgate/${id}/status`, 'millgate/+/status', status(id, { config: id }).text),
    );
    expect(judgeFleet(statuses)).toMatchObject({ config: undefined, version: '1.2.0' });
    expect(judgeFleet(statuses).gateways.every(({ differs }) => differs.length === 0)).toBe(true);
  });
});
