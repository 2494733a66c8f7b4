/** Checks the section `alarms:`. */

import { z } from 'zod';
import {
  type AlarmCondition,
  type AlarmConfig,
  DEFAULT_MAX_SHELVE_MS,
  type Gate,
  MESSAGE_FIELDS,
} from '../../core/alarm.ts';
import type { Checked, Problem } from '../../core/checked.ts';
import { durationField } from '../../core/fields.ts';
import type { Shown, TagId, Value } from '../../core/reading.ts';
import { nearest, noSuchTag, orList } from '../../core/suggest.ts';
import { reachProblems } from './alarm-reach.ts';
import { percentDeadband } from './shapes.ts';

/** What the checks of alarms know of a tag. */
export interface TagFacts {
  /** What it holds; undefined where the driver does not say, and then it is not checked. */
  readonly form: 'number' | 'bool' | 'text' | undefined;
  readonly unit: string | undefined;
  /** How its values are shown; absent: as they are. */
  readonly shown?: Shown | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly everyMs: number | undefined;
  /** Whether it only grows. */
  readonly counter: boolean;
  /** Where a counter starts again from 0, in its unit; undefined: it does not. */
  readonly wrap?: number | undefined;
  /** What may be written to it; undefined: nothing. */
  readonly writable: { readonly min: number | undefined; readonly max: number | undefined } | undefined;
  /** Whether it can only be read, whatever the file says; absent: not known. */
  readonly isReadOnly?: boolean;
  /** Where the file has it, as messages show it; absent: in a profile. */
  readonly place?: string | undefined;
  /** Tags that a computed one is computed from, directly or through others; empty of a tag that is read. */
  readonly from: ReadonlySet<TagId>;
  /** True of a tag with problems of its own: nothing is said that may only follow from these. */
  readonly isBroken?: boolean;
}

/** What checking alarms needs of the rest of the file. */
interface AlarmContext {
  readonly tags: ReadonlyMap<TagId, TagFacts>;
}

type Kind = (typeof ALARM_KINDS)[number];

/**
 * Checks one entry of `alarms:` against the tags of the file.
 *
 * @param id its name
 * @returns the alarm, or everything that is wrong; paths are relative to the entry
 */
export function checkAlarm(id: string, options: AlarmOptions, context: AlarmContext): Checked<AlarmConfig> {
  const problems: Problem[] = [];
  const wrong = (path: Problem['path'], message: string): void => {
    problems.push({ path, message });
  };
  const facts = factsOf(options.tag, ['tag'], context, wrong);
  const condition = conditionOf(options, facts, wrong);
  const gate = gateOf(options.while, context, wrong);
  const output = outputOf(options, gate, context, wrong);
  checkMessage(options.message, wrong);
  if (condition) problems.push(...reachProblems(condition, options, facts));
  if (problems.length > 0 || !condition) return { ok: false, problems };
  const value: AlarmConfig = {
    id,
    tag: options.tag,
    condition,
    unit: facts?.unit,
    ...(facts?.shown && { shown: facts.shown }),
    deadband: options.deadband ?? 0,
    onDelayMs: options.onDelay ?? 0,
    offDelayMs: options.offDelay ?? 0,
    priority: options.priority,
    latch: options.latch,
    ack: options.ack,
    message: options.message,
    while: gate,
    set: output,
    maxShelveMs: options.maxShelve ?? DEFAULT_MAX_SHELVE_MS,
  };
  return { ok: true, value };
}

/** Outputs that two alarms would drive to different values; paths begin with the name of the later alarm. */
export function conflictingOutputs(alarms: readonly AlarmConfig[]): Problem[] {
  const first = new Map<TagId, AlarmConfig>();
  return alarms.flatMap((alarm) => {
    const other = alarm.set && first.get(alarm.set.tag);
    if (alarm.set && !other) first.set(alarm.set.tag, alarm);
    if (!other?.set || !alarm.set || (other.set.to === alarm.set.to && other.set.back === alarm.set.back)) return [];
    const message = `the alarm "${other.id}" sets ${alarm.set.tag} to ${inFile(other.set.to)} and back to ${inFile(other.set.back)}: write the same values here, or name another output`;
    return [{ path: [alarm.id, 'set'], message }];
  });
}

