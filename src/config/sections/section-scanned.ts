/** Checks the sections `parts:` and `inventory:`: what is scanned, the results of parts, and the levels of stocks. */
import { z } from 'zod';
import type { Checked, Problem } from '../../core/checked.ts';
import { durationField } from '../../core/fields.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import type { TagId } from '../../core/reading.ts';
import type { InventoryConfig, PartsConfig, ResultConfig, ScanSource, StockItem } from '../../core/rules/scanned.ts';
import type { SpcConfig } from '../../core/spc.ts';
import { noSuchTag } from '../../core/suggest.ts';
import type { TagFacts } from './alarms.ts';

const tagField = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .max(127)
    .meta({ description, examples: [example] });

const noReadField = z
  .array(z.string().min(1).max(64))
  .min(1)
  .max(32)
  .meta({
    description:
      'What the reader sends when it read nothing, in capitals or not. Default: NOREAD, NO READ, ERROR, FAIL, TIMEOUT and the like.',
    examples: [['NOREAD', 'BAD']],
  })
  .optional();

/** What most readers say when they read nothing; compared in capitals, without signs around it. */
const NO_READ = ['NOREAD', 'NO READ', 'NO_READ', 'NO-READ', 'NR', 'ERROR', 'ERR', 'FAIL', 'TIMEOUT'];

const resultShape = {
  tag: tagField('Tag of the result: its last reading while the part is there.', 'station/torque').optional(),
  chart: z
    .string()
    .min(1)
    .max(63)
    .meta({
      description: 'Control chart whose tag and specification limits are those of the result, in place of tag.',
      examples: ['shaft'],
    })
    .optional(),
  min: z.number().meta({ description: 'Lowest value that passes, included.' }).optional(),
  max: z.number().meta({ description: 'Highest value that passes, included.' }).optional(),
  equals: z
    .union([z.boolean(), z.number(), z.string().max(64)])
    .meta({ description: 'The value that passes, in place of limits.', examples: [true] })
    .optional(),
};

const MOST_RESULTS = 50;
const MOST_ITEMS = 1000;
const MOST_CODE = 128;

/** `parts.NAME` */
export const partsShape = {
  serial: tagField('Tag of the reader: each scan opens a part with its serial number.', 'scanner/code'),
  results: z
    .record(
      z.string().regex(NAME_PATTERN, { error: 'a result needs a name of a-z, 0-9, - and _' }),
      z.strictObject(resultShape),
    )
    .refine((results) => Object.keys(results).length > 0, {
      error: 'needs at least one result: write for example results: {torque: {tag: station/torque, min: 4, max: 6}}',
    })
    .refine((results) => Object.keys(results).length <= MOST_RESULTS, {
      error: `must have at most ${MOST_RESULTS} results`,
    })
    .meta({
      description: 'Results of a part by name, each with its limits.',
      examples: [{ torque: { tag: 'station/torque', min: 4, max: 6 } }],
    }),
  done: tagField(
    'Tag that says that the part is finished: it comes on, or counts. Default: when each result was read.',
    'station/done',
  ).optional(),
  job: tagField('Tag of the order or lot that the part belongs to.', 'line/order').optional(),
  within: durationField('A part that is not finished within this time is recorded as it is. Default: 10m.', {
    min: '1s',
    max: '7d',
    usual: 'm',
  })
    .optional()
    .meta({ default: '10m' }),
  noRead: noReadField,
};

const pieces = (description: string) => z.int().min(0).max(1e9).meta({ description });

