/** An edge node keeps the rules of an uplink, on brokers of others. */
import { describeUplinkContract } from '../../contract/uplink.ts';
import { startMosquitto } from '../../double/mqtt-peers.ts';
import { type Said, SparkplugBroker, saidIn } from '../../double/sparkplug-broker.ts';
import { until, watch } from '../mqtt-fixture.ts';
import { edgeNode } from './edge-fixture.ts';

/** The numbers in the values of batches. */
function valuesIn(said: readonly Said[]): number[] {
  return said
    .filter(({ type }) => type === 'DDATA')
    .flatMap(({ metrics }) => metrics.map(({ value }) => Number(value?.value)));
}

for (const protocolVersion of [4, 5] as const) {
  describeUplinkContract(`Sparkplug over MQTT ${protocolVersion === 4 ? '3.1.1' : '5'} on mosquitto`, async () => {
    const peer = await startMosquitto((port) => [`listener ${port} 127.0.0.1`, 'allow_anonymous true']);
    const watched = await watch(peer.port);
    const received = () =>
      valuesIn(watched.messages.map((message) => saidIn(1, { cmd: 'publish', qos: 0, dup: false, ...message })));
    return {
      ...peer,
      uplink: edgeNode(peer.port, {}, {}, { protocolVersion }),
      async received(count) {
        await until(() => received().length >= count, 'mosquitto passes the batches on');
        return received();
      },
      async close() {
        await watched.stop();
        await peer.close();
      },
    };
  });
}

describeUplinkContract('Sparkplug on a broker of packets', async () => {
  const broker = new SparkplugBroker();
  const port = await broker.listen();
  return {
    uplink: edgeNode(port),
    async received(count) {
      await until(() => valuesIn(broker.said).length >= count, 'the batches came');
      return valuesIn(broker.said);
    },
    freeze: () => broker.freeze(),
    thaw: () => broker.thaw(),
    dropClients: async () => broker.cut(),
    close: () => broker.close(),
  };
});
