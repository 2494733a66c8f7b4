import { describe, expect, it } from 'vitest';

import type { ConfigurationView, GatewayView } from '../../src/api/view.ts';
import { EXIT, Fault } from '../../src/core/errors.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { ask, post } from '../double/ask.ts';
import { serve, until } from '../double/command-line.ts';
import { fakeGateway, SIX, STATUS } from '../double/fake-gateway.ts';

describe('the routes', () => {
  it('give the status as the gateway tells it, and its parts on routes of their own', async () => {
    const where = await serve(fakeGateway());
    const { status, body } = await ask(where, '/api/v1/status');
    expect(status).toBe(200);
    expect(body).toEqual(JSON.parse(JSON.stringify(STATUS)));
    expect((await ask(where, '/api/v1/store')).body).toMatchObject({ bytes: 1_200_000_000 });
    expect((await ask(where, '/api/v1/channels')).body).toMatchObject([{ name: 'line-a' }]);
    expect((await ask(where, '/api/v1/uplinks')).body).toMatchObject([{ name: 'plant', state: 'waiting' }]);
  });

  it('give tags with their last reading; an integer beyond 2⁵³ is a decimal string', async () => {
    const where = await serve(fakeGateway());
    const { body } = await ask(where, '/api/v1/tags');
    const tags = body as { tag: string; last: object }[];
    expect(tags[0]).toEqual({
      tag: 'press-1/oil-temp',
      unit: '°C',
      everyMs: 1000,
      readings: 1,
      last: { tag: 'press-1/oil-temp', t: SIX, quality: 'good', value: 45.2 },
    });
    expect(tags.map(({ last }) => last).slice(1)).toEqual([
      { tag: 'press-1/pressure', t: SIX, quality: 'bad', why: 'timeout' },
      { tag: 'press-1/parts', t: SIX, quality: 'good', value: '9223372036854775808' },
      { tag: 'oven/temp', t: SIX, quality: 'uncertain', value: 260, why: 'out-of-range' },
    ]);
  });

  it('page through history', async () => {
    const view = fakeGateway();
    const where = await serve(view);
    const path = '/api/v1/tags/press-1/oil-temp/history?from=1000&to=2000&limit=10';
    expect((await ask(where, path)).body).toEqual({
      tag: 'press-1/oil-temp',
      points: [{ seq: 7, t: SIX - 1000, quality: 'good', value: 45.25 }],
      next: 7,
    });
    expect((await ask(where, `${path}&after=7`)).body).toEqual({
      tag: 'press-1/oil-temp',
      points: [{ seq: 8, t: SIX, quality: 'bad', why: 'timeout' }],
    });
    const asked = { tag: 'press-1/oil-temp', fromMs: 1000, toMs: 2000, limit: 10, afterSeq: 7 };
    expect(view.asked.history[1]).toEqual(asked);
  });

  it.each(['0', '-1', '10001', '1e3', 'many', ''])(
    'refuse a page of "%s" readings, and say the range',
    async (limit) => {
      const where = await serve(fakeGateway());
      const { status, body } = await ask(where, `/api/v1/tags/press-1/oil-temp/history?limit=${limit}`);
      expect(status).toBe(400);
      expect(body).toMatchObject({
        detail: `limit=${limit} is not allowed`,
        remedy: 'Give a whole number from 1 to 10000.',
        code: EXIT.usage,
      });
    },
  );

  it('read tags now', async () => {
    const view = fakeGateway();
    const where = await serve(view);
    const { body } = await post(where, '/api/v1/read', '{"tags":["press-1/oil-temp"]}');
    expect(body).toEqual([{ tag: 'press-1/oil-temp', t: SIX, quality: 'good', value: 45.2 }]);
    expect(view.asked.read).toEqual([['press-1/oil-temp']]);
  });

  it('name the nearest tag for one that is not there', async () => {
    const where = await serve(fakeGateway());
    const { status, body } = await post(where, '/api/v1/read', '{"tags":["press-1/oil-tmep"]}');
    expect(status).toBe(404);
    expect(body).toMatchObject({
      detail: 'no tag "press-1/oil-tmep"',
      remedy: 'Did you mean press-1/oil-temp?',
      code: EXIT.usage,
    });
  });

  it('describe themselves, and say so where there is nothing', async () => {
    const where = await serve(fakeGateway());
    const { body } = await ask(where, '/api/v1/openapi.json');
    const { paths } = body as { paths: Record<string, object> };
    expect(Object.entries(paths).map(([path, methods]) => `${Object.keys(methods)} ${path}`)).toEqual([
      'get /healthz',
      'get /readyz',
      'get /metrics',
      'get /api/v1/status',
      'get /api/v1/tags',
      'get /api/v1/tags/{device}/{tag}/history',
      'get /api/v1/tags/{device}/{tag}/chart',
      'get /api/v1/readings',
      'get /api/v1/channels',
      'get /api/v1/uplinks',
      'post /api/v1/uplinks/{name}/replay',
      'get /api/v1/store',
      'get /api/v1/store/ledger',
      'get /api/v1/stream',
      'get /api/v1/record',
      'post /api/v1/read',
      'post /api/v1/write',
      'post /api/v1/probe',
      'get /api/v1/alarms',
      'post /api/v1/alarms/{id}/ack',
      'post /api/v1/alarms/{id}/shelve',
      'post /api/v1/alarms/{id}/unshelve',
      'post /api/v1/alarms/{id}/reset',
      'post /api/v1/alarms/{id}/out-of-service',
      'post /api/v1/alarms/{id}/in-service',
      'get /api/v1/events',
      'get /api/v1/spc',
      'get /api/v1/spc/{name}',
      'post /api/v1/spc/{name}/rebase',
      'post /api/v1/spc/{name}/exclude',
      'get /api/v1/maintenance',
      'post /api/v1/maintenance/{name}/done',
      'post /api/v1/quality/checkpoint',
      'get /api/v1/production',
      'get /api/v1/production/{name}',
      'get /api/v1/production/{name}/shifts',
      'get /api/v1/production/{name}/compare',
      'post /api/v1/production/{name}/reason',
      'get /api/v1/parts',
      'get /api/v1/lots',
      'post /api/v1/quality/corrections',
      'get /api/v1/inventory',
      'post /api/v1/inventory/{name}/set',
      'get /api/v1/configuration',
      'get /api/v1/configuration/files',
      'post /api/v1/configuration/check',
      'post /api/v1/configuration/try-alarm',
      'get /api/v1/configuration/schema',
      'get /api/v1/profiles',
      'post /api/v1/apply',
      'post /api/v1/bundle',
      'post /api/v1/confirm',
      'post /api/v1/rollback',
      'get,post /api/v1/tokens',
      'post /api/v1/tokens/{id}/revoke',
      'get /api/v1/openapi.json',
    ]);
    expect((await ask(where, '/api/v1/nothing')).status).toBe(404);
    expect((await ask(where, '/api/v1/read')).body).toMatchObject({
      detail: 'GET is not for /api/v1/read',
      remedy: 'Use POST.',
      code: EXIT.usage,
    });
  });

  it('are ready only while the store commits', async () => {
    const well = await serve(fakeGateway());
    expect((await ask(well, '/readyz')).status).toBe(200);
    const store = { ...STATUS.store, trouble: 'The disk is full. Free some space.' };
    const ill = await serve(fakeGateway({ status: async () => ({ ...STATUS, store }) }));
    const { status, body } = await ask(ill, '/readyz');
    expect(status).toBe(503);
    expect(body).toMatchObject({ remedy: 'The disk is full. Free some space.' });
    expect((await ask(ill, '/healthz')).status).toBe(200);
  });
});

