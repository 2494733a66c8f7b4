/** Looks at the registers of a device through the gateway, as `millgate probe` does, and says what they may mean. */
import { parseExpected } from '../probe/probe-expected.ts';
import { listRegisters, scaleText } from '../probe/probe-list.ts';
import { parseRange } from '../probe/probe-range.ts';
import { rank } from '../probe/probe-rank.ts';
import { type AskBlock, type Look, lookAgain, survey, wantedOf, watchedOf } from '../probe/probe-read.ts';
import { ask } from './session.ts';

/** Time between two looks, and how long they go on, ms. */
const LOOK_EVERY_MS = 700;
const WATCH_MS = 4000;

/** Most candidates that are shown. */
const MOST = 40;

/** Candidates below this share of belief are left out. */
const LEAST_SHARE = 0.01;

/** What is asked for. */
interface Asked {
  readonly channel: string;
  readonly unit: number;
  /** As a technician writes it: `holding:100-120`. */
  readonly range: string;
  /** What the device's display shows; empty: everything plausible is listed. */
  readonly expected: string;
}

/** A way to read a number out of registers, ready to be a tag. */
export interface Candidate {
  /** As in the file: `holding:100`. */
  readonly address: string;
  readonly type: string;
  readonly order: string;
  /** As in the file: `0.1`. */
  readonly scale: string;
  /** What it read, as text. */
  readonly value: string;
  /** How sure it is, 0…1. */
  readonly share: number;
}

/**
 * @param say is told how far it is
 * @throws Error with words for the person who asked
 */
export async function probe(
  { channel, unit, range, expected }: Asked,
  say: (words: string) => void,
): Promise<Candidate[]> {
  const parsed = parseRange(range);
  if (!parsed.ok) throw new Error(parsed.problems[0]!.message);
  const { tables, first, last } = parsed.value;
  if (tables[0] === 'coil' || tables[0] === 'discrete') throw new Error('Write registers: input or holding.');
  const wish = expected.trim() === '' ? undefined : parseExpected(expected);
  if (wish && !wish.ok) throw new Error(wish.problems[0]!.message);
  const wanted = wantedOf(parsed.value, wish !== undefined);
  const askBlock: AskBlock = (block) => ask('/api/v1/probe', { channel, unit, ...block });
  say('Reading …');
  const { blocks, look, troubles } = await survey(askBlock, wanted);
  if ([...look.values()].every(({ size }) => size === 0))
    throw new Error(
      troubles[0]?.why === 'timeout'
        ? `Unit ${unit} does not answer. Is it on, and is this its unit id?`
        : `Unit ${unit} has nothing at ${range}. Try another range, or the other table.`,
    );
  const looks: Look[] = [look];
  for (const end = performance.now() + WATCH_MS; performance.now() < end; ) {
    say(`Watching whether it moves, ${Math.ceil((end - performance.now()) / 1000)} s …`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    looks.push(await lookAgain(askBlock, blocks));
  }
  const watched = watchedOf(looks, wanted);
  if (wish) {
    const named = tables.length === 1 ? (tables[0] as 'input' | 'holding') : undefined;
    const [ranked = []] = rank(watched, { table: named, first, last }, [wish.value]);
    return ranked
      .filter(({ share }, index) => index === 0 || share >= LEAST_SHARE)
      .slice(0, MOST)
      .map(({ table, address, decoding: { type, order }, exponent, value, share }) => ({
        address: `${table}:${address}`,
        type,
        order,
        share,
        scale: scaleText(exponent),
        value: shortest(value),
      }));
  }
  return watched
    .flatMap((table) =>
      listRegisters(table, first, last, false).flatMap(({ address, word, readings }): Candidate[] => {
        const place = { address: `${table.table}:${address}`, scale: '1' };
        if (word === undefined) return [];
        if (readings.length === 0)
          return word === 0 ? [] : [{ ...place, type: 'uint16', order: 'ABCD', value: String(word), share: 0 }];
        return readings.flatMap(({ type, order, value, belief }) =>
          type === 'string' ? [] : [{ ...place, type, order, value: shortest(value), share: belief }],
        );
      }),
    )
    .slice(0, MOST);
}

/** A value with about six digits. */
function shortest(value: unknown): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value);
}