/** `inventory.NAME` */
export const inventoryShape = {
  in: tagField('Tag of the reader where goods come in.', 'gate/code').optional(),
  out: tagField('Tag of the reader where goods go out.', 'press-1/code').optional(),
  repeat: durationField('The same code again within this time is the same scan. Default: 2s.', { max: '1h' })
    .optional()
    .meta({ default: '2s' }),
  items: z
    .array(
      z.strictObject({
        code: z
          .string({
            error: ({ input }) =>
              typeof input === 'number' ? `must be in quotes, so that no digit is lost: "${input}"` : undefined,
          })
          .min(1)
          .max(MOST_CODE)
          .meta({
            description: 'What is scanned; with * at its end whatever begins so.',
            examples: ['4006381333931', '3034257BF7194E4*'],
          }),
        name: z.string().min(1).max(100).meta({ description: 'What it is, for people.' }).optional(),
        minimum: pieces('Below this level a reorder is told of. Default: never.').optional(),
        restocked: pieces('Level at which a reorder is over. Default: a tenth above the minimum.').optional(),
        perScan: pieces('Pieces that one scan stands for. Default: 1.').min(1).optional().meta({ default: 1 }),
        start: pieces('Pieces that are there at first. Default: 0.').optional().meta({ default: 0 }),
      }),
    )
    .min(1)
    .max(MOST_ITEMS)
    .meta({
      description: 'The articles that are counted.',
      examples: [[{ code: '4006381333931', name: 'blank 12 mm', minimum: 200, perScan: 50 }]],
    }),
  noRead: noReadField,
};

export type PartsOptions = z.output<z.ZodObject<typeof partsShape>>;
export type InventoryOptions = z.output<z.ZodObject<typeof inventoryShape>>;

/** What checking needs of the rest of the file. */
interface ScannedContext {
  readonly tags: ReadonlyMap<TagId, TagFacts>;
  /** Control charts, of which a result may take tag and limits. */
  readonly charts: readonly SpcConfig[];
}

type Wrong = (path: Problem['path'], message: string) => void;

/** Checks a station; the shape was checked before. Paths are relative to it. */
export function checkStation(id: string, options: PartsOptions, context: ScannedContext): Checked<PartsConfig> {
  const problems: Problem[] = [];
  const wrong: Wrong = (path, message) => {
    problems.push({ path, message });
  };
  const serial = sourceOf(options.serial, ['serial'], context, wrong);
  const results = Object.entries(options.results).flatMap(
    ([name, result]) => resultOf(name, result, context, wrong) ?? [],
  );
  const { done, job } = options;
  const isPolled = results.some(({ tag }) => context.tags.get(tag)?.everyMs !== undefined);
  for (const [key, tag] of Object.entries({ done, job }))
    if (tag !== undefined && !context.tags.has(tag)) wrong([key], noSuchTag(tag, context.tags.keys()));
  if (done !== undefined && context.tags.get(done)?.form === 'text')
    wrong(['done'], `${done} is a text: name a tag that comes on, or a counter`);
  if (done === undefined && isPolled && problems.length === 0)
    wrong(
      ['done'],
      'is missing: results that are read again and again may still be those of the part before. Name the tag that comes on when a part is finished, for example done: station/done',
    );
  if (problems.length > 0 || !serial) return { ok: false, problems };
  const { within: withinMs = 600_000, noRead } = options;
  return { ok: true, value: { id, serial, results, done, job, withinMs, noRead: capitals(noRead) } };
}

/** Checks a stock; the shape was checked before. Paths are relative to it. */
export function checkStock(
  id: string,
  options: InventoryOptions,
  context: Pick<ScannedContext, 'tags'>,
): Checked<InventoryConfig> {
  const problems: Problem[] = [];
  const wrong: Wrong = (path, message) => {
    problems.push({ path, message });
  };
  const [into, out] = (['in', 'out'] as const).map((way) => {
    const tag = options[way];
    return tag === undefined ? undefined : sourceOf(tag, [way], context, wrong);
  });
  if (options.in === undefined && options.out === undefined)
    wrong([], 'names no reader: write in or out with the tag of one, for example out: scanner/code');
  else if (options.in === options.out)
    wrong(['out'], `${options.out} is the reader of both ways: name one reader for each way`);
  const items = options.items.map((item, index): StockItem => {
    const { code, name, minimum, perScan = 1, start = 0 } = item;
    const restocked = item.restocked ?? Math.ceil((minimum ?? 0) * 1.1);
    const first = options.items.findIndex((each) => each.code === code);
    if (first < index) wrong(['items', index, 'code'], `${code} is there twice: also as number ${first + 1}`);
    if (item.restocked !== undefined && item.restocked < (minimum ?? 0))
      wrong(['items', index, 'restocked'], `is below the minimum: write at least ${minimum}`);
    if (code.slice(0, -1).includes('*'))
      wrong(['items', index, 'code'], 'has a * that is not at its end: only what a code begins with can be given');
    return { code, name, minimum, restocked, perScan, start };
  });
  if (problems.length > 0) return { ok: false, problems };
  const { repeat: repeatMs = 2000, noRead } = options;
  return { ok: true, value: { id, in: into, out, repeatMs, items, noRead: capitals(noRead) } };
}