/** A value as the file says it. */
function inFile(value: Value): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

type Wrong = (path: Problem['path'], message: string) => void;

function factsOf(tag: TagId, path: Problem['path'], { tags }: AlarmContext, wrong: Wrong): TagFacts | undefined {
  const facts = tags.get(tag);
  if (!facts) wrong(path, noSuchTag(tag, tags.keys()));
  return facts;
}

function conditionOf(options: AlarmOptions, facts: TagFacts | undefined, wrong: Wrong): AlarmCondition | undefined {
  const given = ALARM_KINDS.filter((kind) => options[kind] !== undefined);
  const [kind, second] = given;
  if (kind === undefined) {
    const example = { bool: 'equals: on', text: 'changed: true', number: 'above: 75' }[facts?.form ?? 'number'];
    wrong([], `the condition is missing: write ${orList(ALARM_KINDS)}, for example ${example}`);
    return undefined;
  }
  if (second !== undefined) {
    wrong(
      [second],
      `an alarm has one condition, and this one has ${given.join(' and ')}: write an alarm for each of them`,
    );
    return undefined;
  }
  const form = facts?.form;
  if ((form === 'text' || form === 'bool') && NUMERIC.includes(kind)) {
    const noun = form === 'text' ? 'a text' : 'on or off';
    wrong([kind], `${options.tag} is ${noun} and cannot have a limit: use equals or changed instead`);
    return undefined;
  }
  return build(kind, options, facts, wrong);
}

const NUMERIC: readonly Kind[] = ['above', 'below', 'outside', 'rateAbove'];

function build(
  kind: Kind,
  options: AlarmOptions,
  facts: TagFacts | undefined,
  wrong: Wrong,
): AlarmCondition | undefined {
  switch (kind) {
    case 'above':
    case 'below':
      return { kind, limit: options[kind]! };
    case 'outside':
      return { kind, low: options.outside![0], high: options.outside![1] };
    case 'rateAbove':
      return { kind, limit: options.rateAbove!.limit, perMs: options.rateAbove!.per };
    case 'stale':
      return { kind, afterMs: options.stale! };
    case 'changed':
      return { kind };
    case 'equals': {
      const value = valueFor(options.equals!, facts, ['equals'], options.tag, wrong);
      return value === undefined ? undefined : { kind, value };
    }
  }
}

/** A value of the file as a tag of this form has it. */
function valueFor(
  given: boolean | number | string,
  facts: TagFacts | undefined,
  path: Problem['path'],
  tag: TagId,
  wrong: Wrong,
): Value | undefined {
  const form = facts?.form;
  const word = given === 'on' || given === 'off';
  if (form === 'text') return String(given);
  const value = word ? given === 'on' : given;
  if (form === 'number' && typeof value !== 'number')
    wrong(path, `${tag} is a number: write a number instead of ${JSON.stringify(given)}`);
  else if (form === 'bool' && typeof value !== 'boolean')
    wrong(path, `${tag} is on or off: write ${switchWord(given)} instead of ${JSON.stringify(given)}`);
  else return value;
  return undefined;
}

/** `on` or `off` for what a person wrote in its place. */
function switchWord(given: boolean | number | string): string {
  if (given === 1 || given === 'yes') return 'on';
  return given === 0 || given === 'no' ? 'off' : 'on or off';
}

/** A gate of the file: a tag that is on, or has a value. */
export function gateOf(text: string | undefined, context: AlarmContext, wrong: Wrong): Gate | undefined {
  if (text === undefined) return undefined;
  const match = /^\s*([^/\s=]+\/[^/\s=]+)\s*(?:==\s*(.+?)\s*)?$/.exec(text);
  const [, tag, word] = match ?? [];
  if (tag === undefined) {
    wrong(
      ['while'],
      `expected a tag such as press-1/running, or a tag and a value such as "press-1/mode == 3"; got ${JSON.stringify(text)}`,
    );
    return undefined;
  }
  const facts = factsOf(tag, ['while'], context, wrong);
  if (word === undefined) {
    if (facts?.form === 'text')
      wrong(['while'], `${tag} is a text, which is neither on nor off: write its value too, as in "${tag} == VALUE"`);
    return { tag, equals: undefined };
  }
  const equals = valueFor(literal(word), facts, ['while'], tag, wrong);
  return equals === undefined ? undefined : { tag, equals };
}

