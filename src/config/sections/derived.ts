/** Checks the formulas of computed tags, and puts them in the order they are computed. */
import { z } from 'zod';
import { type Expression, parseExpression, tagsIn } from '../../core/expression.ts';
import type { TagId } from '../../core/reading.ts';
import { noSuchTag } from '../../core/suggest.ts';
import type { DerivedConfig, TagConfig } from '../config.ts';
import type { Report } from '../file/problems.ts';
import { type Entry, spotOf } from '../file/tree.ts';
import { validateKeys } from '../file/validate.ts';
import { checkExpression, type TagMeaning } from './expression-check.ts';
import { derivedShape } from './shapes.ts';

/** A tag that is computed, as the file gives it. */
export interface Formula {
  readonly device: string;
  readonly name: string;
  readonly entry: Entry;
}

/** What checking formulas needs. */
interface FormulaContext {
  /** Tags that are read, those that passed their checks. */
  readonly tags: readonly TagConfig[];
  /** Every tag that is in the file: one that is broken was told of, and is not missing. */
  readonly written: ReadonlyMap<TagId, unknown>;
  readonly report: Report;
}

/** Keys that a tag has which is read, and a computed one has not; and why. */
const NOT_COMPUTED: Readonly<Record<string, string>> = {
  address: 'a tag is either read (address) or computed (expr), not both: remove one of the two',
  every: 'a computed tag has no period of its own: it is computed whenever a tag of its formula is read. Remove every',
  writable: 'a computed tag cannot be written: remove writable',
  counter: 'a computed tag cannot be a counter: remove counter',
  type: 'a computed tag has no type of its own: its formula gives a number or a truth value. Remove type',
};

type Options = z.output<z.ZodObject<typeof derivedShape>>;

interface Draft extends Formula {
  readonly id: TagId;
  readonly options: Options;
  readonly expression: Expression;
}

/** Checks every formula of the file; gives those that are good, each after those it is computed from. */
export function checkFormulas(formulas: readonly Formula[], context: FormulaContext): DerivedConfig[] {
  const schema = z.strictObject(derivedShape);
  const drafts = new Map<TagId, Draft>();
  for (const formula of formulas) {
    const draft = draftOf(formula, schema, context.report);
    if (draft) drafts.set(draft.id, draft);
  }
  const known = new Map<TagId, TagMeaning>(context.tags.map(({ tag, form, unit }) => [tag.id, { form, unit }]));
  const named = new Set(formulas.map(({ device, name }) => `${device}/${name}`));
  const done: DerivedConfig[] = [];
  for (const draft of inOrder(drafts, context.report)) {
    const derived = complete(draft, known, named, context);
    if (!derived) continue;
    const { form, unit } = derived.tag;
    known.set(draft.id, { form, unit });
    done.push(derived);
  }
  return done;
}

function draftOf(formula: Formula, schema: z.ZodObject<typeof derivedShape>, report: Report): Draft | undefined {
  const { entry, device, name } = formula;
  const options = validateKeys(schema, entry, report, (key) =>
    Object.hasOwn(NOT_COMPUTED, key) ? NOT_COMPUTED[key] : undefined,
  ) as Options | undefined;
  if (!options) return undefined;
  const { min, max } = options;
  if (min !== undefined && max !== undefined && min >= max) report.error(spotOf(entry, ['max']), minMaxText(min, max));
  warnOfHeartbeat(options, entry, report);
  const parsed = parseExpression(options.expr);
  if (parsed.ok) return { ...formula, id: `${device}/${name}`, options, expression: parsed.value };
  report.error(spotOf(entry, ['expr']), parsed.message);
  return undefined;
}

/** What is wrong with a range of which no value is inside. */
export function minMaxText(min: number, max: number): string {
  const remedy =
    min === max ? 'write a larger max, or remove one of the two' : 'exchange the two if they were mixed up';
  return `max (${max}) must be above min (${min}): ${remedy}`;
}

/** A heartbeat adds nothing where every reading is sent. */
export function warnOfHeartbeat(
  { heartbeat, deadband }: { readonly heartbeat?: number | undefined; readonly deadband?: number | undefined },
  entry: Entry,
  report: Report,
): void {
  if (heartbeat !== undefined && deadband === undefined)
    report.warning(
      spotOf(entry, ['heartbeat']),
      'has no effect without a deadband, as every reading is sent: write a deadband too, or remove heartbeat',
    );
}

/** The formulas with those they need before them; tells of each circle once. */
function inOrder(drafts: ReadonlyMap<TagId, Draft>, report: Report): Draft[] {
  const ordered: Draft[] = [];
  const state = new Map<TagId, 'open' | 'done' | 'circular'>();
  const visit = (draft: Draft, path: readonly TagId[]): boolean => {
    const seen = state.get(draft.id);
    if (seen === 'open') {
      const circle = [...path.slice(path.indexOf(draft.id)), draft.id];
      report.error(
        spotOf(draft.entry, ['expr']),
        `is computed from itself (${circle.join(' → ')}): take ${draft.id} out of the formula of ${circle.at(-2)}`,
      );
      return false;
    }
    if (seen !== undefined) return seen === 'done';
    state.set(draft.id, 'open');
    let good = true;
    for (const tag of tagsIn(draft.expression)) {
      const needed = drafts.get(tag);
      if (needed && !visit(needed, [...path, draft.id])) good = false;
    }
    state.set(draft.id, good ? 'done' : 'circular');
    if (good) ordered.push(draft);
    return good;
  };
  for (const draft of drafts.values()) visit(draft, []);
  return ordered;
}

function complete(
  draft: Draft,
  known: ReadonlyMap<TagId, TagMeaning>,
  named: ReadonlySet<TagId>,
  { written, report }: FormulaContext,
): DerivedConfig | undefined {
  const { id, device, name, options, expression, entry } = draft;
  const spot = spotOf(entry, ['expr']);
  const inputs = tagsIn(expression);
  if (inputs.length === 0)
    report.error(spot, 'the formula names no tag, so it would never have a value: write for example press-1/power * 2');
  const missing = inputs.filter((tag) => !known.has(tag));
  for (const tag of missing)
    if (!written.has(tag) && !named.has(tag))
      report.error(
        spot,
        `${noSuchTag(tag, known.keys()).replace(/[^?]$/, '$&.')} Put spaces around a - or / that stands between two tags`,
      );
  const { meaning, problems } = checkExpression(expression, (tag) => known.get(tag));
  for (const problem of problems) report.error(spot, problem);
  if (inputs.length === 0 || missing.length > 0 || problems.length > 0) return undefined;
  const { unit, deadband, heartbeat, min, max, description } = options;
  return {
    expression,
    tag: {
      tag: { id, device, name, address: undefined },
      everyMs: undefined,
      scale: 1,
      offset: 0,
      unit: unit ?? (meaning.unit || undefined),
      deadband,
      heartbeatMs: heartbeat,
      min,
      max,
      counter: false,
      form: meaning.form,
      writable: undefined,
      description,
    },
  };
}