describe('a replay', () => {
  it('names its range with both ends, as gap events do, and says what goes again', async () => {
    const asked: unknown[] = [];
    const replay: GatewayView['replay'] = async (...args) => {
      asked.push(args);
      return { count: 4, stored: [{ from: 3, to: 6 }] };
    };
    const where = await serve(fakeGateway({ replay }));
    const { status, body } = await post(where, '/api/v1/uplinks/plant/replay', '{"from":1,"to":6,"by":"j. doe"}');
    expect([status, body]).toEqual([200, { count: 4, stored: [{ from: 3, to: 6 }] }]);
    expect(asked).toEqual([['plant', { stream: 'readings', from: 1, to: 7 }, 'j. doe']]);
  });
});

describe('bad requests', () => {
  it('nested deeper than any body is are refused before they are parsed, and brackets within a text are none', async () => {
    const where = await serve(fakeGateway());
    expect((await post(where, '/api/v1/read', '['.repeat(999_000))).body).toMatchObject({
      detail: 'the body is nested too deeply',
    });
    const text = JSON.stringify({ tags: [`${'[{'.repeat(50)}\\"[`] });
    expect((await post(where, '/api/v1/read', text)).status).toBe(404);
  });

  it.each([
    ['{"tags":[]}', '"tags" in the body must be a list of 1 to 1000 entries'],
    ['{"tags":[5]}', '"tags" in the body must be a list, each entry text'],
    ['null', 'the body is no JSON object'],
    ['{', 'the body is not JSON'],
  ])('the body %s is refused', async (text, error) => {
    const where = await serve(fakeGateway());
    const { status, body } = await post(where, '/api/v1/read', text);
    expect(status).toBe(400);
    expect(body).toMatchObject({ detail: error });
  });

  it.each([
    ['plant', '{"from":5,"to":4,"by":"j. doe"}', 400, '"from" in the body is behind "to"'],
    [
      'plant',
      '{"from":0,"to":4,"by":"j. doe"}',
      400,
      '"from" in the body must be a whole number from 1 to 9007199254740990',
    ],
    ['plant', '{"from":1,"to":4}', 400, '"by" is missing in the body'],
    [
      'plant',
      '{"from":1,"to":4,"stream":"alarms","by":"j. doe"}',
      400,
      '"stream" in the body must be readings or events',
    ],
    ['plamt', '{"from":1,"to":4,"by":"j. doe"}', 404, 'no uplink "plamt"'],
  ])('a replay to %s of %s is refused', async (uplink, text, status, error) => {
    const where = await serve(fakeGateway());
    expect(await post(where, `/api/v1/uplinks/${uplink}/replay`, text)).toMatchObject({
      status,
      body: { detail: error },
    });
  });

  it('a body that a form of a web page could send is refused', async () => {
    const where = await serve(fakeGateway());
    const headers = { 'Content-Type': 'text/plain' };
    const { status } = await ask(where, '/api/v1/read', { method: 'POST', headers, body: '{"tags":["oven/temp"]}' });
    expect(status).toBe(415);
  });

  it.each([{}, { 'Transfer-Encoding': 'chunked' }])(
    'a body beyond 1 MB is refused, announced or not: %o',
    async (how) => {
      const where = await serve(fakeGateway());
      const headers = { 'Content-Type': 'application/json', ...how } as Record<string, string>;
      const body = ' '.repeat(1_000_001);
      const answer = await ask(where, '/api/v1/read', { method: 'POST', headers, body });
      expect(answer.status).toBe(413);
      expect(answer.body).toMatchObject({
        detail: 'the body is too large',
        remedy: 'Send at most 1000000 bytes.',
        code: EXIT.failed,
      });
    },
  );
});

