/** Reads the asked registers through a driver, around the holes in a map. */
import type { RawAnswer } from '../../hal/modbus/abilities.ts';
import type { Table } from '../../hal/modbus/map/address.ts';
import type { Watched } from './probe-decode.ts';
import type { ProbeRange } from './probe-range.ts';

/** Registers or bits of one table that one request reads. */
export interface Block {
  readonly table: Table;
  readonly start: number;
  readonly count: number;
}

/** Puts one question to the unit. */
export type AskBlock = (block: Block) => Promise<RawAnswer>;

/** What the first look found out. */
export interface Survey {
  /** What can be read, for the next looks. */
  readonly blocks: readonly Block[];
  /** Registers or bits by address, of each table. */
  readonly look: Look;
  /** Tables that the device does not have at all. */
  readonly absent: readonly Table[];
  /** Blocks that were not answered, and why; nothing is known of them. */
  readonly troubles: readonly { readonly block: Block; readonly why: string; readonly detail: string }[];
}

/** Registers or bits by address, of each table. */
export type Look = ReadonlyMap<Table, ReadonlyMap<number, number>>;

/** Largest requests; less than what is allowed, so that they can be halved evenly. */
const MOST_ITEMS = { coil: 1024, discrete: 1024, input: 124, holding: 124 };

/** Refused blocks are cut; this many requests corner some dozens of holes in the longest range. */
const MOST_REQUESTS = 600;

/** Answers that say that something of the block is not there, as against that the device has trouble. */
const IS_HOLE = new Set(['illegal-address', 'illegal-value']);

/**
 * Looks at blocks for the first time. What is refused is cut until the holes are found; the cuts keep pairs and quads
 * together as long as they can, for devices that refuse half a value.
 */
export async function survey(ask: AskBlock, wanted: readonly Block[]): Promise<Survey> {
  const look = new Map<Table, Map<number, number>>();
  const blocks: Block[] = [];
  const absent = new Set<Table>();
  const troubles: { block: Block; why: string; detail: string }[] = [];
  const waiting = wanted.flatMap(requestsOf);
  for (let requests = 0; waiting.length > 0; requests++) {
    const block = waiting.shift()!;
    if (absent.has(block.table)) continue;
    if (requests >= MOST_REQUESTS) {
      troubles.push({ block, why: 'too-many-holes', detail: `not asked after ${MOST_REQUESTS} requests` });
      continue;
    }
    const answer = await ask(block);
    if (answer.ok) {
      take(look, block, answer.items);
      blocks.push(block);
    } else if (answer.why === 'illegal-function') absent.add(block.table);
    else if (!IS_HOLE.has(answer.why)) {
      troubles.push({ block, why: answer.why, detail: answer.detail });
      // A unit that says nothing will not say more to the next question; what it said before is worth having.
      if (answer.why === 'timeout') break;
    } else if (block.count > 1) waiting.unshift(...halves(block));
  }
  return { blocks, look, absent: [...absent], troubles };
}

/** Looks again at what can be read; what is not answered this time is missing in this look. */
export async function lookAgain(ask: AskBlock, blocks: readonly Block[]): Promise<Look> {
  const look = new Map<Table, Map<number, number>>();
  for (const block of blocks) {
    const answer = await ask(block);
    if (answer.ok) take(look, block, answer.items);
  }
  return look;
}

/** What a look saw from an address on; undefined where nothing was. */
export function itemsIn(look: Look, table: Table, start: number, count: number): (number | undefined)[] {
  const items = look.get(table);
  return Array.from({ length: count }, (_, index) => items?.get(start + index));
}

function take(look: Map<Table, Map<number, number>>, { table, start }: Block, items: readonly number[]): void {
  const known = look.get(table) ?? new Map<number, number>();
  items.forEach((item, index) => {
    known.set(start + index, item);
  });
  look.set(table, known);
}

function requestsOf({ table, start, count }: Block): Block[] {
  const most = MOST_ITEMS[table];
  const requests: Block[] = [];
  for (let done = 0; done < count; done += most)
    requests.push({ table, start: start + done, count: Math.min(most, count - done) });
  return requests;
}

/** Cuts at the largest power of two below the length. */
function halves({ table, start, count }: Block): [Block, Block] {
  const first = 2 ** Math.floor(Math.log2(count - 1));
  return [
    { table, start, count: first },
    { table, start: start + first, count: count - first },
  ];
}

/** Registers that are read beside the range, so that a value that begins at its end is whole. */
const WIDEST_VALUE = 4;

/** The named registers first, then those beside them, each in requests of its own: a refusal there costs nothing here. */
export function wantedOf({ tables, first, last }: ProbeRange, isExpecting: boolean): Block[] {
  if (tables[0] === 'coil' || tables[0] === 'discrete')
    return tables.map((table) => ({ table, start: first, count: last - first + 1 }));
  const all = isExpecting ? (['input', 'holding'] as const) : tables;
  const before = isExpecting && first > 0 ? 1 : 0;
  const after = Math.min(WIDEST_VALUE - 1 + (isExpecting ? 1 : 0), 65_535 - last);
  return [...all]
    .sort((one, other) => Number(tables.includes(other)) - Number(tables.includes(one)))
    .flatMap((table) =>
      [
        { table, start: first, count: last - first + 1 },
        { table, start: last + 1, count: after },
        { table, start: first - before, count: before },
      ].filter(({ count }) => count > 0),
    );
}

/** What was seen of both tables of registers, look by look. */
export function watchedOf(looks: readonly Look[], wanted: readonly Block[]): Watched[] {
  return (['input', 'holding'] as const).flatMap((table) => {
    const blocks = wanted.filter((block) => block.table === table);
    if (!blocks.some(() => looks.some((look) => look.has(table)))) return [];
    const start = Math.min(...blocks.map((block) => block.start));
    const end = Math.max(...blocks.map((block) => block.start + block.count));
    return [{ table, start, looks: looks.map((look) => itemsIn(look, table, start, end - start)) }];
  });
}