/** `3` is a number, `true` a truth value, anything else text, in quotes or not. */
function literal(word: string): boolean | number | string {
  if (word === 'true' || word === 'false') return word === 'true';
  const bare = /^(['"])(.*)\1$/.exec(word);
  if (bare) return bare[2]!;
  const number = Number(word);
  return Number.isFinite(number) ? number : word;
}

function outputOf(
  { set, tag }: AlarmOptions,
  gate: AlarmConfig['while'],
  context: AlarmContext,
  wrong: Wrong,
): AlarmConfig['set'] {
  if (!set) return undefined;
  const facts = factsOf(set.tag, ['set', 'tag'], context, wrong);
  if (facts && !facts.writable) wrong(['set', 'tag'], whyNotSet(set.tag, facts, context));
  const follows = (input: TagId) => input === set.tag || context.tags.get(input)?.from.has(set.tag);
  const watched = tag === set.tag ? tag : `${tag}, which is computed from ${set.tag},`;
  const change = tag === set.tag ? 'would also change it' : 'would change that';
  if (follows(tag))
    wrong(
      ['set', 'tag'],
      `this alarm watches ${watched} and ${change}, and so come and go by itself: name another tag in set`,
    );
  if (gate && follows(gate.tag))
    wrong(
      ['set', 'tag'],
      `this alarm would open and close its own gate, ${gate.tag}, and so come and go by itself: name another tag in set, or another one in while`,
    );
  const to = writtenValue(set.to, set.tag, facts, 'to', wrong);
  if (to === undefined) return undefined;
  if (set.back === undefined && typeof to !== 'boolean') {
    if (facts?.isBroken) return undefined;
    const example = typeof to === 'number' ? `, for example back: ${facts?.writable?.min ?? 0}` : '';
    wrong(['set'], `"back" is missing: write the value that ${set.tag} gets when the alarm is gone${example}`);
    return undefined;
  }
  const back = set.back === undefined ? !to : writtenValue(set.back, set.tag, facts, 'back', wrong);
  return back === undefined ? undefined : { tag: set.tag, to, back };
}

/** A value that an output is set to: of its form, and within what may be written to it. */
function writtenValue(
  given: boolean | number | string,
  tag: TagId,
  facts: TagFacts | undefined,
  key: 'to' | 'back',
  wrong: Wrong,
): Value | undefined {
  const value = valueFor(given, facts, ['set', key], tag, wrong);
  const { min, max } = facts?.writable ?? {};
  if (typeof value !== 'number') return value;
  const beyond = min !== undefined && value < min ? 'min' : max !== undefined && value > max ? 'max' : undefined;
  const takes = min === undefined ? `${max} or less` : max === undefined ? `${min} or more` : `${min} to ${max}`;
  if (beyond)
    wrong(
      ['set', key],
      `${value} may not be written to ${tag}, which takes ${takes}: write a value in that range, or change ${beyond} under writable: of that tag`,
    );
  return value;
}

/** Why an alarm cannot set a tag, and what to do. */
function whyNotSet(tag: TagId, { isReadOnly, from }: TagFacts, { tags }: AlarmContext): string {
  if (!isReadOnly && from.size === 0)
    return `${tag} is not writable: add writable: true to it. commands: {enabled: true} is not needed for this`;
  const other = [...tags].find(
    ([, each]) => each.writable && each.isReadOnly === false && (each.form ?? 'bool') === 'bool',
  )?.[0];
  const why = from.size > 0 ? 'is computed from other tags' : 'can only be read';
  return `${tag} ${why} and cannot be set: name an output with writable: true${other === undefined ? '' : `, such as ${other}`}`;
}

function checkMessage(message: string | undefined, wrong: Wrong): void {
  const fields: readonly string[] = MESSAGE_FIELDS;
  for (const [, field] of message?.matchAll(/\{([^{}]*)\}/g) ?? []) {
    if (field === undefined || fields.includes(field)) continue;
    const near = nearest(field, fields);
    const meant = near === undefined ? '.' : `; did you mean {${near}}?`;
    wrong(['message'], `there is no {${field}}${meant} A message may use {value}, {unit}, {limit} and {tag}`);
  }
}

/** A value of a tag as the file gives it; `on` and `off` mean true and false. */
const valueField = (description: string) =>
  z.union([z.boolean(), z.number(), z.string().min(1)]).meta({ description, examples: ['on', 3] });

/** A full tag name, `device/tag`. */
const tagField = (description: string) =>
  z
    .string()
    .regex(/^[^/\s]+\/[^/\s]+$/, { error: 'expected the full name of a tag, device/tag, such as press-1/oil-temp' })
    .meta({ description, examples: ['press-1/oil-temp'] });

/** Keys of which an alarm has exactly one: what it watches for. */
const ALARM_KINDS = ['above', 'below', 'outside', 'equals', 'rateAbove', 'stale', 'changed'] as const;

/** `alarms.NAME` */
export const alarmShape = {
  tag: tagField('Tag that is watched.'),
  above: z.number().meta({ description: 'Alarm at values above this (not at this), in engineering units.' }).optional(),
  below: z.number().meta({ description: 'Alarm at values below this (not at this).' }).optional(),
  outside: z
    .tuple([z.number(), z.number()], { error: 'expected the lower and the upper limit, such as [10, 20]' })
    .meta({ description: 'Alarm at values below the first or above the second.', examples: [[10, 20]] })
    .optional(),
  equals: valueField('Alarm at exactly this value.').optional(),
  rateAbove: z
    .strictObject({
      per: durationField('Time over which the change is measured.', { min: '100ms', max: '1d' }),
      limit: z.number().positive().meta({ description: 'Alarm at a larger change, up or down, in engineering units.' }),
    })
    .meta({ description: 'Alarm when the value moves too fast.', examples: [{ per: '1m', limit: 5 }] })
    .optional(),
  stale: durationField('Alarm when no usable reading came for this long.', { min: '10ms', max: '365d' }).optional(),
  changed: z
    .literal(true, { error: 'changed can only be true: write changed: true, or another condition' })
    .meta({ description: 'Alarm at every change of the value.' })
    .optional(),
  deadband: z
    .number({ error: percentDeadband })
    .min(0)
    .meta({ description: 'How far back inside the limit an active alarm must come to go. Default: 0.', default: 0 })
    .optional(),
  onDelay: durationField('How long the condition must last. Default: 0s.', { max: '7d' })
    .optional()
    .meta({ default: '0s' }),
  offDelay: durationField('How long the condition must be gone. Default: 0s.', { max: '7d' })
    .optional()
    .meta({ default: '0s' }),
  priority: z
    .enum(['low', 'medium', 'high', 'critical'])
    .meta({ description: 'How soon somebody must act (ISA-18.2). Default: medium.', default: 'medium' })
    .default('medium'),
  latch: z
    .boolean()
    .meta({ description: 'Stays after the condition is gone, until it is reset. Default: false.' })
    .default(false),
  ack: z
    .boolean()
    .meta({ description: 'Stays after the condition is gone, until it is acknowledged. Default: true.' })
    .default(true),
  message: z
    .string()
    .min(1)
    .max(500)
    .meta({
      description: 'Text of its events; may use {value} {unit} {limit} {tag}.',
      examples: ['Oil at {value} {unit}'],
    })
    .optional(),
  while: z
    .string()
    .min(1)
    .meta({
      description:
        'Nothing new is raised unless this tag is on (DEVICE/TAG) or has a value ("DEVICE/TAG == VALUE"). What stands unacknowledged or latched is left standing.',
      examples: ['press-1/running', 'press-1/mode == 3'],
    })
    .optional(),
  set: z
    .strictObject({
      tag: tagField('Output that shows the alarm; it must be writable.'),
      to: valueField('Its value while the alarm is active or latched.'),
      back: valueField('Its value otherwise. Default for on and off: the opposite.').optional(),
    })
    .meta({ description: 'Drives an output, a stack light for example.', examples: [{ tag: 'door/lamp', to: 'on' }] })
    .optional(),
  maxShelve: durationField('Longest shelving. Default: 8h.', { min: '1m', max: '30d' })
    .optional()
    .meta({ default: '8h' }),
};

/** An entry of the section as the shape gives it: durations in ms. */
export type AlarmOptions = z.output<z.ZodObject<typeof alarmShape>>;
