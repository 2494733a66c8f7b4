/** Computes derived tags in the order they depend on each other. */
import { type Expression, tagsIn } from '../core/expression.ts';
import {
  type DeviceRecord,
  type Field,
  Fields,
  FieldsMaker,
  judgedByRange,
  type Outcome,
  type TagId,
} from '../core/reading.ts';
import { type Evaluator, evaluatorOf, type Result, type Scene } from './evaluate.ts';

/** One computed tag; a slice of the configuration. */
export interface DerivedTag {
  readonly id: TagId;
  readonly device: string;
  readonly name: string;
  readonly expression: Expression;
  /** A value outside is uncertain `out-of-range`. */
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** Totals as they are kept: those of another formula mean nothing. */
interface KeptTotals {
  readonly of: string;
  readonly sums: readonly number[];
}

/** A record with what was computed from it. */
interface Derived {
  /** The record itself first, then one for each other device that has computed tags of its tags. */
  readonly records: readonly DeviceRecord[];
  /** Totals that changed, by key of the store. */
  readonly states: ReadonlyMap<string, unknown>;
}

interface Live extends DerivedTag {
  evaluator: Evaluator;
  readonly hasTotals: boolean;
  readonly text: string;
}

const NO_STATES: ReadonlyMap<string, unknown> = new Map();
const NO_FIELDS = new Fields([], [], undefined);

/** Lists of names that are kept for one list of what is read; which tags are computed of it hardly changes. */
const MOST_LISTS = 64;

/** Under which key the totals of a computed tag are kept. */
export function totalsKey(tag: TagId): string {
  return `totals:${tag}`;
}

/**
 * Computes tags from others. Whenever a tag in a formula is read, the formula is worked out with the last readings of
 * its other tags. The result goes into the same record when it belongs to the device that was read, else into a record
 * of its own device at the same instant. A reading that is not newer than the one before computes nothing.
 */
export class Derivation {
  private readonly all: readonly Live[];
  private readonly users = new Map<TagId, Live[]>();
  private readonly own: ReadonlySet<TagId>;
  /** Names of records with computed tags, by the names of what is read and those of what is computed. */
  private readonly names = new WeakMap<readonly string[], Map<string, readonly string[]>>();
  private readonly last = new Map<TagId, { readonly outcome: Outcome; readonly monoMs: number }>();

  /**
   * @param tags each after those it is computed from
   * @param counters tags that only grow
   * @param stored totals as they were committed last, JSON texts by key
   */
  constructor(tags: readonly DerivedTag[], counters: ReadonlySet<TagId>, stored: ReadonlyMap<string, string>) {
    this.all = tags.map((tag) => {
      const text = JSON.stringify(tag.expression);
      const evaluator = evaluatorOf(tag.expression, {
        restored: restored(stored.get(totalsKey(tag.id)), text),
        counters,
      });
      return { ...tag, evaluator, text, hasTotals: evaluator.totals().length > 0 };
    });
    this.own = new Set(tags.map(({ id }) => id));
    for (const tag of this.all)
      for (const input of tagsIn(tag.expression)) this.users.set(input, [...(this.users.get(input) ?? []), tag]);
  }

  /**
   * Goes on with the memory of another derivation, which must not be used any more.
   *
   * @param same computed tags whose formula and inputs mean what they meant before
   * @param isKnown whether the last reading of a tag still means what it did
   */
  takeOver(before: Derivation, same: ReadonlySet<TagId>, isKnown: (tag: TagId) => boolean): void {
    for (const tag of this.all) {
      const from = before.all.find(({ id }) => id === tag.id);
      if (from && same.has(tag.id)) tag.evaluator = from.evaluator;
    }
    for (const [tag, last] of before.last) if (isKnown(tag)) this.last.set(tag, last);
  }

  /** Every total as it would be read from the store, JSON texts by key. */
  texts(): [string, string][] {
    const withTotals = this.all.filter(({ hasTotals }) => hasTotals);
    return withTotals.map((tag) => [totalsKey(tag.id), JSON.stringify(keptOf(tag))]);
  }

