/** Picks the form in which an HTTP target takes batches; JSON's own is here. */
import type { HttpConfig } from '../../config/config.ts';
import type { OutgoingBatch } from '../uplink.ts';
import type { FormDeps, HttpForm } from './http-form.ts';
import { kafkaForm } from './kafka-rest.ts';
import { lineProtocolForm } from './line-protocol.ts';

/** The form of the target of an uplink. */
export function formOf(
  { target, url, layout }: Pick<HttpConfig, 'target' | 'url' | 'layout'>,
  deps: Omit<FormDeps, 'url'>,
): HttpForm {
  switch (target.kind) {
    case 'json':
      return jsonForm({ ...deps, url }, layout !== 'columns');
    case 'influxdb':
      return lineProtocolForm(target, { ...deps, url });
    case 'kafka-rest':
      return kafkaForm(target, { ...deps, url });
  }
}

/** The JSON batches of the wire, all to one address. */
function jsonForm({ encoder, url, gateway }: FormDeps, takesTexts: boolean): HttpForm {
  return {
    takesTexts,
    tokenWord: 'Bearer',
    message: (batch) => ({
      url: new URL(url),
      headers: { 'content-type': 'application/json', 'idempotency-key': keyOf(gateway, batch) },
      body: batch.kind === 'texts' ? encoder.texts(batch) : encoder.batch(batch),
    }),
    judge: () => ({ ok: true }),
  };
}

/** The same for the same items, and for no others: a server that saw it before need not look into the batch. */
function keyOf(gateway: string, batch: OutgoingBatch): string {
  if (batch.kind === 'event') return `${gateway}/${batch.epoch}/event/${batch.seq}`;
  const count = batch.kind === 'texts' ? batch.texts.length : batch.records.length;
  return `${gateway}/${batch.epoch}/${batch.seq}+${count}`;
}
