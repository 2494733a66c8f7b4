/** Checks the section `spc:`. */
import { z } from 'zod';
import { type Checked, failed, type Problem, passed } from '../../core/checked.ts';
import { durationField } from '../../core/fields.ts';
import { formatDuration } from '../../core/quantity.ts';
import {
  CHARTS,
  type Chart,
  hasRunRules,
  type Inspected,
  isAttributeChart,
  type LimitSource,
  MAX_BASELINE_POINTS,
  MAX_RANGE_SIZE,
  MAX_SUBGROUP_SIZE,
  MIN_BASELINE_POINTS,
  NELSON_RULES,
  type RunRule,
  SPC_DEFAULTS,
  type SpcConfig,
  type Subgrouping,
  WESTERN_ELECTRIC_RULES,
} from '../../core/spc.ts';
import { andList, nearest, noSuchTag, orList } from '../../core/suggest.ts';

const tagName = (description: string) =>
  z
    .string()
    .min(1)
    .max(127)
    .meta({ description, examples: ['gauge/weight'] });

const RULE_SETS = ['nelson', 'western-electric'] as const;
const RULE_NAMES = [...NELSON_RULES, ...WESTERN_ELECTRIC_RULES];

/** What is wrong with the value of `rules`. */
function whyNoRules(input: unknown): string {
  if (Array.isArray(input) && input.length > 0) {
    const isRule = (rule: unknown): boolean =>
      typeof rule === 'number'
        ? Number.isInteger(rule) && rule >= 1 && rule <= 8
        : RULE_NAMES.some((name) => name === rule);
    const wrong = input.filter((rule) => !isRule(rule)).map((rule) => String(rule).slice(0, 20));
    const which = wrong.length === 1 ? `is no rule ${wrong[0]}` : `are no rules ${andList(wrong.slice(0, 8))}`;
    return `there ${which}: numbers go from 1 to 8, names are N1 to N8 and WE1 to WE4`;
  }
  if (typeof input === 'string') {
    const near = nearest(input, RULE_SETS);
    const meant =
      near === undefined ? `: write ${orList(RULE_SETS)}, or a list such as [1, 2, 5]` : `; did you mean "${near}"?`;
    return `there is no rule set ${JSON.stringify(input.slice(0, 60))}${meant}`;
  }
  return 'rules must be nelson, western-electric, or a list such as [1, 2, 5] or [N1, WE4]';
}

const ruleNumber = z.int().min(1).max(8);

