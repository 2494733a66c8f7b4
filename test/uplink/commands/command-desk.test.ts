import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMAND_KINDS, type CommandKind } from '../../../src/core/configuration.ts';
import type { EventBody } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { CommandDesk, type Outcome } from '../../../src/uplink/commands/command-desk.ts';
import { type Asked, readCommand } from '../../../src/uplink/commands/parsed-command.ts';

const TOPIC = 'millgate/press-shop-1/command';

/** A gateway as its desk sees it. `disk` outlives it, as a store does. */
function gateway(disk = new Map<string, string>(), options: { kinds?: CommandKind[]; takesMs?: number } = {}) {
  const clock = new SimulatedClock();
  const done: Asked[] = [];
  const events: EventBody[] = [];
  const state = { diskWorks: true, allowed: new Set<CommandKind>(options.kinds ?? COMMAND_KINDS) };
  const desk = new CommandDesk({
    ...{ name: 'plant', clock, log: silentLogger, allowed: () => state.allowed },
    event: (body) => events.push(body),
    async carryOut(asked): Promise<Outcome> {
      if (options.takesMs !== undefined) await clock.sleep(options.takesMs);
      done.push(asked);
      return { ok: true, detail: { readBack: 80 } };
    },
    memory: {
      known: new Map(disk),
      async save(id, json) {
        if (!state.diskWorks) return new Promise(() => {});
        if (json === null) disk.delete(id);
        else disk.set(id, json);
      },
    },
  });
  const at = (ms: number) => clock.wallMs() + ms;
  const send = async (command: unknown, retained = false): Promise<Record<string, unknown>> => {
    const text = typeof command === 'string' ? command : JSON.stringify(command);
    return JSON.parse(await desk.take(Buffer.from(text), TOPIC, retained));
  };
  const write = (id: string, more: object = {}) =>
    send({ id, expires: at(5000), write: { tag: 'press-1/setpoint', value: 80 }, ...more });
  return { clock, done, events, state, desk, disk, at, send, write };
}

