/** Checks the layout of topics and payloads that the file gives with `format: template`. */
import { z } from 'zod';
import { TEMPLATE_WORD, TEMPLATE_WORDS } from '../../../core/configuration.ts';
import { hint } from '../../../core/suggest.ts';
import type { TemplateConfig } from '../../config.ts';
import { type Entry, entryOf, spotOf } from '../../file/tree.ts';
import { clip } from '../../file/words.ts';
import { checkTopic, type UplinkContext } from './uplink-parts.ts';

/** Keys, values and items of a payload, and how deep they may lie. */
const MAX_NODES = 200;
const MAX_DEPTH = 8;

/** `template:` of an uplink. */
export const templateSchema = z
  .strictObject({
    topic: z
      .string()
      .min(1)
      .max(500)
      .meta({ description: 'Topic of each message, with words in braces.', examples: ['plant/{device}/{tag}'] }),
    payload: z
      .union([z.string().min(1).max(4000), z.record(z.string(), z.unknown()), z.array(z.unknown())], {
        error: 'expected a text, or keys and values, with words in braces',
      })
      .meta({
        description: 'Payload of each message: a text, or keys and values that become JSON, with words in braces.',
        examples: [{ value: '{value}', timestamp: '{t}' }, '{value}'],
      }),
  })
  .meta({
    description: `Topics and payloads of your own, with format: template. Words: ${words(TEMPLATE_WORDS.all)}; of one value ${words(TEMPLATE_WORDS.value)}; of a whole record ${words(TEMPLATE_WORDS.record)}.`,
  });

function words(list: readonly string[]): string {
  return list.map((word) => `{${word}}`).join(' ');
}

/** The template of an uplink; undefined where it has none, or a wrong one. */
export function checkTemplate(
  options: { readonly format: string; readonly template?: z.output<typeof templateSchema> | undefined },
  entry: Entry,
  context: UplinkContext,
): TemplateConfig | undefined {
  const { report } = context;
  const { format, template } = options;
  const given = entryOf(entry.node, 'template');
  if (format !== 'template') {
    if (given) report.error(spotOf(given, [], 'key'), 'has no effect without format: template: write that beside it');
    return undefined;
  }
  for (const key of ['topics', 'layout', 'compression'])
    if (entryOf(entry.node, key))
      report.error(spotOf(entry, [key]), `has no effect with format: template: remove ${key}`);
  if (!template) {
    if (!given)
      report.error(
        spotOf(entry, ['template']),
        'is missing: write for example template: {topic: "plant/{device}/{tag}", payload: {value: "{value}", timestamp: "{t}"}}',
      );
    return undefined;
  }
  const texts: { readonly place: readonly string[]; readonly text: string }[] = [];
  const wrong = gather(template.payload, ['template', 'payload'], 0, texts);
  if (wrong !== undefined) report.error(spotOf(entry, ['template', 'payload']), wrong);
  const named = new Set([template.topic, ...texts.map(({ text }) => text)].flatMap(wordsIn));
  const isOfRecords = TEMPLATE_WORDS.record.some((word) => named.has(word));
  const known: readonly string[] = [
    ...TEMPLATE_WORDS.all,
    ...(isOfRecords ? TEMPLATE_WORDS.record : TEMPLATE_WORDS.value),
  ];
  const check = (place: readonly string[], text: string): void => {
    for (const word of wordsIn(text)) {
      if (known.includes(word)) continue;
      const isOfValue = (TEMPLATE_WORDS.value as readonly string[]).includes(word);
      const why = isOfValue
        ? `{${word}} is of one value, and a template that names {values}, {uncertain} or {bad} is of a whole record: remove one of them`
        : `there is no {${clip(word)}}${hint(word, [...known], 'words')}`;
      report.error(spotOf(entry, place), why);
    }
  };
  for (const { place, text } of texts) check(place, text);
  const inTopic = template.topic.replaceAll('{id}', '{gateway}');
  check(['template', 'topic'], inTopic);
  const topic = checkTopic(inTopic.replaceAll(TEMPLATE_WORD, '{id}'), entry, context, ['template', 'topic']);
  if (topic.trim() === '') return undefined;
  const namesQuality = named.has('quality') || named.has('why');
  return { topic: inTopic, payload: template.payload, isOfRecords, namesQuality };
}

function wordsIn(text: string): string[] {
  return [...text.matchAll(TEMPLATE_WORD)].map(([, word]) => word!);
}

/** Every text of a payload with its place; gives what is wrong with its form. */
function gather(
  node: unknown,
  place: readonly string[],
  depth: number,
  texts: { place: readonly string[]; text: string }[],
): string | undefined {
  if (texts.length > MAX_NODES) return `a payload has at most ${MAX_NODES} keys and values: make it smaller`;
  if (depth > MAX_DEPTH) return `a payload is at most ${MAX_DEPTH} levels deep: make it flatter`;
  if (typeof node === 'string') texts.push({ place, text: node });
  if (typeof node !== 'object' || node === null) return undefined;
  for (const [key, value] of Object.entries(node)) {
    if (!Array.isArray(node)) texts.push({ place, text: key });
    const wrong = gather(value, [...place, key], depth + 1, texts);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
