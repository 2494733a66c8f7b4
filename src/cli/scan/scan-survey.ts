/** Looks where an unknown unit has registers. */
import { readDirectly } from '../direct.ts';
import type { CliContext } from '../terminal/context.ts';
import { type ChannelKeys, unitConfig } from './scan-identify.ts';

/** Registers in a row that answer, from `first` to `last`; `isAlive`: not all of them are zero. */
export interface RegisterRange {
  readonly table: 'holding' | 'input';
  readonly first: number;
  readonly last: number;
  readonly isAlive: boolean;
}

/** Where register maps like to begin: at the front, at round numbers, decimal and hexadecimal, and where manuals put them. */
const STARTS = [
  ...[0, 1, 2, 10, 16, 50, 100, 200, 256, 300, 400, 500, 512, 600, 768, 800, 900],
  ...[1000, 1024, 1500, 2000, 2048, 2500, 3000, 3027, 3500, 4000, 4096, 5000, 6000, 7000, 8000, 8192, 9000],
  ...[10_000, 12_288, 16_384, 19_000, 20_000, 20_480, 23_296, 30_000, 32_768, 40_000, 40_069, 50_000, 60_000],
];

/** Asked in groups, so that a unit that says nothing to what it does not have costs no minutes. */
const GROUP = 8;

/** Groups in a row without an answer, not even a refusal, after which a table is given up. */
const SILENT_GROUPS = 2;

/** How far a range is followed at once, registers: one request; and in all. */
const REACH = 125;
const FARTHEST = 4 * REACH;

/** Ranges that are followed; a device that answers everywhere would give dozens. */
const MOST_RANGES = 6;

/**
 * Looks where an unknown unit has registers, by reading single ones where maps like to begin and following those that
 * answer. Only reads are sent.
 *
 * @throws Fault (exit 69 or 77) when the channel cannot be opened
 */
export async function surveyRegisters(
  file: string,
  channel: ChannelKeys,
  unit: number,
  context: CliContext,
): Promise<RegisterRange[]> {
  const found: RegisterRange[] = [];
  for (const table of ['holding', 'input'] as const) {
    const values = new Map<number, number>();
    let silent = 0;
    for (let at = 0; at < STARTS.length && silent < SILENT_GROUPS && !context.signal.aborted; at += GROUP) {
      const { read, heard } = await readRegisters(file, channel, unit, table, STARTS.slice(at, at + GROUP), context);
      for (const [address, value] of read) values.set(address, value);
      silent = heard ? 0 : silent + 1;
    }
    // What holds something is worth more than zeros.
    const starts = [...values]
      .sort(([a, x], [b, y]) => Number(y !== 0) - Number(x !== 0) || a - b)
      .map(([start]) => start);
    for (const first of starts) {
      if (found.length >= MOST_RANGES || context.signal.aborted) break;
      if (found.some((range) => range.table === table && first >= range.first && first <= range.last)) continue;
      found.push(await follow(file, channel, unit, table, first, context));
    }
  }
  return joined(found).sort((a, b) => Number(b.isAlive) - Number(a.isAlive));
}

async function follow(
  file: string,
  channel: ChannelKeys,
  unit: number,
  table: RegisterRange['table'],
  first: number,
  context: CliContext,
): Promise<RegisterRange> {
  const end = Math.min(first + FARTHEST, 65_536);
  let last = first;
  let isAlive = false;
  for (let at = first; at < end && last >= at - 1 && !context.signal.aborted; at += REACH) {
    const addresses = Array.from({ length: Math.min(REACH, end - at) }, (_, index) => at + index);
    const { read } = await readRegisters(file, channel, unit, table, addresses, context);
    for (const address of addresses) {
      if (!read.has(address) || address > last + 1) break;
      last = address;
      isAlive ||= read.get(address) !== 0;
    }
  }
  return { table, first, last, isAlive };
}

/** Ranges that touch or overlap become one. */
function joined(ranges: readonly RegisterRange[]): RegisterRange[] {
  const result: RegisterRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.table.localeCompare(b.table) || a.first - b.first)) {
    const before = result.at(-1);
    if (before?.table !== range.table || range.first > before.last + 1) result.push(range);
    else
      result[result.length - 1] = {
        ...before,
        last: Math.max(before.last, range.last),
        isAlive: before.isAlive || range.isAlive,
      };
  }
  return result;
}

/** The registers that have a value; and whether the unit said anything at all. */
async function readRegisters(
  file: string,
  channel: ChannelKeys,
  unit: number,
  table: RegisterRange['table'],
  addresses: readonly number[],
  context: CliContext,
): Promise<{ read: Map<number, number>; heard: boolean }> {
  const tags = Object.fromEntries(addresses.map((address) => [`r${address}`, { address: `${table}:${address}` }]));
  const config = await unitConfig(file, channel, unit, { tags }, context);
  const readings = await readDirectly(
    config,
    addresses.map((address) => `unit/r${address}`),
    context,
  );
  const read = new Map<number, number>();
  for (const [index, { value }] of readings.entries())
    if (value !== undefined) read.set(addresses[index]!, Number(value));
  return { read, heard: readings.some(({ why }) => why !== 'timeout') };
}