describe('what goes wrong inside', () => {
  it('is passed on with cause and remedy when it was foreseen', async () => {
    const readNow = async () => {
      throw new Fault('line-a: port is gone', 'Plug the adapter in.', EXIT.unavailable);
    };
    const where = await serve(fakeGateway({ readNow }));
    const { status, body } = await post(where, '/api/v1/read', '{"tags":["oven/temp"]}');
    expect(status).toBe(503);
    expect(body).toMatchObject({
      detail: 'line-a: port is gone',
      remedy: 'Plug the adapter in.',
      code: EXIT.unavailable,
    });
  });

  it('is ended by the deadline when a device does not answer', async () => {
    const clock = new SimulatedClock();
    const signals: AbortSignal[] = [];
    const readNow = (_tags: readonly string[], signal: AbortSignal) => {
      signals.push(signal);
      return new Promise<never>(() => {});
    };
    const where = await serve(fakeGateway({ readNow }), { clock });
    const answer = post(where, '/api/v1/read', '{"tags":["oven/temp"]}');
    await until(() => signals.length > 0);
    await clock.advance(30_000);
    expect((await answer).status).toBe(504);
    expect(signals[0]?.aborted).toBe(true);
  });

  it('waits for a file that a slow board checks for a minute: else nobody would know what is in force', async () => {
    const clock = new SimulatedClock();
    let asked = 0;
    const apply = async () => {
      asked++;
      await clock.sleep(90_000);
      return { ok: true, hash: 'abc', changes: [], problems: [] };
    };
    const where = await serve(fakeGateway({ configuration: { apply } as unknown as ConfigurationView }), { clock });
    const answer = post(where, '/api/v1/apply', '{"text":"gateway: {id: a}","by":"ann"}');
    await until(() => asked > 0);
    await clock.advance(90_000);
    expect(await answer).toMatchObject({ status: 200, body: { ok: true } });
    const late = post(where, '/api/v1/apply', '{"text":"gateway: {id: a}","by":"ann"}');
    clock.sleep = () => new Promise(() => {});
    await until(() => asked > 1);
    await clock.advance(120_000);
    expect((await late).status).toBe(504);
  });

  it('stays inside when it is a bug', async () => {
    const status = async () => {
      throw new TypeError('secret detail');
    };
    const where = await serve(fakeGateway({ status }));
    const answer = await ask(where, '/api/v1/status');
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });
});
