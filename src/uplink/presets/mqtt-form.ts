/** What a broker is sent of a batch: JSON on topics of ours, or what a product makes of it. */
import type { MqttConfig, SecretRef, TagConfig } from '../../config/config.ts';
import type { Clock } from '../../core/clock.ts';
import type { JsonEncoder } from '../json.ts';
import type { LastValue } from '../last-values.ts';
import type { OutgoingBatch } from '../uplink.ts';
import { hubForm } from './azure-iot-hub.ts';
import { discoveryOf } from './home-assistant.ts';
import type { MqttForm } from './preset-form.ts';
import { templateForm } from './template-form.ts';
import { thingsboardForm } from './thingsboard.ts';

/** What a form is made with. */
interface MqttFormDeps {
  readonly gateway: string;
  /** ISA-95 path. */
  readonly location?: string | undefined;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly encoder: JsonEncoder;
  readonly secrets: (ref: SecretRef) => string | Promise<string>;
  /** The tags that this uplink sends; asked each time. */
  readonly tagConfigs: () => readonly TagConfig[];
}

/** The form of an uplink. */
export function mqttFormOf(config: MqttConfig, deps: MqttFormDeps): MqttForm {
  const plain = plainForm(config, deps);
  if (config.template) return templateForm(plain, config.template, deps);
  switch (config.preset?.kind) {
    case 'azure-iot-hub':
      return hubForm(plain, config.preset, deps);
    case 'thingsboard':
      return thingsboardForm(config.preset, deps);
    case 'home-assistant': {
      const { discovery } = config.preset;
      const about = { gateway: deps.gateway, root: config.topic, discovery };
      const retained = (atBroker: ReadonlySet<string>): LastValue[] => discoveryOf(deps.tagConfigs(), atBroker, about);
      return { ...plain, retained, birthTopic: `${discovery}/status` };
    }
    default:
      return plain;
  }
}

/** JSON on `ROOT/readings` and `ROOT/events`. */
function plainForm({ topic, topics, layout }: MqttConfig, { encoder }: MqttFormDeps): MqttForm {
  return {
    // The newest value of each tag is found in the records themselves.
    takesTexts: topics !== 'per-tag' && layout !== 'columns',
    hasStatus: true,
    topicOf: ({ kind }) => `${topic}/${kind === 'event' ? 'events' : 'readings'}`,
    payload: (batch: OutgoingBatch) => (batch.kind === 'texts' ? encoder.texts(batch) : encoder.batch(batch)),
  };
}
