/** Checks the section `maintenance:`. */
import { z } from 'zod';
import type { Checked, Problem } from '../../core/checked.ts';
import { durationField } from '../../core/fields.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { TagId } from '../../core/reading.ts';
import type {
  LimitMaintenance,
  MaintenanceConfig,
  UsageMaintenance,
  VibrationClass,
} from '../../core/rules/maintenance.ts';
import { noSuchTag } from '../../core/suggest.ts';
import { gateOf, type TagFacts } from './alarms.ts';

const tagName = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .max(127)
    .meta({ description, examples: [example] });

/** Most means of a trend: every pair of them is a slope. With periods below a minute it is worked out often. */
const MOST_MEANS = 1000;
const MOST_SHORT_MEANS = 200;
const SHORT_MS = 60_000;

/** Fewest means of a trend and of a baseline. */
const FEWEST_MEANS = 10;

const DAY_MS = 86_400_000;
const DEFAULTS = { trendMs: 14 * DAY_MS, perMs: 3_600_000, warnMs: 7 * DAY_MS } as const;

/** Upper end of zone C by group and mount (ISO 10816-3:2009): the limit where the file gives zones alone. */
const END_OF_ZONE_C = { 1: { rigid: 7.1, flexible: 11 }, 2: { rigid: 4.5, flexible: 7.1 } } as const;

/** `maintenance.NAME` */
export const maintenanceShape = {
  tag: tagName('Condition: tag of a value that creeps towards a limit.', 'press-1/vibration').optional(),
  limit: z
    .union(
      [
        z.number(),
        z.strictObject({
          ratio: z.number().positive().meta({ description: 'The limit is this many times the baseline.' }),
          baseline: durationField('Time from which the baseline is taken: the median of its means. Default: 7d.', {
            min: '1m',
            max: '366d',
            usual: 'h',
          }).optional(),
        }),
      ],
      { error: 'expected a number, or a multiple of its own baseline such as {ratio: 2, baseline: 7d}' },
    )
    .meta({
      description:
        'Condition: the limit, in the unit of the tag, or {ratio: 2, baseline: 7d}: a multiple of what the machine itself was at first. Default with zones: the upper end of zone C.',
      examples: [7.1, { ratio: 2, baseline: '7d' }],
    })
    .optional(),
  falling: z
    .boolean()
    .meta({ description: 'Condition: the value falls to its limit, as a pressure does. Default: false.' })
    .default(false),
  zones: z
    .strictObject({
      group: z.literal([1, 2], { error: 'expected 1 (above 300 kW) or 2 (15 to 300 kW)' }).meta({
        description: 'Group of ISO 10816-3:2009: 1 above 300 kW, 2 from 15 to 300 kW.',
      }),
      mount: z.enum(['rigid', 'flexible']).meta({ description: 'How the machine is mounted.' }),
    })
    .meta({
      description: 'Condition: zones A to D of ISO 10816-3:2009, of a velocity in mm/s RMS.',
      examples: [{ group: 2, mount: 'rigid' }],
    })
    .optional(),
  trend: durationField('Condition: length of the window of the trend. Default: 14d.', { max: '1000d', usual: 'h' })
    .optional()
    .meta({ default: '14d' }),
  per: durationField('Condition: length of each mean in the window. Default: 1h.', {
    min: '1s',
    max: '30d',
    usual: 'm',
  })
    .optional()
    .meta({ default: '1h' }),
  while: z
    .string()
    .min(1)
    .meta({
      description:
        'Condition: readings count only while this tag is on (DEVICE/TAG) or has a value ("DEVICE/TAG == VALUE"), so that equal is compared with equal.',
      examples: ['press-1/running', 'press-1/mode == 3'],
    })
    .optional(),
  runtime: tagName(
    'Interval: tag that is on while the machine runs; its hours are counted.',
    'press-1/running',
  ).optional(),
  cycles: tagName(
    'Interval: counter that is counted; of a tag that is on or off, how often it comes on.',
    'press-1/parts',
  ).optional(),
  every: z
    .union(
      [
        durationField('Running time.', { min: '1s', max: '36500d', usual: 'h' }).transform((ms) => ({ ms })),
        z.number().positive().max(1e15),
      ],
      {
        error: 'expected running time such as 2000h, or a number of cycles such as 100000',
      },
    )
    .meta({ description: 'Interval: running time such as 2000h, or a number of cycles.', examples: ['2000h', 100000] })
    .optional(),
  warn: z
    .union(
      [durationField('Time.', { max: '36500d', usual: 'h' }).transform((ms) => ({ ms })), z.number().min(0).max(1e15)],
      {
        error: 'expected a duration such as 7d, or with cycles a number',
      },
    )
    .meta({
      description:
        'How long before it is due: of a condition before its limit (default: 7d), of an interval before its end, in running time or cycles (default: at its end).',
      examples: ['7d', '50h', 5000],
    })
    .optional(),
};

