// Writes what an edge node publishes as JSON lines, for graders outside of this house: SECONDS or until it is stopped.
// node scripts/sparkplug-capture.mjs mqtt://BROKER [SECONDS] > capture.jsonl   (after npm run build)
import { argv, exit, stderr, stdout } from 'node:process';
import mqtt from 'mqtt';
import { decodePayload } from '../dist/src/uplink/sparkplug/payload.js';

const [url, seconds] = argv.slice(2);
if (url === undefined) {
  stderr.write('usage: node scripts/sparkplug-capture.mjs mqtt://BROKER [SECONDS]\n');
  exit(2);
}

/** A value as JSON: 64-bit integers as decimal strings. */
const plain = (value) => (typeof value?.value === 'bigint' ? value.value.toString() : value?.value);

/** A metric under the names of the standard's JSON form. */
const metricOf = ({ name, alias, timestampMs, datatype, isHistorical, isNull, properties, value }) => ({
  ...{ name, alias, timestamp: timestampMs, dataType: datatype, is_historical: isHistorical, is_null: isNull },
  value: plain(value),
  properties:
    properties && Object.fromEntries(properties.map((one) => [one.key, { type: one.type, value: plain(one.value) }])),
});

const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
client.on('message', (topic, bytes, { qos, retain }) => {
  const head = { at: Date.now(), topic, qos, retain };
  if (topic.startsWith('spBv1.0/STATE/')) return stdout.write(`${JSON.stringify({ ...head, state: `${bytes}` })}\n`);
  const { timestampMs: timestamp, seq, metrics } = decodePayload(bytes);
  const payload = { timestamp, seq, metrics: metrics.map(metricOf) };
  stdout.write(`${JSON.stringify({ ...head, payload, raw: bytes.toString('base64') })}\n`);
});
await client.subscribeAsync('spBv1.0/#', { qos: 1 });
stderr.write(`listening to ${url}\n`);
if (seconds !== undefined) setTimeout(() => client.end(true, () => exit(0)), Number(seconds) * 1000);
