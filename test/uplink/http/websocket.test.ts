import { afterEach, describe, expect, it } from 'vitest';
import { Fields } from '../../../src/core/reading.ts';
import { batchOf, describeUplinkContract } from '../../contract/uplink.ts';
import { startHttpTarget } from '../../double/http-target.ts';
import { startAedes } from '../../double/mqtt-peers.ts';
import { startWebSocketFront } from '../../double/websocket-front.ts';
import { uplinkTo } from '../mqtt-fixture.ts';

const NEVER = new AbortController().signal;

/** A broker behind WebSockets. */
async function startWebBroker() {
  const peer = await startAedes();
  const front = await startWebSocketFront(peer.port);
  return {
    ...peer,
    uplink: uplinkTo(0, { url: `ws://127.0.0.1:${front.port}/mqtt` }),
    async close() {
      await front.close();
      await peer.close();
    },
  };
}

describeUplinkContract('MQTT over WebSockets', async () => {
  const peer = await startWebBroker();
  const seqs = () => peer.published.filter(({ topic }) => topic.endsWith('/readings')).map(seqOf);
  return { ...peer, received: async () => seqs() };
});

function seqOf({ payload }: { readonly payload: Buffer }): number {
  return JSON.parse(`${payload}`).seq;
}

describe('a WebSocket', () => {
  const cleanUp: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of cleanUp.splice(0).reverse()) await close();
  });

  it('carries messages of every length', async () => {
    const peer = await startWebBroker();
    cleanUp.push(() => peer.close());
    const session = await peer.uplink.connect(NEVER);
    cleanUp.push(() => session.close());
    for (const length of [1, 100, 70_000, 200_000]) {
      const batch = batchOf(length) as Extract<ReturnType<typeof batchOf>, { kind: 'readings' }>;
      const fields = Fields.of([{ name: 'text', quality: 'good', value: 'x'.repeat(length) }]);
      const long = { ...batch, records: [{ ...batch.records[0]!, fields }] };
      expect(await session.send(long, NEVER)).toEqual({ ok: true });
    }
  });

  it('says where there is none', async () => {
    const target = await startHttpTarget();
    cleanUp.push(() => target.close());
    target.answer(() => ({ status: 404 }));
    const url = `ws://127.0.0.1:${target.port}/wrong`;
    await expect(uplinkTo(target.port, { url }).connect(NEVER)).rejects.toThrow(
      /offers no MQTT over WebSockets at \/wrong: it answers 404/,
    );
  });
});