type MaintenanceOptions = z.output<z.ZodObject<typeof maintenanceShape>>;

/** What checking an item needs of the rest of the file. */
interface MaintenanceContext {
  readonly tags: ReadonlyMap<TagId, TagFacts>;
}

type Wrong = (path: Problem['path'], message: string) => void;

const WATCHED = ['tag', 'runtime', 'cycles'] as const;
const OF_A_CONDITION = ['limit', 'zones', 'trend', 'per', 'while'] as const;

/** Checks what depends on more than one key; the shape was checked before. Paths are relative to the item. */
export function checkMaintenance(
  id: string,
  options: MaintenanceOptions,
  context: MaintenanceContext,
): Checked<MaintenanceConfig> {
  const problems: Problem[] = [];
  const wrong: Wrong = (path, message) => {
    problems.push({ path, message });
  };
  const given = WATCHED.filter((key) => options[key] !== undefined);
  const [kind] = given;
  if (kind === undefined)
    wrong(
      [],
      'what is watched is missing: write tag and limit for a condition, or runtime or cycles with every for an interval, for example runtime: press-1/running, every: 2000h',
    );
  else if (given.length > 1)
    wrong(
      [given[1]!],
      `an item watches one thing, and this one has ${given.join(' and ')}: write an item for each of them`,
    );
  if (kind === undefined || given.length > 1) return { ok: false, problems };
  const facts = factsOf(options[kind]!, kind, context, wrong);
  const value =
    kind === 'tag' ? conditionOf(id, options, facts, context, wrong) : intervalOf(id, kind, options, facts, wrong);
  return problems.length > 0 || !value ? { ok: false, problems } : { ok: true, value };
}

function factsOf(tag: TagId, key: string, { tags }: MaintenanceContext, wrong: Wrong): TagFacts | undefined {
  const facts = tags.get(tag);
  if (!facts) wrong([key], noSuchTag(tag, tags.keys()));
  else if (facts.form === 'text')
    wrong([key], `${tag} is a text: name a tag that is a number${key === 'tag' ? '' : ', or on and off'}`);
  else if (facts.form === 'bool' && key === 'tag')
    wrong(
      [key],
      `${tag} is on or off and creeps towards no limit: name a tag that is a number, or write runtime or cycles in place of tag`,
    );
  return facts;
}

function conditionOf(
  id: string,
  options: MaintenanceOptions,
  facts: TagFacts | undefined,
  context: MaintenanceContext,
  wrong: Wrong,
): LimitMaintenance | undefined {
  const { tag, falling, zones, warn } = options;
  const perMs = options.per ?? DEFAULTS.perMs;
  const trendMs = options.trend ?? DEFAULTS.trendMs;
  if (options.every !== undefined)
    wrong(
      ['every'],
      'is of an interval, and this is a condition: remove it, or write runtime or cycles in place of tag',
    );
  if (typeof warn === 'number') wrong(['warn'], `is a time before a limit is reached: write for example ${warn}d`);
  if (zones && facts?.unit !== undefined && facts.unit.toLowerCase() !== 'mm/s')
    wrong(
      ['zones'],
      `the zones are of a velocity in mm/s RMS, and ${tag} is in ${facts.unit}: remove zones, or name a tag in mm/s`,
    );
  if (zones && falling) wrong(['falling'], 'vibration rises to its limit: remove falling, or zones');
  checkWindow(trendMs, perMs, facts, wrong);
  const limit = limitOf(options, zones, perMs, wrong);
  const gate = gateOf(options.while, context, wrong);
  if (gate?.tag === tag)
    wrong(['while'], 'names the tag that is watched: name one that says whether the machine works');
  if (limit === undefined) return undefined;
  return {
    kind: 'limit',
    id,
    tag: tag!,
    unit: facts?.unit,
    falling,
    limit,
    zones,
    trendMs,
    perMs,
    warnMs: typeof warn === 'object' ? warn.ms : DEFAULTS.warnMs,
    while: gate,
  };
}