/** `spc.NAME` */
export const spcShape = {
  tag: tagName('Tag to chart: a number, or for p and np charts also a truth value (true: nonconforming).'),
  chart: z.enum(CHARTS).meta({ description: 'Kind of control chart.', examples: ['xbar-r'] }),
  subgroup: z
    .union([
      z.int().min(1).max(MAX_SUBGROUP_SIZE),
      durationField('Readings of each period.', { min: '1s', max: '7d' }).transform((everyMs) => ({ everyMs })),
      z
        .strictObject({ every: durationField('Period.', { min: '1s', max: '7d' }) })
        .transform(({ every }) => ({ everyMs: every })),
      z.strictObject({ trigger: tagName('Tag whose change (a truth value: becoming true) closes the subgroup.') }),
    ])
    .meta({
      description:
        'How readings become a point: a number of readings, a period ({every: 10m} or 10m), or {trigger: TAG}. Charts of single values and of counts take the last reading of a period, or before a trigger. Default: 1.',
      examples: [5, '10m', { trigger: 'press-1/parts' }],
    })
    .optional(),
  size: z
    .union([z.number().positive().max(1e9), tagName('Tag with the number inspected.')])
    .meta({
      description: 'p, np, u charts: units in which a reading was counted, or the tag that says so.',
      examples: [50],
    })
    .optional(),
  limits: z
    .union([
      z.strictObject({
        baseline: z
          .int()
          .min(MIN_BASELINE_POINTS, {
            error: `is too small: limits need at least ${MIN_BASELINE_POINTS} points, better 20 to 25`,
          })
          .max(MAX_BASELINE_POINTS)
          .meta({
            description: `Points the limits are estimated from, ${MIN_BASELINE_POINTS} to ${MAX_BASELINE_POINTS}.`,
          }),
      }),
      z.strictObject({
        center: z.number().meta({ description: 'Centre line.' }),
        sigma: z
          .number()
          .positive()
          .meta({ description: 'σ of one reading; of one unit on p and u, of a point on np and c charts.' })
          .optional(),
      }),
    ])
    .meta({
      description: 'Where the limits come from: {baseline: N}, or {center: …, sigma: …}. Default: {baseline: 25}.',
      default: { baseline: 25 },
      examples: [{ baseline: 25 }],
    })
    .optional(),
  rules: z
    .union([z.enum(RULE_SETS), z.array(z.union([ruleNumber, z.enum(RULE_NAMES)])).min(1)], {
      error: ({ input }) => whyNoRules(input),
    })
    .meta({
      description:
        'Run rules: nelson, western-electric, or a list of numbers of Nelson rules and of names (N1…N8, WE1…WE4). Default: nelson.',
      examples: ['nelson', [1, 2, 5]],
    })
    .optional(),
  spec: z
    .strictObject({
      lsl: z.number().meta({ description: 'Lower specification limit.' }).optional(),
      target: z.number().meta({ description: 'Target.' }).optional(),
      usl: z.number().meta({ description: 'Upper specification limit.' }).optional(),
    })
    .meta({ description: 'Specification, for capability.', examples: [{ lsl: 9.95, target: 10, usl: 10.05 }] })
    .optional(),
  priority: z
    .enum(['low', 'medium', 'high', 'critical'])
    .meta({ description: 'Priority of its events. Default: medium.' })
    .default('medium'),
  lambda: z
    .number()
    .gt(0, { error: 'must be above 0 and at most 1; 0.2 is usual' })
    .max(1, { error: 'must be above 0 and at most 1; 0.2 is usual' })
    .meta({ description: 'ewma: weight of the newest point, above 0 and at most 1. Default: 0.2.', default: 0.2 })
    .optional(),
  width: z
    .number()
    .positive()
    .max(10)
    .meta({ description: 'ewma: limits, in standard errors. Default: 3.', default: 3 })
    .optional(),
  k: z
    .number()
    .min(0)
    .max(10)
    .meta({ description: 'cusum: slack, in standard errors. Default: 0.5.', default: 0.5 })
    .optional(),
  h: z
    .number()
    .positive()
    .max(100)
    .meta({ description: 'cusum: decision interval, in standard errors. Default: 5.', default: 5 })
    .optional(),
  headStart: z
    .number()
    .min(0)
    .max(100)
    .meta({ description: 'cusum: start of both sums. Default: 0.', default: 0 })
    .optional(),
};

/** A chart as the shape gives it. */
export type SpcOptions = z.output<z.ZodObject<typeof spcShape>>;

/** What a tag holds. */
type TagKind = 'number' | 'bool' | 'text';

/** What checking a chart needs to know of the rest of the file. */
export interface SpcContext {
  /** Every tag of the file, derived ones too, with what it holds. */
  readonly tags: ReadonlyMap<string, TagKind>;
  /** Scan period of a tag, ms; undefined when it reports by itself. */
  readonly everyMsOf: (tag: string) => number | undefined;
  /** Of a counter, where it starts again from 0 (undefined: never); undefined of any other tag. */
  readonly counterOf: (tag: string) => { readonly modulus: number | undefined } | undefined;
}

