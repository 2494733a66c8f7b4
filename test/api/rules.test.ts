import { describe, expect, it } from 'vitest';
import { ask, post } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway, SIX } from '../double/fake-gateway.ts';

describe('the routes of rules', () => {
  it('give alarms, the journal and charts', async () => {
    const where = await serve(fakeGateway());
    expect((await ask(where, '/api/v1/alarms')).body).toMatchObject({ alarms: [{ id: 'oil-hot', occurrence: 3 }, {}] });
    expect((await ask(where, `/api/v1/events?from=${SIX}&limit=10`)).body).toMatchObject({
      events: [{ seq: 1 }],
      next: 1,
    });
    expect((await ask(where, '/api/v1/spc/shaft?columns=60&rows=12')).body).toMatchObject({ id: 'shaft', limits: 1 });
    expect((await ask(where, '/api/v1/spc/shift')).status).toBe(404);
  });

  it('take orders over the socket and answer with the alarm', async () => {
    const view = fakeGateway();
    const where = await serve(view);
    const { status, body } = await post(where, '/api/v1/alarms/oil-hot/ack', '{"occurrence":3,"by":"ann"}');
    expect([status, body]).toMatchObject([200, { id: 'oil-hot' }]);
    expect(view.orders).toEqual([{ id: 'oil-hot', order: { do: 'ack', occurrence: 3 }, orderer: { by: 'ann' } }]);
  });

  it('list the charts without their points, and take points out of a baseline', async () => {
    const view = fakeGateway();
    const where = await serve(view);
    expect((await ask(where, '/api/v1/spc')).body).toMatchObject({ charts: [{ id: 'shaft', points: [] }] });
    expect((await post(where, '/api/v1/spc/shaft/exclude', '{"by":"ann","points":[4,17]}')).status).toBe(200);
    expect(view.orders).toMatchObject([{ id: 'shaft', orderer: { by: 'ann', comment: '4,17' } }]);
    for (const points of ['[]', '[0]', '["4"]', '4', `[${'1,'.repeat(500)}1]`])
      expect((await post(where, '/api/v1/spc/shaft/exclude', `{"by":"ann","points":${points}}`)).status).toBe(400);
    expect(view.orders).toHaveLength(1);
  });

  it('give the reports of maintenance, and take that the work was done', async () => {
    const view = fakeGateway();
    const where = await serve(view);
    expect((await ask(where, '/api/v1/maintenance')).body).toMatchObject({ maintenance: [{ id: 'oil-change' }] });
    const done = await post(where, '/api/v1/maintenance/oil-change/done', '{"by":"ann","comment":"12 l"}');
    expect(done).toMatchObject({ status: 200, body: { id: 'oil-change' } });
    expect(view.orders).toMatchObject([{ id: 'oil-change', orderer: { by: 'ann', comment: '12 l' } }]);
    expect((await post(where, '/api/v1/maintenance/oil-chnage/done', '{"by":"ann"}')).status).toBe(404);
    expect((await post(where, '/api/v1/maintenance/oil-change/done', '{}')).status).toBe(400);
  });

  it('take no orders over TCP', async () => {
    const view = fakeGateway();
    const { api } = await serve(view, { listen: { host: '127.0.0.1', port: 0 } });
    const where = { port: api.port()! };
    expect((await post(where, '/api/v1/alarms/oil-hot/ack', '{"occurrence":3,"by":"ann"}')).status).toBe(401);
    expect((await post(where, '/api/v1/spc/shaft/rebase', '{"by":"ann"}')).status).toBe(401);
    expect(view.orders).toEqual([]);
  });

  it.each([
    ['alarms/oil-hot/ack', '{"by":"ann"}', 400, '"occurrence" is missing in the body'],
    ['alarms/oil-hot/ack', '{"occurrence":3}', 400, '"by" is missing in the body'],
    ['alarms/oil-hot/shelve', '{"by":"ann","for":"long"}', 400, '"for" in the body must be a duration'],
    ['alarms/oil-hot/unshelve', '[]', 400, 'the body is no JSON object'],
    ['alarms/oil-hto/unshelve', '{"by":"ann"}', 404, 'no alarm "oil-hto"'],
    ['alarms/oil-hot/reset', '{"by":"ann"}', 422, 'oil-hot is still active'],
    ['spc/shfat/rebase', '{"by":"ann"}', 404, 'no control chart "shfat"'],
  ])('refuse %s %s with %i', async (path, body, status, error) => {
    const where = await serve(fakeGateway());
    expect(await post(where, `/api/v1/${path}`, body)).toMatchObject({ status, body: { detail: error } });
  });
});