function checkWindow(trendMs: number, perMs: number, facts: TagFacts | undefined, wrong: Wrong): void {
  const means = Math.floor(trendMs / perMs);
  const most = perMs < SHORT_MS ? MOST_SHORT_MEANS : MOST_MEANS;
  const window = `a window of ${formatDuration(trendMs)} has ${means} means of ${formatDuration(perMs)}`;
  if (means < FEWEST_MEANS)
    wrong(['trend'], `${window}, and a trend needs at least ${FEWEST_MEANS}: write a longer trend or a shorter per`);
  else if (means > most)
    wrong(
      ['per'],
      `${window}, and a trend takes at most ${most}: write per: ${formatDuration(roundUp(trendMs / most))} or longer`,
    );
  if (facts?.everyMs !== undefined && facts.everyMs > perMs)
    wrong(
      ['per'],
      `is shorter than the scan period of the tag (${formatDuration(facts.everyMs)}): write at least that`,
    );
}

/** A length of time that a person would write, not shorter. */
function roundUp(ms: number): number {
  const unit = [DAY_MS, 3_600_000, 60_000, 1000].find((each) => ms >= each) ?? 1000;
  return Math.ceil(ms / unit) * unit;
}

function limitOf(
  { limit }: MaintenanceOptions,
  zones: VibrationClass | undefined,
  perMs: number,
  wrong: Wrong,
): LimitMaintenance['limit'] | undefined {
  if (typeof limit === 'number') return limit;
  if (limit === undefined) {
    if (zones) return END_OF_ZONE_C[zones.group][zones.mount];
    wrong(
      ['limit'],
      'is missing: write the value at which something must be done, or {ratio: 2} for twice the baseline',
    );
    return undefined;
  }
  const baselineMs = limit.baseline ?? 7 * DAY_MS;
  const means = Math.floor(baselineMs / perMs);
  if (means < FEWEST_MEANS || means > MOST_MEANS)
    wrong(
      ['limit', 'baseline'],
      `has ${means} means of ${formatDuration(perMs)}; a baseline takes ${FEWEST_MEANS} to ${MOST_MEANS}: write a ${means < FEWEST_MEANS ? 'longer' : 'shorter'} baseline`,
    );
  if (limit.ratio === 1) wrong(['limit', 'ratio'], 'must not be 1: the limit would be the baseline itself');
  return { ratio: limit.ratio, baselineMs };
}

function intervalOf(
  id: string,
  kind: UsageMaintenance['kind'],
  options: MaintenanceOptions,
  facts: TagFacts | undefined,
  wrong: Wrong,
): UsageMaintenance | undefined {
  const isTime = kind === 'runtime';
  const { every, warn } = options;
  for (const key of OF_A_CONDITION)
    if (options[key] !== undefined)
      wrong([key], `is of a condition, and this is an interval of ${kind}: remove ${key}`);
  if (options.falling) wrong(['falling'], `is of a condition, and this is an interval of ${kind}: remove falling`);
  const example = isTime ? '2000h' : '100000';
  if (every === undefined || (typeof every === 'object') !== isTime) {
    const noun = isTime ? 'running time' : 'a number of cycles';
    wrong(
      ['every'],
      every === undefined ? `is missing: write for example every: ${example}` : `must be ${noun}, such as ${example}`,
    );
    return undefined;
  }
  const isOther = warn !== undefined && (typeof warn === 'object') !== isTime;
  if (isOther)
    wrong(
      ['warn'],
      isTime
        ? 'is running time before the end: write for example 50h'
        : 'is a number of cycles before the end: write for example 5000',
    );
  const end = plain(every);
  const before = warn === undefined || isOther ? undefined : plain(warn);
  if (before !== undefined && before >= end) wrong(['warn'], 'must be less than every: it would be due all the time');
  const { wrap: modulus, everyMs, form } = facts ?? {};
  return { kind, id, tag: options[kind]!, every: end, warn: before, everyMs, isSwitch: form === 'bool', modulus };
}

/** Milliseconds or cycles. */
function plain(amount: number | { readonly ms: number }): number {
  return typeof amount === 'number' ? amount : amount.ms;
}
