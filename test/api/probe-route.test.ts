import { describe, expect, it } from 'vitest';
import { ask, post } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

const BLOCK = { channel: 'line-a', unit: 3, table: 'holding', start: 100, count: 3 };

describe('reading what no tag names', () => {
  it('goes through the channel, one block a request', async () => {
    const view = fakeGateway();
    const where = await serve(view);
    const { status, body } = await post(where, '/api/v1/probe', JSON.stringify(BLOCK));
    expect(status).toBe(200);
    expect(body).toEqual({ ok: true, items: [100, 101, 102] });
    expect(view.asked.probe).toEqual([['line-a', { unit: 3, table: 'holding', start: 100, count: 3 }]]);
  });

  it.each([
    ['more registers than a request has', { count: 126 }],
    ['registers past the last', { start: 65_535 }],
    ['a table there is not', { table: 'holdings' }],
    ['a unit there is not', { unit: 256 }],
    ['no channel', { channel: undefined }],
  ])('refuses %s before anything is asked', async (_, over) => {
    const view = fakeGateway();
    const where = await serve(view);
    const { status, body } = await post(where, '/api/v1/probe', JSON.stringify({ ...BLOCK, ...over }));
    expect(status).toBe(400);
    expect(body).toMatchObject({ detail: expect.stringMatching(/^"\w+" (in the body|is missing)/) });
    expect(view.asked.probe).toEqual([]);
  });

  it('is refused over TCP: it takes time of the line', async () => {
    const { api } = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port: 0 } });
    const port = api.port()!;
    const headers = { 'Content-Type': 'application/json' };
    const answer = await ask({ port }, '/api/v1/probe', { method: 'POST', headers, body: JSON.stringify(BLOCK) });
    expect(answer.status).toBe(401);
  });
});