/** Checks what depends on more than one key; the shape was checked before. Paths are relative to the chart. */
export function checkSpc(id: string, options: SpcOptions, context: SpcContext): Checked<SpcConfig> {
  const { tag, chart } = options;
  const kind = context.tags.get(tag);
  if (kind === undefined) return failed(['tag'], unknownTag(tag, context));
  if (kind === 'text')
    return failed(['tag'], `${tag} is a text, and a control chart needs numbers: name a tag that is a number`);
  const problems: Problem[] = [];
  const byItem = kind === 'bool' && (chart === 'p' || chart === 'np');
  if (kind === 'bool' && !byItem)
    problems.push({
      path: ['tag'],
      message: `${tag} is true or false: write chart: p or chart: np, or name a tag that is a number`,
    });
  const subgroup = subgroupOf(options, byItem, context, problems);
  const inspected = inspectedOf(options, byItem, context, problems);
  const limits = limitsOf(options, inspected, problems);
  checkSpec(options, problems);
  checkTuning(options, problems);
  const rules = rulesOf(options, problems);
  const counting = isAttributeChart(chart) ? [tag, ...(inspected?.by === 'tag' ? [inspected.tag] : [])] : [];
  const counters = counting.flatMap((counted) => {
    const counter = context.counterOf(counted);
    return counter ? [{ tag: counted, modulus: counter.modulus }] : [];
  });
  if (problems.length > 0) return { ok: false, problems };
  return passed({
    id,
    tag,
    chart,
    subgroup,
    inspected,
    limits,
    rules,
    priority: options.priority,
    ...(counters.length > 0 && { counters }),
    spec: options.spec && { lsl: undefined, target: undefined, usl: undefined, ...options.spec },
    lambda: options.lambda ?? SPC_DEFAULTS.lambda,
    width: options.width ?? SPC_DEFAULTS.width,
    slack: options.k ?? SPC_DEFAULTS.slack,
    decision: options.h ?? SPC_DEFAULTS.decision,
    headStart: options.headStart ?? SPC_DEFAULTS.headStart,
  });
}

function unknownTag(tag: string, { tags }: SpcContext): string {
  return noSuchTag(tag, tags.keys());
}

type Refuse = (path: readonly string[], message: string) => void;

/** Collects problems by path. */
function refuser(problems: Problem[]): Refuse {
  return (path, message) => {
    problems.push({ path, message });
  };
}

function subgroupOf(options: SpcOptions, byItem: boolean, context: SpcContext, problems: Problem[]): Subgrouping {
  const { tag, chart, subgroup: given = 1 } = options;
  const refuse = refuser(problems);
  if (typeof given === 'object' && 'trigger' in given) {
    const { trigger } = given;
    if (!context.tags.has(trigger)) refuse(['subgroup', 'trigger'], unknownTag(trigger, context));
    if (trigger === tag)
      refuse(
        ['subgroup', 'trigger'],
        'the trigger must be a different tag from the charted one: name, for example, a part counter',
      );
    checkOpenEnded(options, byItem, refuse);
    return { by: 'trigger', tag: trigger };
  }
  if (typeof given === 'object') {
    checkOpenEnded(options, byItem, refuse);
    checkPeriod(options, given.everyMs, context, refuse);
    return { by: 'time', everyMs: given.everyMs };
  }
  checkCount(options, given, byItem, refuse);
  // With a count in every reading, the number given is that of the units inspected.
  return { by: 'count', size: isAttributeChart(chart) && !byItem ? 1 : given };
}

/** Items of a subgroup by period or trigger vary in number, so that σ of an np chart does not follow from its centre. */
function checkOpenEnded({ chart, limits }: SpcOptions, byItem: boolean, refuse: Refuse): void {
  if (chart === 'np' && byItem && limits && 'center' in limits && limits.sigma === undefined)
    refuse(
      ['limits', 'sigma'],
      'is missing: the number of items in a point is not known beforehand. Write the standard deviation of a point, or use chart: p',
    );
}