function capitals(noRead: readonly string[] = NO_READ): readonly string[] {
  return noRead.map((text) => text.trim().toUpperCase());
}

/** A reader: texts, or numbers where a code is kept in a register. */
function sourceOf(
  tag: TagId,
  path: Problem['path'],
  { tags }: Pick<ScannedContext, 'tags'>,
  wrong: Wrong,
): ScanSource | undefined {
  const facts = tags.get(tag);
  if (!facts) wrong(path, noSuchTag(tag, tags.keys()));
  else if (facts.form === 'bool') wrong(path, `${tag} is on or off and holds no code: name the tag of a reader`);
  return facts && { tag, isPolled: facts.everyMs !== undefined };
}

function resultOf(
  name: string,
  result: PartsOptions['results'][string],
  { tags, charts }: ScannedContext,
  wrong: Wrong,
): ResultConfig | undefined {
  const path = ['results', name];
  const { min, max, equals } = result;
  if ((result.tag === undefined) === (result.chart === undefined)) {
    wrong(path, 'takes either tag with min and max, or chart: write for example {tag: station/torque, min: 4, max: 6}');
    return undefined;
  }
  const chart = charts.find(({ id }) => id === result.chart);
  if (result.chart !== undefined && !chart) {
    wrong([...path, 'chart'], `there is no control chart ${result.chart} that can be used: see spc:`);
    return undefined;
  }
  if (chart) return ofChart(name, chart, result, tags.get(chart.tag)?.unit, wrong);
  const tag = result.tag!;
  const facts = tags.get(tag);
  if (!facts) wrong([...path, 'tag'], noSuchTag(tag, tags.keys()));
  const hasLimits = min !== undefined || max !== undefined;
  if (hasLimits === (equals !== undefined))
    wrong(
      path,
      hasLimits ? 'takes limits or equals, not both' : 'says nothing of what passes: write min, max or equals',
    );
  else if (hasLimits && (facts?.form === 'text' || facts?.form === 'bool'))
    wrong(path, `${tag} is no number: write equals in place of min and max`);
  if (min !== undefined && max !== undefined && min > max) wrong([...path, 'min'], `is above max: nothing would pass`);
  return { name, tag, unit: facts?.unit, min, max, equals };
}

function ofChart(
  name: string,
  { id, tag, spec }: SpcConfig,
  { min, max, equals }: PartsOptions['results'][string],
  unit: string | undefined,
  wrong: Wrong,
): ResultConfig | undefined {
  const path = ['results', name];
  if (min !== undefined || max !== undefined || equals !== undefined)
    wrong(
      path,
      `takes its limits from the control chart ${id}: remove min, max and equals, or write tag in place of chart`,
    );
  if (spec?.lsl === undefined && spec?.usl === undefined) {
    wrong(
      [...path, 'chart'],
      `the control chart ${id} has no spec: write there spec: {lsl: …, usl: …}, or here tag, min and max`,
    );
    return undefined;
  }
  return { name, tag, unit, min: spec.lsl, max: spec.usl, equals: undefined };
}
