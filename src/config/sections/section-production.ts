/** Checks the section `production:`. */
import { z } from 'zod';
import { type Checked, type Problem, passed } from '../../core/checked.ts';
import { durationField, nameField, rateField } from '../../core/fields.ts';
import type {
  CounterTag,
  IdealCycle,
  LocalSpan,
  ProductionConfig,
  ShiftPlan,
  StopReason,
  TariffBand,
} from '../../core/production/production.ts';
import type { TagId } from '../../core/reading.ts';
import { hint, nearest, noSuchTag } from '../../core/suggest.ts';
import type { TagFacts } from './alarms.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const DAY_MIN = 1440;
const ALL_DAYS = [0, 1, 2, 3, 4, 5, 6];
const ALWAYS = { days: ALL_DAYS, fromMin: 0, toMin: DAY_MIN };
const WEEK_MIN = 7 * DAY_MIN;

/** A stop shorter than this is a micro-stop, unless the file says otherwise (ISO 22400-2 leaves it to the plant), ms. */
const MICRO_STOP_MS = 5 * 60_000;

/** Readings that many periods apart, and no less than so many ms, leave a gap without data. */
const MISSED_PERIODS = 3;
const LEAST_SILENCE_MS = 5000;

const tagName = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .max(127)
    .meta({ description, examples: [example] });

const timeOfDay = (description: string) =>
  z
    .string({ error: 'expected a time of day in quotes, such as "06:00"' })
    .regex(/^(?:[01]?\d|2[0-3]):[0-5]\d$|^24:00$/, {
      error: ({ input }) =>
        `${JSON.stringify(input)} is no time of day: write it as in "06:00", from "00:00" to "24:00"`,
    })
    .meta({ description, examples: ['06:00'] });

const spanShape = {
  from: timeOfDay('Local time at which it begins.'),
  to: timeOfDay('Local time at which it ends; on the next day where that is not later.'),
};

const days = z.union([z.string(), z.array(z.string()).min(1).max(7)]);

const shiftShape = z.strictObject({
  name: nameField('Name of the shift.'),
  days: days
    .meta({
      description: 'Days on which it begins: mon-fri, sat, or a list such as [mon, wed]. Default: every day.',
      examples: ['mon-fri', ['sat', 'sun']],
    })
    .optional(),
  ...spanShape,
  breaks: z
    .array(z.strictObject(spanShape))
    .max(20)
    .meta({ description: 'Planned breaks within it.', examples: [[{ from: '09:30', to: '09:45' }]] })
    .optional(),
});

const KINDS = ['unplanned', 'setup', 'planned'] as const;

const reasonShape = z.union([
  z.string().min(1).max(64),
  z.strictObject({
    name: z.string().min(1).max(64).meta({ description: 'What a person reads.' }),
    kind: z
      .enum(KINDS)
      .meta({
        description:
          'unplanned: a failure; setup: leaves the run time, too; planned: leaves the busy time. Default: unplanned.',
      })
      .optional(),
  }),
]);

const code = z.union([z.int(), z.string().min(1).max(64)]);

const tariffBand = z.strictObject({
  price: z
    .number()
    .min(0)
    .max(1000)
    .meta({ description: 'Price of a kWh.', examples: [0.31] }),
  days: days.meta({ description: 'Days on which it begins. Default: every day.', examples: ['mon-fri'] }).optional(),
  from: timeOfDay('Local time from which it holds; with to.').optional(),
  to: timeOfDay('Local time up to which it holds; on the next day where that is not later.').optional(),
});

const meterShape = z.strictObject({
  tag: tagName('Meter of the energy, kWh.', 'press-1/kwh'),
  tariff: z
    .union([z.number().min(0).max(1000), z.array(tariffBand).min(1).max(50)], {
      error: 'expected the price of a kWh such as 0.24, or a list of prices with their times',
    })
    .meta({
      description:
        'Price of a kWh, or a list of prices with their times: the first that holds is taken, and the last holds always.',
      examples: [0.24, [{ price: 0.31, days: 'mon-fri', from: '06:00', to: '22:00' }, { price: 0.22 }]],
    })
    .optional(),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, { error: 'expected the three letters of a currency, such as EUR' })
    .meta({ description: 'Currency of the prices. Default: EUR.', examples: ['GBP'] })
    .optional()
    .meta({ default: 'EUR' }),
});