function checkPeriod({ chart, tag }: SpcOptions, periodMs: number, context: SpcContext, refuse: Refuse): void {
  const everyMs = context.everyMsOf(tag);
  if (everyMs === undefined || everyMs === 0 || isAttributeChart(chart)) return;
  const readings = Math.floor(periodMs / everyMs);
  const count = readings === 0 ? 'no reading' : readings === 1 ? 'one reading' : `${readings} readings`;
  const found = `a period of ${formatDuration(periodMs)} has ${count} of ${tag}, which is read every ${formatDuration(everyMs)}`;
  const fewest = chart === 'xbar-r' || chart === 'xbar-s' ? 2 : 1;
  const longer = formatDuration(10 * everyMs);
  if (readings < fewest)
    refuse(
      ['subgroup'],
      `${found}, and a subgroup needs at least ${fewest}: write a longer period, for example every: ${longer}, or read the tag more often`,
    );
  else if (chart === 'xbar-r' && readings > MAX_RANGE_SIZE)
    refuse(
      ['subgroup'],
      `${found}. An xbar-r chart takes at most ${MAX_RANGE_SIZE} per subgroup: use chart: xbar-s, or a shorter period`,
    );
  else if (fewest === 2 && readings > MAX_SUBGROUP_SIZE)
    refuse(['subgroup'], `${found}. A subgroup takes at most ${MAX_SUBGROUP_SIZE}: write a shorter period`);
}

function checkCount({ chart, subgroup, size }: SpcOptions, count: number, byItem: boolean, refuse: Refuse): void {
  const range = chart === 'xbar-r' ? `2 to ${MAX_RANGE_SIZE}` : `2 or more`;
  if ((chart === 'xbar-r' || chart === 'xbar-s') && count < 2) {
    const remedy = `write subgroup: ${range}, for example 5, or use chart: i-mr for individual readings`;
    const trouble = chart === 'xbar-r' ? 'one reading has no range' : 'one reading has no standard deviation';
    refuse(['subgroup'], subgroup === undefined ? `is missing: ${remedy}` : `${trouble}: ${remedy}`);
  } else if (chart === 'xbar-r' && count > MAX_RANGE_SIZE)
    refuse(['subgroup'], `an xbar-r chart takes at most ${MAX_RANGE_SIZE} readings per subgroup: use chart: xbar-s`);
  else if (chart === 'i-mr' && count !== 1)
    refuse(
      ['subgroup'],
      `an i-mr chart takes one reading per point: use chart: ${count > MAX_RANGE_SIZE ? 'xbar-s' : 'xbar-r'} for groups of ${count}, or write subgroup: 10m or subgroup: {trigger: TAG}`,
    );
  else if (chart === 'c' && count !== 1)
    refuse(['subgroup'], 'a c chart counts in units of one size: remove subgroup, or use chart: u with size');
  else if (byItem && count < 2)
    refuse(['subgroup'], 'is missing: write how many items make a point, for example subgroup: 50');
  else if (!byItem && isAttributeChart(chart) && subgroup !== undefined && size !== undefined)
    refuse(['subgroup'], 'the number inspected is given twice: remove subgroup and keep size');
}

function inspectedOf(
  { tag, chart, size, subgroup }: SpcOptions,
  byItem: boolean,
  context: SpcContext,
  problems: Problem[],
): Inspected | undefined {
  const refuse = refuser(problems);
  if (chart === 'c' || !isAttributeChart(chart)) {
    if (size !== undefined) refuse(['size'], `${chart} charts have no size: remove size`);
    return chart === 'c' ? { by: 'size', size: 1 } : undefined;
  }
  if (byItem) {
    if (size !== undefined) refuse(['size'], `every reading of ${tag} is one item: remove size and write subgroup`);
    return { by: 'item' };
  }
  if (typeof size === 'string') {
    if (context.tags.get(size) !== 'number')
      refuse(
        ['size'],
        context.tags.has(size)
          ? `${size} is not a number: name a tag that holds the number inspected`
          : unknownTag(size, context),
      );
    if (size === tag)
      refuse(
        ['size'],
        'the number inspected must be in a different tag from the charted one: name that tag, or write the number',
      );
    if (chart === 'np')
      refuse(
        ['size'],
        'an np chart inspects the same number of items each time: write that number, for example size: 50, or use chart: p',
      );
    return { by: 'tag', tag: size };
  }
  const units = size ?? (typeof subgroup === 'number' ? subgroup : undefined);
  if (units === undefined)
    refuse(
      ['size'],
      `is missing: write how many items were inspected for each reading of ${tag}, for example size: 50, or the tag that holds that number`,
    );
  return { by: 'size', size: units ?? 1 };
}