describe('a command over an uplink', () => {
  it('is carried out once, and a repetition gets the first reply', async () => {
    const { write, done } = gateway();
    expect(await write('a')).toEqual({ id: 'a', ok: true, readBack: 80 });
    expect(await write('a')).toEqual({ id: 'a', ok: true, readBack: 80, repeated: true });
    expect(done).toEqual([{ kind: 'write', tag: 'press-1/setpoint', value: 80 }]);
  });

  it('is carried out once though it comes again while it is under way, and after a restart', async () => {
    const first = gateway(undefined, { takesMs: 100 });
    const both = Promise.all([first.write('a'), first.write('a')]);
    await first.clock.advance(200);
    expect((await both).map(({ repeated }) => repeated)).toEqual([undefined, true]);
    const second = gateway(first.disk);
    expect(await second.write('a')).toMatchObject({ ok: true, repeated: true });
    expect([first.done.length, second.done.length]).toEqual([1, 0]);
  });

  it('that the power was cut in is not carried out again: its fate is said to be unknown', async () => {
    const first = gateway(undefined, { takesMs: 1000 });
    void first.write('a');
    await first.clock.advance(10);
    const second = gateway(first.disk);
    expect(await second.write('a')).toMatchObject({ id: 'a', ok: false, outcome: 'unknown', repeated: true });
    expect(second.done).toEqual([]);
  });

  it('that is late is refused, also where it became late while it waited', async () => {
    const { write, at, clock, done } = gateway(undefined, { takesMs: 3000 });
    expect(await write('late', { expires: at(-1) })).toMatchObject({ ok: false, outcome: 'refused' });
    const both = Promise.all([write('a'), write('b', { expires: at(2000) })]);
    await clock.advance(10_000);
    expect((await both).map(({ ok }) => ok)).toEqual([true, false]);
    expect(done.length).toBe(1);
  });

  it('is not taken while nothing can be noted on the disk', async () => {
    const { write, clock, state, done } = gateway();
    state.diskWorks = false;
    const waits = write('a');
    await clock.advance(12_000);
    expect(await waits).toMatchObject({ ok: false });
    expect(done).toEqual([]);
  });

  it('that is not allowed, kept by the broker, or holds for more than an hour is refused and told of', async () => {
    const { write, send, at, events, done } = gateway(undefined, { kinds: ['ack'] });
    expect(await write('a', { by: 'j. doe' })).toMatchObject({ ok: false });
    expect(await send({ id: 'b', expires: at(1), ack: { alarm: 'hot', occurrence: 1 } }, true)).toMatchObject({
      ok: false,
    });
    expect(await send({ id: 'c', expires: at(3_700_000), ack: { alarm: 'hot', occurrence: 1 } })).toMatchObject({
      ok: false,
    });
    expect(done).toEqual([]);
    expect(events).toMatchObject([
      { kind: 'audit', what: 'command', id: 'a', by: 'j. doe', from: `plant ${TOPIC}`, outcome: 'refused' },
      { id: 'b', outcome: 'refused' },
      { id: 'c', outcome: 'refused' },
    ]);
  });

  it('cannot flood the journal or the memory: refusals beyond twenty a minute are counted', async () => {
    const { send, events, clock, write, disk } = gateway();
    for (let number = 0; number < 1000; number++) await send('no JSON');
    expect(events.length).toBe(20);
    await clock.advance(60_000);
    expect(events.at(-1)).toMatchObject({ what: 'command', outcome: 'refused', count: 980 });
    for (let number = 0; number < 2100; number++) {
      await write(`n${number}`);
      await clock.advance(200);
    }
    expect(disk.size).toBeLessThanOrEqual(2000);
  });

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['without an id', { expires: 2e12, ack: { alarm: 'hot', occurrence: 1 } }],
    ['without an end', { id: 'a', ack: { alarm: 'hot', occurrence: 1 } }],
    ['with a duration for an end', { id: 'a', expires: 5000, ack: { alarm: 'hot', occurrence: 1 } }],
    ['with nothing to do', { id: 'a', expires: 2e12 }],
    [
      'with two things to do',
      { id: 'a', expires: 2e12, ack: { alarm: 'a', occurrence: 1 }, replay: { from: 1, to: 2 } },
    ],
    ['with a member that widens', { id: 'a', expires: 2e12, ack: { alarm: 'a', occurrence: 1 }, force: true }],
    ['with limits of its own', { id: 'a', expires: 2e12, write: { tag: 'a/b', value: 1, max: 1e9 } }],
    ['with an object for a value', { id: 'a', expires: 2e12, write: { tag: 'a/b', value: {} } }],
    ['with a name that breaks a line', { id: 'a', expires: 2e12, by: 'x\ny', replay: { from: 1, to: 2 } }],
    ['with a range that ends before it begins', { id: 'a', expires: 2e12, replay: { from: 2, to: 1 } }],
    ['with a shelving without end', { id: 'a', expires: 2e12, shelve: { alarm: 'a', for: 'ever' } }],
    ['of 9,000 bytes', { id: 'a', expires: 2e12, by: 'x'.repeat(9000), replay: { from: 1, to: 2 } }],
  ])('that is malformed (%s) is refused whole', async (_what, command) => {
    const { send, done } = gateway();
    expect(await send(command)).toMatchObject({ ok: false, outcome: 'refused', error: expect.any(String) });
    expect(done).toEqual([]);
  });

  it('that writes a number beyond all numbers is none', () => {
    const text = '{"id":"a","expires":2000000000000,"write":{"tag":"a/b","value":1e999}}';
    expect(readCommand(Buffer.from(text))).toMatchObject({ why: expect.stringContaining('"value"') });
  });

  it('may hold any bytes: they are refused or read, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void readCommand(bytes)),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.json(), (text) => void readCommand(Buffer.from(text))),
      { numRuns: 300 },
    );
  });
});