/** `production.NAME` */
export const productionShape = {
  count: tagName('Counter of all parts.', 'press-1/parts'),
  reject: tagName('Counter of the rejects.', 'press-1/rejects').optional(),
  good: tagName('Counter of the good parts, in place of reject.', 'press-1/good').optional(),
  running: tagName(
    'Tag that is true, or not 0, while the machine runs. Default: it runs while it counts.',
    'press-1/running',
  ).optional(),
  reason: tagName('Tag with the code, or the text, of why the machine stands.', 'press-1/stop-code').optional(),
  job: tagName('Tag with the job or lot.', 'line/order').optional(),
  idealCycle: z
    .union(
      [
        durationField('Shortest time of one part.', { min: '1ms', max: '30d' }),
        z.strictObject({ tag: tagName('Tag with it, in s unless its unit is ms or min.', 'press-1/cycle') }),
        z.strictObject({
          job: z
            .record(z.string().min(1).max(64), durationField('Of this job.', { min: '1ms', max: '30d' }))
            .meta({ description: 'By job.', examples: [{ A100: '2.4s', B10: '3s' }] }),
        }),
      ],
      {
        error: ({ input }) =>
          `expected a duration such as 2.4s, {tag: TAG} or {job: {A100: 2.4s}}${typeof input === 'number' ? `; got ${input}: write ${input}s` : ''}`,
      },
    )
    .meta({
      description: 'Shortest time in which the machine can make a part: 2.4s, {tag: TAG} or {job: {A100: 2.4s}}.',
      examples: ['2.4s', { tag: 'press-1/cycle' }, { job: { A100: '2.4s', B10: '3s' } }],
    })
    .optional(),
  microStop: durationField('A shorter stop is a micro-stop, which stays run time. Default: 5m.', {
    min: '1s',
    max: '24h',
  })
    .optional()
    .meta({ default: '5m' }),
  maxRate: rateField('Most parts that are believed. Default: two an ideal cycle.').optional(),
  energy: z
    .union([tagName('Meter of the energy that the machine uses, kWh.', 'press-1/kwh'), meterShape], {
      error: 'expected a tag such as press-1/kwh, or {tag: press-1/kwh, tariff: 0.24}',
    })
    .meta({
      description: 'Meter of the energy that the machine uses, in kWh: a tag, or a tag with what a kWh costs.',
      examples: ['press-1/kwh', { tag: 'press-1/kwh', tariff: 0.24, currency: 'EUR' }],
    })
    .optional(),
  target: rateField(
    'Parts that are to be made in the planned time, hour by hour. Default: what the ideal cycle makes.',
    'h',
  ).optional(),
  shifts: z
    .array(shiftShape)
    .min(1)
    .max(50)
    .meta({
      description: 'Shifts, in the time zone of the gateway. Default: one a day, from midnight to midnight.',
      examples: [[{ name: 'early', days: 'mon-fri', from: '06:00', to: '14:00' }]],
    })
    .optional(),
  reasons: z
    .record(z.string().min(1).max(64), reasonShape)
    .meta({
      description: 'Reasons of stops by code: a name, or a name with its kind.',
      examples: [{ 10: 'jam', 20: { name: 'changeover', kind: 'setup' } }],
    })
    .optional(),
  reasonOf: z
    .array(
      z.strictObject({
        alarm: z.string().meta({ description: 'Name of the alarm.' }),
        reason: code.meta({ description: 'Code of the reason.' }),
      }),
    )
    .max(200)
    .meta({
      description: 'Reasons that alarms give to stops which have none; the first that is active is taken.',
      examples: [[{ alarm: 'oil-hot', reason: 10 }]],
    })
    .optional(),
};

/** A machine as the shape gives it. */
export type ProductionOptions = z.output<z.ZodObject<typeof productionShape>>;