function limitsOf(options: SpcOptions, inspected: Inspected | undefined, problems: Problem[]): LimitSource {
  const { chart, limits = { baseline: 25 } } = options;
  const refuse = refuser(problems);
  if ('baseline' in limits) return { from: 'baseline', points: limits.baseline };
  const { center, sigma } = limits;
  if (!isAttributeChart(chart)) {
    if (sigma === undefined)
      refuse(
        ['limits', 'sigma'],
        `is missing: write the standard deviation of a single reading, for example limits: {center: ${center}, sigma: 0.1}, or let Millgate find both: limits: {baseline: 25}`,
      );
    return { from: 'given', center, sigma };
  }
  const most = mostOf(options, inspected);
  if (center <= 0 || center >= most)
    refuse(
      ['limits', 'center'],
      `on a ${chart} chart the center must be above 0${most === Infinity ? '' : ` and below ${most}`}; got ${center}`,
    );
  return { from: 'given', center, sigma };
}

/** What a point of a chart of counts stays below. */
function mostOf({ chart, subgroup }: SpcOptions, inspected: Inspected | undefined): number {
  if (chart === 'p') return 1;
  if (chart !== 'np') return Number.POSITIVE_INFINITY;
  if (inspected?.by === 'size') return inspected.size;
  return typeof subgroup === 'number' ? subgroup : Number.POSITIVE_INFINITY;
}

function checkSpec({ chart, spec }: SpcOptions, problems: Problem[]): void {
  if (!spec) return;
  const refuse = refuser(problems);
  const { lsl, target, usl } = spec;
  if (isAttributeChart(chart))
    refuse(['spec'], `a ${chart} chart counts, and a specification needs measured values: remove spec`);
  if (lsl === undefined && usl === undefined) refuse(['spec'], 'a specification needs a limit: write lsl, usl or both');
  if (lsl !== undefined && usl !== undefined && lsl >= usl)
    refuse(['spec', 'lsl'], `lsl (${lsl}) must be below usl (${usl}): exchange the two if they were mixed up`);
  else if (target !== undefined && lsl !== undefined && target < lsl)
    refuse(['spec', 'target'], `target ${target} is below lsl ${lsl}: write a target between the limits`);
  else if (target !== undefined && usl !== undefined && target > usl)
    refuse(['spec', 'target'], `target ${target} is above usl ${usl}: write a target between the limits`);
}

/** Keys of one chart on another have no effect, which nobody would notice. */
function checkTuning(options: SpcOptions, problems: Problem[]): void {
  const owners: readonly (readonly [keyof SpcOptions, Chart])[] = [
    ['lambda', 'ewma'],
    ['width', 'ewma'],
    ['k', 'cusum'],
    ['h', 'cusum'],
    ['headStart', 'cusum'],
  ];
  const refuse = refuser(problems);
  for (const [key, owner] of owners)
    if (options[key] !== undefined && options.chart !== owner)
      refuse([key], `${key} is for ${owner} charts, and this one is ${options.chart}: remove ${key}`);
  const decision = options.h ?? SPC_DEFAULTS.decision;
  if (options.chart === 'cusum' && (options.headStart ?? 0) >= decision)
    refuse(['headStart'], `headStart must be less than h (${decision}); half of h is usual: write ${decision / 2}`);
}

function rulesOf({ chart, rules }: SpcOptions, problems: Problem[]): readonly RunRule[] {
  if (!hasRunRules(chart)) {
    if (rules !== undefined)
      refuser(problems)(
        ['rules'],
        `${chart === 'ewma' ? 'an ewma' : 'a cusum'} chart has no run rules, because each of its points depends on those before; it signals by its own limits: remove rules`,
      );
    return [];
  }
  if (rules === undefined || rules === 'nelson') return NELSON_RULES;
  if (rules === 'western-electric') return WESTERN_ELECTRIC_RULES;
  return [...new Set(rules.map((rule) => (typeof rule === 'number' ? NELSON_RULES[rule - 1]! : rule)))];
}
