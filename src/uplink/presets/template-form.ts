/** Messages whose topics and payloads the file itself lays out: words in braces are filled in, and nothing is carried out. */
import type { TagConfig, TemplateConfig } from '../../config/config.ts';
import { TEMPLATE_WORD } from '../../core/configuration.ts';
import type { DeviceRecord, Field, Value } from '../../core/reading.ts';
import { valueText } from '../../core/record-text.ts';
import type { OutgoingBatch } from '../uplink.ts';
import type { MqttForm } from './preset-form.ts';

/** Who speaks. */
interface About {
  readonly gateway: string;
  readonly location?: string | undefined;
  /** The tags that this uplink sends; asked for each batch. */
  readonly tagConfigs: () => readonly TagConfig[];
}

/** JSON text of each word; `undefined` of one that stands for nothing, which JSON writes as null. */
type Words = Readonly<Record<string, string | undefined>>;

type ReadingsBatch = Extract<OutgoingBatch, { kind: 'readings' }>;

interface Message {
  readonly topic: string;
  readonly payload: string;
}

/**
 * A message for each value, or for each record where the template names `{values}`. A payload that is a text becomes that
 * text; one of keys and values becomes JSON, in which a text that is one word in braces becomes the value itself. Bad
 * values are left out, unless the template names their quality. Events go as they do without a template.
 */
export function templateForm(plain: MqttForm, template: TemplateConfig, about: About): MqttForm {
  const { isOfRecords, namesQuality, topic, payload } = template;
  const write = writerOf(payload);
  const place = textOf(topic, levelOf);
  const message = (words: Words): Message => ({ topic: place(words), payload: write(words) });
  return {
    ...plain,
    takesTexts: false,
    topicOf: (batch) => (batch.kind === 'event' ? plain.topicOf(batch) : topic),
    messages(batch) {
      if (batch.kind !== 'readings') return undefined;
      const units = new Map(about.tagConfigs().map(({ tag, unit }) => [tag.id, unit]));
      return batch.records.flatMap((record, index) => {
        const words = wordsOf(batch, record, index, about);
        if (isOfRecords) return [message({ ...words, ...recordWords(record) })];
        return [...record.fields]
          .filter(({ quality }) => quality !== 'bad' || namesQuality)
          .map((field) => message({ ...words, ...valueWords(field, units.get(`${record.device}/${field.name}`)) }));
      });
    },
  };
}

function wordsOf(batch: ReadingsBatch, { device, at }: DeviceRecord, index: number, about: About): Words {
  return {
    gateway: JSON.stringify(about.gateway),
    location: about.location === undefined ? undefined : JSON.stringify(about.location),
    device: JSON.stringify(device),
    t: String(at.wallMs),
    time: JSON.stringify(new Date(at.wallMs).toISOString()),
    seq: String(batch.seq + index),
    epoch: JSON.stringify(batch.epoch),
    lane: JSON.stringify(batch.lane),
  };
}

function valueWords(field: Field, unit: string | undefined): Words {
  return {
    tag: JSON.stringify(field.name),
    value: field.quality === 'bad' ? undefined : jsonOf(field.value),
    unit: unit === undefined ? undefined : JSON.stringify(unit),
    quality: JSON.stringify(field.quality),
    why: field.quality === 'good' ? undefined : JSON.stringify(field.why),
  };
}

function recordWords({ fields }: DeviceRecord): Words {
  const object = (members: readonly string[]): string => `{${members.join(',')}}`;
  const why = (quality: Field['quality']): string =>
    object(
      [...fields].flatMap((field) =>
        field.quality === quality && field.quality !== 'good'
          ? [`${JSON.stringify(field.name)}:${JSON.stringify(field.why)}`]
          : [],
      ),
    );
  const values = [...fields].flatMap((field) =>
    field.quality === 'bad' ? [] : [`${JSON.stringify(field.name)}:${jsonOf(field.value)}`],
  );
  return { values: object(values), uncertain: why('uncertain'), bad: why('bad') };
}

function jsonOf(value: Value): string {
  return valueText(value);
}

/** A text with the words in it as a person reads them: texts without quotes, nothing for nothing. */
function textOf(template: string, written = (text: string, _word: string) => text): (words: Words) => string {
  return (words) =>
    template.replaceAll(TEMPLATE_WORD, (_whole, word: string) => {
      const json = words[word];
      if (json === undefined) return '';
      return written(json.startsWith('"') ? (JSON.parse(json) as string) : json, word);
    });
}

/**
 * A word as part of a topic. A scanned code or a unit may hold what stands for many topics, on which a broker hangs up, or
 * what divides them; the location alone is meant to have several levels.
 */
function levelOf(text: string, word: string): string {
  return word === 'location' ? text : text.replaceAll(/[+#/\p{Cc}]/gu, '_');
}

/** The payload as a function of the words. */
function writerOf(payload: unknown): (words: Words) => string {
  return typeof payload === 'string' ? textOf(payload) : jsonWriter(payload);
}

function jsonWriter(node: unknown): (words: Words) => string {
  if (Array.isArray(node)) {
    const items = node.map(jsonWriter);
    return (words) => `[${items.map((write) => write(words)).join(',')}]`;
  }
  if (typeof node === 'object' && node !== null) {
    const members = Object.entries(node).map(([key, value]) => [textOf(key), jsonWriter(value)] as const);
    return (words) => `{${members.map(([key, write]) => `${JSON.stringify(key(words))}:${write(words)}`).join(',')}}`;
  }
  if (typeof node !== 'string') return () => JSON.stringify(node ?? null);
  const alone = /^\{([^{}]*)\}$/.exec(node)?.[1];
  if (alone !== undefined) return (words) => words[alone] ?? 'null';
  const text = textOf(node);
  return (words) => JSON.stringify(text(words));
}
