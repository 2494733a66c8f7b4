/** Writes batches for a Kafka REST proxy (API v2), and looks at each record's own answer. */
import type { HttpTarget } from '../../config/config.ts';
import { createRecordText } from '../../core/record-text.ts';
import type { OutgoingBatch, SendResult } from '../uplink.ts';
import { addressOf, type FormDeps, type HttpForm } from './http-form.ts';

/** `error_code` of a record in the answer to a produce request, Confluent REST Proxy API v2: what may be tried again. */
const RETRIABLE = 2;

/**
 * One Kafka record for each record or event. Its key is `gateway/device`, so that what one device gave stays in order
 * within a partition; its value is the record as on the wire of MQTT, with the members of the batch that tell it apart.
 */
export function kafkaForm(
  { topic }: Extract<HttpTarget, { kind: 'kafka-rest' }>,
  { gateway, encoder, url }: FormDeps,
): HttpForm {
  const recordText = createRecordText();
  const address = addressOf(url, `/topics/${encodeURIComponent(topic)}`);
  const headers = {
    'content-type': 'application/vnd.kafka.json.v2+json',
    accept: 'application/vnd.kafka.v2+json, application/vnd.kafka+json, application/json',
  };
  const entry = (device: string, value: string): string =>
    `{"key":${JSON.stringify(device === '' ? gateway : `${gateway}/${device}`)},"value":${value}}`;
  const entries = (batch: Exclude<OutgoingBatch, { kind: 'texts' }>): string[] => {
    if (batch.kind === 'event') return [entry('', encoder.batch(batch))];
    const origin = `{"schema":"millgate/record/1","gateway":${JSON.stringify(gateway)},"epoch":${JSON.stringify(batch.epoch)}`;
    return batch.records.map((record, index) =>
      entry(
        record.device,
        `${origin},"seq":${batch.seq + index},"lane":"${batch.lane}",${recordText(record).slice(1)}`,
      ),
    );
  };
  return {
    takesTexts: false,
    tokenWord: 'Bearer',
    message(batch) {
      if (batch.kind === 'texts') throw new TypeError('records for Kafka are not written from text');
      const all = entries(batch);
      return { url: address, headers, body: `{"records":[${all.join(',')}]}`, items: all.length };
    },
    judge: judgeOffsets,
  };
}

/** Every record has an answer of its own, within an answer that is 200 even where none was taken. */
function judgeOffsets(body: string, items: number | undefined): SendResult | Error {
  let offsets: unknown;
  try {
    ({ offsets } = JSON.parse(body) as { offsets?: unknown });
  } catch {
    offsets = undefined;
  }
  if (!Array.isArray(offsets))
    return new Error('the answer is not that of a Kafka REST proxy: it names no offsets. Check url.');
  // An answer for fewer records says nothing of the others.
  if (items !== undefined && offsets.length !== items)
    return new Error(`the answer names ${offsets.length} offsets for ${items} records. Look at the log of the proxy.`);
  const failed = offsets.filter(
    (one: { error_code?: unknown; error?: unknown } | null) =>
      one === null || (one.error_code !== null && one.error_code !== undefined) || typeof one.error === 'string',
  ) as { error_code?: unknown; error?: unknown }[];
  const [first] = failed;
  if (!first) return { ok: true };
  const why = `Kafka did not take ${failed.length} of ${offsets.length} records: ${String(first?.error ?? 'no reason given').slice(0, 200)}`;
  return failed.some((one) => one?.error_code === RETRIABLE) ? new Error(why) : { ok: false, why };
}