/** What checking production needs to know of the rest of the file. */
interface ProductionContext {
  readonly tags: ReadonlyMap<TagId, TagFacts>;
  readonly alarms: readonly string[];
  readonly timezone: string;
}

type Wrong = (path: Problem['path'], message: string) => void;

/** Checks what depends on more than one key; the shape was checked before. Paths are relative to the machine. */
export function checkMachine(
  id: string,
  options: ProductionOptions,
  context: ProductionContext,
): Checked<ProductionConfig> {
  const problems: Problem[] = [];
  const wrong: Wrong = (path, message) => problems.push({ path, message });
  if (options.good !== undefined && options.reject !== undefined)
    wrong(
      ['good'],
      'a machine cannot have both `good` and `reject`: the one follows from the other. Remove one of them',
    );
  const numbered = (key: 'count' | 'reject' | 'good') => tagOf(options[key], [key], ['number'], context, wrong);
  numbered('count');
  numbered('reject');
  numbered('good');
  const energy = energyOf(options, context, wrong);
  const state = tagOf(options.running, ['running'], ['bool', 'number'], context, wrong);
  tagOf(options.reason, ['reason'], ['number', 'text', 'bool'], context, wrong);
  tagOf(options.job, ['job'], ['number', 'text'], context, wrong);
  const idealCycle = idealOf(options, context, wrong);
  const shifts = shiftsOf(options, wrong);
  const reasons = reasonsOf(options);
  const reasonOf = rulesOf(options, reasons, context, wrong);
  if (problems.length > 0) return { ok: false, problems };
  const counterOf = (tag: TagId): CounterTag => ({ tag, modulus: context.tags.get(tag)?.wrap });
  const second = options.good ?? options.reject;
  return passed({
    id,
    count: counterOf(options.count),
    second:
      second === undefined
        ? undefined
        : { ...counterOf(second), counts: options.good === undefined ? 'reject' : 'good' },
    running: options.running,
    reason: options.reason,
    job: options.job,
    idealCycle,
    microStopMs: options.microStop ?? MICRO_STOP_MS,
    maxPerSecond: options.maxRate,
    energy,
    targetPerSecond: options.target,
    timezone: context.timezone,
    shifts,
    reasons,
    reasonOf,
    silenceMs: silenceOf(state ?? context.tags.get(options.count), context),
  });
}

const FORMS = { number: 'a number', bool: 'true or false', text: 'a text' } as const;

function tagOf(
  tag: TagId | undefined,
  path: Problem['path'],
  forms: readonly (keyof typeof FORMS)[],
  { tags }: ProductionContext,
  wrong: Wrong,
): TagFacts | undefined {
  if (tag === undefined) return undefined;
  const facts = tags.get(tag);
  if (!facts) wrong(path, noSuchTag(tag, tags.keys()));
  else if (facts.form !== undefined && !forms.includes(facts.form))
    wrong(path, `${tag} is ${FORMS[facts.form]}: name a tag that is ${forms.map((form) => FORMS[form]).join(' or ')}`);
  return facts;
}

function energyOf({ energy }: ProductionOptions, context: ProductionContext, wrong: Wrong): ProductionConfig['energy'] {
  if (energy === undefined) return undefined;
  const { tag, tariff = [], currency = 'EUR' } = typeof energy === 'string' ? { tag: energy } : energy;
  const meter = tagOf(tag, typeof energy === 'string' ? ['energy'] : ['energy', 'tag'], ['number'], context, wrong);
  if (meter?.unit !== undefined && meter.unit !== 'kWh')
    wrong(
      ['energy'],
      `${tag} is in ${meter.unit}, and energy is counted in kWh: give the tag a scale and the unit kWh`,
    );
  if (typeof tariff === 'number') return { tag, tariff: [{ price: tariff, ...ALWAYS }], currency };
  return {
    tag,
    tariff: tariff.map((band, index) => bandOf(band, index === tariff.length - 1, index, wrong)),
    currency,
  };
}

type Band = z.output<typeof tariffBand>;

