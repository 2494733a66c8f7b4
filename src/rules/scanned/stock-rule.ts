/** The rule of a stock: scans in and out move its levels, and a reorder is told of once below the minimum. */
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import type { EventBody } from '../../core/event.ts';
import type { Instant, Reading } from '../../core/reading.ts';
import type { InventoryConfig, StockItem, StockLevel, StockReport } from '../../core/rules/scanned.ts';
import type { CommandStep, Rule, Step } from '../rule.ts';
import { MOST_CODE, type Seen, scanOf } from './scan.ts';

/** How an article stands. */
interface Level {
  readonly level: number;
  readonly in: number;
  readonly out: number;
  readonly isReorder: boolean;
  readonly atMs: number | null;
}

/** What a stock remembers; JSON, but for the times of the monotonic clock. */
export interface StockState {
  /** By the code of the article in the file; those that are no longer in it stay. */
  readonly levels: Readonly<Record<string, Level>>;
  readonly seen: { readonly in: Seen | null; readonly out: Seen | null };
  readonly unknown: number;
  readonly unread: number;
  /** Codes that are not in the file, the last ones, so that each is told of once. */
  readonly strangers: readonly string[];
}

/** The rule of a stock, with its report and the correction of a level. */
export type StockRule = ReturnType<typeof stockRule>;

/** A correction of a level. */
export interface StockOrder {
  readonly code: string;
  readonly level: number;
  readonly by: string;
  readonly comment?: string | undefined;
}

const MOST_STRANGERS = 20;
/** Articles of earlier files whose levels are kept. */
const MOST_LEVELS = 20_000;

type Way = 'in' | 'out';

interface Work {
  state: StockState;
  readonly events: EventBody[];
}

/** The rule of a stock. */
export function stockRule(config: InventoryConfig) {
  const initial: StockState = {
    levels: {},
    seen: { in: null, out: null },
    unknown: 0,
    unread: 0,
    strangers: [],
  };
  const result = ({ state, events }: Work): Step<StockState> => ({
    state,
    findings: events.map((body) => ({ kind: 'event', body })),
  });
  const rule: Rule<StockState> = {
    id: config.id,
    tags: [...new Set([config.in, config.out].flatMap((source) => (source ? [source.tag] : [])))],
    initial,
    step(state, input) {
      const work: Work = { state, events: [] };
      if ('kind' in input) {
        // A minimum of the file may be another one than before.
        for (const item of config.items) if (Object.hasOwn(state.levels, item.code)) judge(config, work, item);
        return result(work);
      }
      for (const way of ['in', 'out'] as const) if (config[way]?.tag === input.tag) takeScan(config, work, way, input);
      return result(work);
    },
    restore: (kept) => restored(kept) ?? initial,
  };
  return {
    ...rule,
    report: (state: StockState): StockReport => reportOf(config, state),
    /** Sets the level of an article to what was counted; audited, with the level before. */
    set(state: StockState, order: StockOrder, at: Instant): CommandStep<StockState> {
      const item = config.items.find(({ code }) => code === order.code);
      if (!item) return { state, findings: [], refused: `${config.id} has no article ${JSON.stringify(order.code)}` };
      const work: Work = { state, events: [] };
      setLevel(config, work, item, order, at);
      return result(work);
    },
  };
}

function takeScan(config: InventoryConfig, work: Work, way: Way, reading: Reading): void {
  const before = work.state.seen[way];
  const { scan, seen } = scanOf(config[way]!, before ?? undefined, reading, config.noRead);
  if (!seen || seen === before) return;
  const isRepeat =
    scan?.code != null &&
    before?.code === scan.code &&
    before.monoMs !== null &&
    reading.monoMs - before.monoMs < config.repeatMs;
  work.state = { ...work.state, seen: { ...work.state.seen, [way]: seen } };
  if (!scan || isRepeat) return;
  if (scan.code === null) {
    work.state = { ...work.state, unread: work.state.unread + 1 };
    return;
  }
  const item = itemOf(config, scan.code);
  if (!item) {
    takeStranger(config, work, way, scan.code);
    return;
  }
  const by = way === 'in' ? item.perScan : -item.perScan;
  const old = levelOf(work.state, item);
  const level = old.level + by;
  const moved: Level = { ...old, level, [way]: old[way] + item.perScan, atMs: reading.wallMs };
  const name = item.name ?? item.code;
  const doubt = level < 0 ? ', which is less than nothing: count it, and correct it with millgate inventory set' : '';
  work.events.push({
    ...bodyOf(config, item, way, level),
    ...(scan.code !== item.code && { scanned: scan.code }),
    by: item.perScan,
    message: `${config.id}: ${item.perScan} of ${name} ${way}; ${level} are there${doubt}`,
  });
  judge(config, work, item, moved);
}