  /** Takes a record in. Computed tags that are in it already, out of a store, are computed anew. */
  accept(record: DeviceRecord): Derived {
    if (this.all.length === 0) return { records: [record], states: NO_STATES };
    const { names } = record.fields;
    const fields = record.fields.filter((place) => !this.own.has(`${record.device}/${names[place]}`));
    const fresh = new Set<TagId>();
    for (const field of fields) this.take(`${record.device}/${field.name}`, field, record.at.monoMs, fresh);
    const bare = fields === record.fields ? record : { ...record, fields };
    const wanted = this.wantedBy(fresh);
    if (wanted.size === 0) return { records: fields.length === 0 ? [] : [bare], states: NO_STATES };
    return this.compute(bare, fresh, wanted);
  }

  private take(id: TagId, outcome: Outcome, monoMs: number, fresh: Set<TagId>): void {
    const before = this.last.get(id);
    if (before && monoMs <= before.monoMs) return;
    this.last.set(id, { outcome, monoMs });
    fresh.add(id);
  }

  /** The formulas that use one of these tags, directly or through other formulas. */
  private wantedBy(fresh: ReadonlySet<TagId>): ReadonlySet<Live> {
    const wanted = new Set<Live>();
    const queue = [...fresh];
    for (const id of queue)
      for (const user of this.users.get(id) ?? []) {
        if (wanted.has(user)) continue;
        wanted.add(user);
        queue.push(user.id);
      }
    return wanted;
  }

  private compute(record: DeviceRecord, fresh: Set<TagId>, wanted: ReadonlySet<Live>): Derived {
    const scene: Scene = {
      monoMs: record.at.monoMs,
      outcomeOf: (tag) => this.last.get(tag)?.outcome,
      isNew: (tag) => fresh.has(tag),
    };
    const byDevice = new Map<string, Field[]>([[record.device, []]]);
    const states = new Map<string, unknown>();
    for (const tag of this.all) {
      if (!wanted.has(tag)) continue;
      const outcome = judged(tag.evaluator.evaluate(scene), tag);
      this.take(tag.id, outcome, record.at.monoMs, fresh);
      const fields = byDevice.get(tag.device) ?? [];
      fields.push({ name: tag.name, ...outcome });
      byDevice.set(tag.device, fields);
      if (!tag.hasTotals) continue;
      states.set(totalsKey(tag.id), keptOf(tag));
    }
    const records = [...byDevice].map(([device, computed]) => {
      const read = device === record.device ? record.fields : NO_FIELDS;
      return { ...record, device, fields: this.joined(read, computed) };
    });
    return { records: records.filter(({ fields }) => fields.length > 0), states };
  }

  /** What was read, and behind it what was computed; under a list of names that is the same one each time. */
  private joined(read: Fields, computed: readonly Field[]): Fields {
    if (computed.length === 0) return read;
    const maker = new FieldsMaker();
    for (let place = 0; place < read.length; place++) maker.addOf(read, place);
    for (const field of computed) maker.add(field);
    const known = this.names.get(read.names) ?? new Map<string, readonly string[]>();
    this.names.set(read.names, known);
    const key = computed.map(({ name }) => name).join();
    const names = known.get(key) ?? [...read.names, ...computed.map(({ name }) => name)];
    if (known.size >= MOST_LISTS) known.clear();
    known.set(key, names);
    return maker.made(names);
  }
}

function keptOf({ text, evaluator }: Live): KeptTotals {
  return { of: text, sums: evaluator.totals() };
}

function judged(result: Result, range: DerivedTag): Outcome {
  if (!result.ok) return { quality: 'bad', why: result.why };
  return judgedByRange(result.value, range, result.doubt);
}

function restored(stored: string | undefined, text: string): readonly number[] {
  if (stored === undefined) return [];
  try {
    const kept = JSON.parse(stored) as Partial<KeptTotals> | null;
    const isGood = kept?.of === text && Array.isArray(kept.sums) && kept.sums.every((sum) => typeof sum === 'number');
    return isGood ? kept.sums! : [];
  } catch {
    return [];
  }
}