function bandOf({ price, days, from, to }: Band, isLast: boolean, index: number, wrong: Wrong): TariffBand {
  const path = ['energy', 'tariff', index];
  const isAlways = from === undefined && to === undefined && days === undefined;
  if (isLast && !isAlways)
    wrong(
      path,
      'the last price must hold always, so that every kWh has one: add a last entry with nothing but `price`',
    );
  if (!isLast && isAlways)
    wrong(path, 'a price that holds always hides those after it: give it from and to, or days, or put it last');
  if ((from === undefined) !== (to === undefined)) {
    wrong(path, '`from` and `to` belong together: write both, or neither for whole days');
    return { price, ...ALWAYS };
  }
  const list = daysOf(days, (message) => wrong([...path, 'days'], message));
  const fromMin = minutesOf(from ?? '00:00') % DAY_MIN;
  const until = minutesOf(to ?? '24:00');
  return { price, days: list, fromMin, toMin: until > fromMin ? until : until + DAY_MIN };
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };

function idealOf({ idealCycle, job }: ProductionOptions, context: ProductionContext, wrong: Wrong): IdealCycle {
  if (idealCycle === undefined) return { by: 'nobody' };
  if (typeof idealCycle === 'number') return { by: 'fixed', ms: idealCycle };
  if ('job' in idealCycle) {
    if (job === undefined)
      wrong(
        ['idealCycle', 'job'],
        'the ideal cycle is given by job, and the machine has no job: write the tag that says it as `job`',
      );
    return { by: 'job', ms: idealCycle.job };
  }
  const { tag } = idealCycle;
  const unit = tagOf(tag, ['idealCycle', 'tag'], ['number'], context, wrong)?.unit ?? 's';
  const unitMs = UNITS_MS[unit];
  if (unitMs === undefined)
    wrong(
      ['idealCycle', 'tag'],
      `${tag} is in ${unit}: an ideal cycle is in s, ms or min. Give the tag its scale and unit`,
    );
  return { by: 'tag', tag, unitMs: unitMs ?? 1000 };
}

/** Tags that their driver reports by itself are silent while nothing changes. */
function silenceOf(state: TagFacts | undefined, { tags }: ProductionContext): number | undefined {
  const inputs = [...(state?.from ?? [])].flatMap((tag) => tags.get(tag)?.everyMs ?? []);
  const everyMs = state?.everyMs ?? (inputs.length > 0 ? Math.max(...inputs) : undefined);
  return everyMs === undefined ? undefined : Math.max(MISSED_PERIODS * everyMs, LEAST_SILENCE_MS);
}

function reasonsOf({ reasons = {} }: ProductionOptions): Record<string, StopReason> {
  return Object.fromEntries(
    Object.entries(reasons).map(([key, reason]) => [
      key,
      typeof reason === 'string'
        ? { name: reason, kind: 'unplanned' as const }
        : { name: reason.name, kind: reason.kind ?? ('unplanned' as const) },
    ]),
  );
}

function rulesOf(
  { reasonOf = [] }: ProductionOptions,
  reasons: Readonly<Record<string, StopReason>>,
  { alarms }: ProductionContext,
  wrong: Wrong,
): ProductionConfig['reasonOf'] {
  return reasonOf.map(({ alarm, reason }, index) => {
    const key = String(reason);
    if (!alarms.includes(alarm))
      wrong(
        ['reasonOf', index, 'alarm'],
        `there is no alarm ${JSON.stringify(alarm.slice(0, 64))}${hint(alarm, alarms, 'the alarms are')}`,
      );
    if (!Object.hasOwn(reasons, key))
      wrong(
        ['reasonOf', index, 'reason'],
        `there is no reason ${key}${Object.keys(reasons).length > 0 ? ` (the codes are ${Object.keys(reasons).slice(0, 24).join(', ')})` : ''}: write it under reasons: of this machine, too`,
      );
    return { alarm, code: key };
  });
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number);
  return hours! * 60 + minutes!;
}

