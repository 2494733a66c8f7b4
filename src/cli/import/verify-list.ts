/** Settles what a register list leaves open by reading the device: where addresses begin, and the order of words. */
import { ORDERS, PLAIN } from '../../../hal/modbus/map/address.ts';
import { decodeRegisters } from '../../../hal/modbus/map/register-values.ts';
import { DECODINGS } from '../../probe/probe-decode.ts';
import { stillEvidence } from '../../probe/probe-evidence.ts';
import { type AskBlock, type Block, itemsIn, type Look, survey } from '../../probe/probe-read.ts';
import type { Choices } from './addressing.ts';
import type { RegisterList } from './register-list.ts';
import type { ListedTag } from './row.ts';

/** What the device said. */
export interface Verified {
  readonly choices: Choices;
  readonly list: RegisterList;
  /** Whether one reading of the list explains the device clearly better than every other. */
  readonly isSettled: boolean;
  /** Values that were read and that none of it contradicts, of all that the list has. */
  readonly plausible: number;
  readonly read: number;
}

/** How much better the best must be than the next, as the logarithm of a likelihood ratio: fifty to one. */
const CLEAR = 4;

/** Registers of one request, and unasked ones that it may span. */
const WIDEST_BLOCK = 100;
const WIDEST_GAP = 8;

/** Beside each value, so that one that is read one register off shows. */
const BESIDE = 1;

/** Cost of a value that the device has not, and of one outside what its unit allows. */
const MISSING = -5;
const IMPLAUSIBLE = -4;

/**
 * Reads every register that any reading of the list names, once, and weighs the readings.
 *
 * @param listOf the list as it is when these things are settled
 */
export async function verifyList(
  first: RegisterList,
  listOf: (choices: Choices) => RegisterList,
  given: Choices,
  ask: AskBlock,
): Promise<Verified> {
  const addressings = first.open.addressing.length > 0 ? first.open.addressing : [undefined];
  const variants = addressings.flatMap((addressing) =>
    (first.open.order ? ORDERS : [undefined]).map(
      (order): Choices => ({
        ...given,
        ...(addressing && { addressing }),
        ...(order && { order }),
      }),
    ),
  );
  const lists = variants.map((choices) => ({ choices, list: listOf(choices) }));
  const { look } = await survey(ask, blocksOf(lists.flatMap(({ list }) => list.tags)));
  const weighed = lists
    .map(({ choices, list }) => ({ choices, list, ...weigh(list, look) }))
    .sort((one, other) => other.weight - one.weight);
  const [best, next] = weighed;
  const { choices, list, plausible, read } = best!;
  return { choices, list, plausible, read, isSettled: read > 0 && (!next || best!.weight - next.weight >= CLEAR) };
}

/** Requests for all tags and their neighbours. */
function blocksOf(tags: readonly ListedTag[]): Block[] {
  const sorted = tags
    .map(({ table, start, count }) => ({
      table,
      from: Math.max(0, start - BESIDE),
      to: Math.min(65_536, start + count),
    }))
    .sort((a, b) => a.table.localeCompare(b.table) || a.from - b.from);
  const blocks: { table: ListedTag['table']; from: number; to: number }[] = [];
  for (const each of sorted) {
    const last = blocks.at(-1);
    const joins =
      last?.table === each.table && each.from <= last.to + WIDEST_GAP && each.to - last.from <= WIDEST_BLOCK;
    if (joins) last.to = Math.max(last.to, each.to);
    else blocks.push({ ...each });
  }
  return blocks.map(({ table, from, to }) => ({ table, start: from, count: to - from }));
}

/** How well a reading of the list explains what the device has. */
function weigh({ tags, order }: RegisterList, look: Look): { weight: number; plausible: number; read: number } {
  let weight = 0;
  let plausible = 0;
  let read = 0;
  for (const tag of tags) {
    const words = itemsIn(look, tag.table, tag.start, tag.count);
    if (words.some((word) => word === undefined)) {
      weight += MISSING;
      continue;
    }
    read++;
    const evidence = evidenceOf(tag, words as number[], tag.order ?? order ?? 'ABCD');
    weight += evidence;
    if (evidence > IMPLAUSIBLE) plausible++;
  }
  return { weight, plausible, read };
}

function evidenceOf(tag: ListedTag, words: readonly number[], order: (typeof ORDERS)[number]): number {
  const { type, bit, count } = tag;
  if (type === 'bool' || bit !== undefined) return 0;
  const data = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
  const decoded = decodeRegisters(data, 0, { unit: 0, table: tag.table, start: 0, count, type, order, ...PLAIN });
  if (type === 'string') return decoded.ok ? (String(decoded.value).length > 2 ? 3 : 0) : IMPLAUSIBLE;
  if (!decoded.ok) return IMPLAUSIBLE;
  const raw = Number(decoded.value);
  if (words.every((word) => word === 0)) return 0;
  const value = raw * (tag.scale ?? 1) + (tag.offset ?? 0);
  const decoding = DECODINGS.find((each) => each.type === type && each.order === order);
  const ofType = decoding ? Math.min(3, Math.max(IMPLAUSIBLE, stillEvidence(decoding, words, raw))) : 0;
  return ofType + limitsEvidence(tag, value) + unitEvidence(tag.unit, value);
}

function limitsEvidence({ min, max }: ListedTag, value: number): number {
  if (min === undefined && max === undefined) return 0;
  return value >= (min ?? Number.NEGATIVE_INFINITY) && value <= (max ?? Number.POSITIVE_INFINITY) ? 1 : IMPLAUSIBLE;
}

/** What a value of a unit usually is: within, very likely; outside, hardly. */
const USUAL: readonly (readonly [RegExp, number, number])[] = [
  [/^hz$/i, 15, 70],
  [/^(v|volts?)$/i, 1, 1500],
  [/^kv$/i, 0.05, 500],
  [/^(a|amps?)$/i, -6000, 6000],
  [/^°?c$/i, -60, 400],
  [/^°?f$/i, -80, 800],
  [/^%$/, -150, 150],
  [/^(cos ?(phi|φ)|pf)$/i, -1, 1],
  [/^bar$/i, -1, 700],
  [/^k?wh|kvarh|mwh$/i, 0, 1e9],
  [/^k?w$|^k?va$|^k?var$/i, -1e7, 1e7],
];

function unitEvidence(unit: string | undefined, value: number): number {
  const usual = USUAL.find(([pattern]) => pattern.test(unit ?? ''));
  if (!usual) return 0;
  const [, low, high] = usual;
  return value >= low && value <= high && (value === 0 || Math.abs(value) > 1e-4)
    ? Math.min(2, 6 / Math.log(2 + high - low))
    : IMPLAUSIBLE;
}