/** The article of a code; the longest beginning wins. */
function itemOf({ items }: InventoryConfig, code: string): StockItem | undefined {
  const same = items.find((item) => item.code === code);
  if (same) return same;
  const matching = items.filter((item) => item.code.endsWith('*') && code.startsWith(item.code.slice(0, -1)));
  return matching.sort((a, b) => b.code.length - a.code.length)[0];
}

function levelOf({ levels }: StockState, { code, start }: StockItem): Level {
  return Object.hasOwn(levels, code) ? levels[code]! : { level: start, in: 0, out: 0, isReorder: false, atMs: null };
}

function bodyOf({ id }: InventoryConfig, { code, name, minimum }: StockItem, change: string, level: number) {
  return {
    kind: 'quality' as const,
    what: 'stock',
    inventory: id,
    change,
    code,
    name: name ?? null,
    level,
    minimum: minimum ?? null,
  };
}

/** Puts a level in force, and tells of a reorder once: it is over only when there is clearly more again. */
function judge(config: InventoryConfig, work: Work, item: StockItem, moved = levelOf(work.state, item)): void {
  const { minimum, restocked } = item;
  const isReorder = minimum !== undefined && (moved.level < minimum || (moved.isReorder && moved.level < restocked));
  const name = item.name ?? item.code;
  if (isReorder !== moved.isReorder) {
    const body = bodyOf(config, item, isReorder ? 'reorder' : 'restocked', moved.level);
    const message = isReorder
      ? `${config.id}: reorder ${name}: ${moved.level} are there, the minimum is ${minimum}`
      : `${config.id}: ${name} is there again: ${moved.level}`;
    work.events.push({ ...body, message });
  }
  const before = work.state.levels[item.code];
  if (moved === before && isReorder === before.isReorder) return;
  work.state = { ...work.state, levels: { ...work.state.levels, [item.code]: { ...moved, isReorder } } };
}

/** A code that is not in the file moves nothing; it is told of once. */
function takeStranger(config: InventoryConfig, work: Work, way: Way, code: string): void {
  const { strangers, unknown } = work.state;
  work.state = { ...work.state, unknown: unknown + 1 };
  if (strangers.includes(code)) return;
  work.state = { ...work.state, strangers: [...strangers, code].slice(-MOST_STRANGERS) };
  const message = `${config.id}: ${code} was scanned ${way}, and the file has no such article: nothing was counted`;
  work.events.push({ kind: 'quality', what: 'stock', inventory: config.id, change: 'unknown', code, message });
}

function setLevel(config: InventoryConfig, work: Work, item: StockItem, order: StockOrder, at: Instant): void {
  const old = levelOf(work.state, item);
  const { level, by, comment } = order;
  const message = `${config.id}: ${item.name ?? item.code} set from ${old.level} to ${level} by ${by}`;
  work.events.push({
    kind: 'audit',
    what: 'stock-set',
    id: config.id,
    code: item.code,
    was: old.level,
    to: level,
    by,
    ...(comment !== undefined && { comment }),
    message,
  });
  judge(config, work, item, { ...old, level, atMs: at.wallMs });
}

function reportOf({ id, items }: InventoryConfig, state: StockState): StockReport {
  const levels = items.map((item): StockLevel => {
    const { level, isReorder, atMs, in: came, out } = levelOf(state, item);
    const { code, name = null, minimum = null } = item;
    return { code, name, level, minimum, reorder: isReorder, in: came, out, at: atMs };
  });
  return { inventory: id, items: levels, unknown: state.unknown, unread: state.unread };
}

const count = lazily(() => z.int().min(0));
const code = lazily(() => z.string().max(2 * MOST_CODE));
const seen = lazily(() => z.strictObject({ code: code().nullable(), monoMs: z.number().nullable() }).nullable());
const stored = lazily(
  () =>
    z.strictObject({
      levels: z
        .record(
          code(),
          z.strictObject({
            level: z.int(),
            in: count(),
            out: count(),
            isReorder: z.boolean(),
            atMs: z.number().nullable(),
          }),
        )
        .refine((levels) => Object.keys(levels).length <= MOST_LEVELS),
      seen: z.strictObject({ in: seen(), out: seen() }),
      unknown: count(),
      unread: count(),
      strangers: z.array(code()).max(MOST_STRANGERS),
    }) satisfies z.ZodType<StockState>,
);

function restored(kept: unknown): StockState | undefined {
  const read = stored().safeParse(kept);
  if (!read.success) return undefined;
  const { seen: old, ...rest } = read.data;
  // Times of a clock that is no more.
  const still = (one: Seen | null): Seen | null => one && { ...one, monoMs: null };
  return { ...rest, seen: { in: still(old.in), out: still(old.out) } };
}