function shiftsOf({ shifts }: ProductionOptions, wrong: Wrong): ShiftPlan[] {
  if (!shifts) return [{ name: 'day', days: ALL_DAYS, fromMin: 0, toMin: DAY_MIN, breaks: [] }];
  const plans = shifts.map(({ name, days, from, to, breaks = [] }, index): ShiftPlan => {
    const path = ['shifts', index];
    const fromMin = minutesOf(from) % DAY_MIN;
    const span: LocalSpan = { fromMin, toMin: minutesOf(to) > fromMin ? minutesOf(to) : minutesOf(to) + DAY_MIN };
    const list = daysOf(days, (message) => wrong([...path, 'days'], message));
    const inside = breaks.map((each, at) =>
      breakOf(each, { span, from, to }, (message) => wrong([...path, 'breaks', at], message)),
    );
    inside.sort((a, b) => a.fromMin - b.fromMin);
    if (inside.some((each, at) => at > 0 && each.fromMin < inside[at - 1]!.toMin))
      wrong([...path, 'breaks'], `two breaks of the shift ${name} overlap: a minute can be in one break only`);
    return { name, days: list, ...span, breaks: inside };
  });
  for (const [index, plan] of plans.entries()) {
    const other = plans.slice(0, index).find((each) => overlap(each, plan));
    if (other)
      wrong(
        ['shifts', index],
        `the shift ${plan.name} overlaps ${other.name === plan.name ? 'another of this name' : `the shift ${other.name}`}: a minute can be in one shift only. Change from, to or days of one of them`,
      );
    else if (overlap(plan, plan, true))
      wrong(['shifts', index], `the shift ${plan.name} is longer than a day: it overlaps itself`);
  }
  return plans;
}

function breakOf(
  { from, to }: { readonly from: string; readonly to: string },
  shift: { readonly span: LocalSpan; readonly from: string; readonly to: string },
  wrong: (message: string) => void,
): LocalSpan {
  const { span } = shift;
  const inShift = (time: string, least: number): number => {
    const minutes = minutesOf(time);
    return minutes >= least ? minutes : minutes + DAY_MIN;
  };
  const fromMin = inShift(from, span.fromMin);
  const toMin = inShift(to, fromMin);
  if (from === to) wrong(`a break from ${from} to ${to} has no length: write when it ends`);
  else if (toMin > span.toMin)
    wrong(
      `the break from ${from} to ${to} is outside of its shift, which goes from ${shift.from} to ${shift.to}: move it into the shift, or remove it`,
    );
  return { fromMin, toMin };
}

/** Whether two shifts have a minute of the week in common. */
function overlap(one: ShiftPlan, other: ShiftPlan, isItself = false): boolean {
  return one.days.some((day) =>
    other.days.some((otherDay) => {
      if (isItself && day === otherDay) return one.toMin - one.fromMin > WEEK_MIN;
      const apart = ((((otherDay - day) * DAY_MIN + other.fromMin - one.fromMin) % WEEK_MIN) + WEEK_MIN) % WEEK_MIN;
      const length = one.toMin - one.fromMin;
      return apart < length || apart + other.toMin - other.fromMin > WEEK_MIN;
    }),
  );
}

function daysOf(days: string | readonly string[] | undefined, wrong: (message: string) => void): readonly number[] {
  if (days === undefined) return ALL_DAYS;
  const words = typeof days === 'string' ? days.split(',') : days;
  const found = new Set<number>();
  for (const word of words) {
    const [first, last = first] = word.trim().toLowerCase().split('-').map(dayOf);
    if (first === undefined || last === undefined || first < 0 || last < 0) {
      const near = word.includes('-') ? undefined : nearest(word.trim().toLowerCase(), DAYS);
      const remedy = near
        ? `did you mean ${near}?`
        : 'write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri';
      wrong(`${JSON.stringify(word.trim().slice(0, 40))} is no day: ${remedy}`);
      continue;
    }
    for (let day = first; ; day = (day + 1) % 7) {
      found.add(day);
      if (day === last) break;
    }
  }
  return [...found].sort((a, b) => a - b);
}

/** The number of a day of the week, by its first three letters; −1: it is none. */
function dayOf(word: string): number {
  const text = word.trim();
  const full = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
  return text.length < 3 ? -1 : full.findIndex((day) => day.startsWith(text));
}
