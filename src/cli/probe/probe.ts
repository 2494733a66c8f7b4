/** The command `probe`: reads registers and shows what they may mean. */
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { type Expected, parseExpected } from '../../probe/probe-expected.ts';
import { type ProbeRange, parseRange } from '../../probe/probe-range.ts';
import type { AskBlock, Block, Look, Survey } from '../../probe/probe-read.ts';
import { lookAgain, survey, wantedOf, watchedOf } from '../../probe/probe-read.ts';
import { type CliContext, warn } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { type LineOptions, onLine } from './probe-line.ts';
import { printBits, printRanking, printRegisters, type Seen } from './probe-text.ts';

/** Options of `probe`. */
interface ProbeOptions extends LineOptions {
  readonly expect?: readonly string[];
  readonly within?: string;
  readonly for?: string;
  readonly all?: boolean;
}

/** Time between two looks, and how long they go on unless said otherwise, ms. */
const LOOK_EVERY_MS = 500;
const DEFAULT_MS = { terminal: 5000, pipe: 2000 };
const LONGEST_MS = 600_000;

/** More looks say nothing new and would only be kept. */
const MOST_LOOKS = 60;

/**
 * `probe CHANNEL UNIT RANGE`: reads registers for a while and shows every plausible value, or with `--expect` ranks where
 * the expected values are. Never writes. Exit 0 when something was read (and, if expected, found), 1 when nothing fits,
 * 69 when line or unit do not answer.
 */
export async function probe(
  target: string,
  unitText: string,
  rangeText: string,
  options: ProbeOptions,
  context: CliContext,
): Promise<ExitCode> {
  const unit = unitOf(unitText);
  const range = rangeOf(rangeText);
  const expected = expectedOf(options);
  const isBits = range.tables[0] === 'coil' || range.tables[0] === 'discrete';
  if (isBits && expected.length > 0)
    throw new Fault('--expect is for registers', 'Leave it out to see the bits.', EXIT.usage);
  const watchMs = watchMsOf(options, context);
  const wanted = wantedOf(range, expected.length > 0);
  const startMs = context.clock.monoMs();
  const seen = await onLine(target, unit, options, context, async (ask): Promise<Seen> => {
    const first = await survey(ask, wanted);
    checkHeard(first, target, unit, rangeText);
    if (context.isTerminal && watchMs > 0) warn(context, [`watching for ${watchMs / 1000} s; Ctrl-C ends it earlier`]);
    const looks = [first.look, ...(await watch(ask, first.blocks, context.clock.monoMs() + watchMs, context))];
    return { target, unit, range, looks, survey: first, watchedMs: context.clock.monoMs() - startMs };
  });
  const text = { seen, all: options.all === true, isJson: options.json === true };
  if (isBits) return printBits(text, context);
  const watched = watchedOf(seen.looks, wanted);
  return expected.length > 0 ? printRanking(text, watched, expected, context) : printRegisters(text, watched, context);
}

/** Looks again and again until the time is over or Ctrl-C: what was seen until then is worth showing. */
async function watch(
  ask: AskBlock,
  blocks: readonly Block[],
  untilMs: number,
  { clock, signal }: CliContext,
): Promise<Look[]> {
  const looks: Look[] = [];
  try {
    for (let nextMs = clock.monoMs() + LOOK_EVERY_MS; nextMs <= untilMs && looks.length < MOST_LOOKS; ) {
      await clock.sleep(Math.max(0, nextMs - clock.monoMs()), signal);
      looks.push(await lookAgain(ask, blocks));
      nextMs = Math.max(nextMs + LOOK_EVERY_MS, clock.monoMs());
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return looks;
}

/** @throws Fault when nothing at all was read, with what the device said instead. */
function checkHeard({ look, absent, troubles }: Survey, target: string, unit: number, range: string): void {
  if ([...look.values()].some((items) => items.size > 0)) return;
  const [trouble] = troubles;
  if (trouble?.why === 'timeout')
    throw new Fault(
      `unit ${unit} on ${target} does not answer`,
      `Check its power and wiring, its unit id, and on a serial line baud and parity: millgate scan ${target}.`,
      EXIT.unavailable,
    );
  if (trouble?.why === 'garbled')
    throw new Fault(
      `unit ${unit} on ${target}: what comes is damaged (${trouble.detail})`,
      'Check baud, parity, and that no other master is on the line.',
      EXIT.unavailable,
    );
  if (trouble)
    throw new Fault(`unit ${unit} on ${target}: ${trouble.why}, ${trouble.detail}`, 'Try again.', EXIT.unavailable);
  const lacks = absent.length > 0 ? ` It has no ${absent.join(' and no ')} table.` : '';
  throw new Fault(
    `unit ${unit} on ${target} answers, but has nothing at ${range}.${lacks}`,
    'Try another range or table, or an address one lower.',
    EXIT.failed,
  );
}

function unitOf(text: string): number {
  const unit = /^(0x[\da-f]{1,2}|\d{1,3})$/i.test(text) ? Number(text) : Number.NaN;
  if (unit >= 0 && unit <= 255) return unit;
  throw new Fault(`unit ${text}: unit ids go from 0 to 255`, 'Write the one that is set on the device.', EXIT.usage);
}

function rangeOf(text: string): ProbeRange {
  const range = parseRange(text);
  if (range.ok) return range.value;
  throw new Fault(range.problems[0]!.message, '', EXIT.usage);
}

function expectedOf({ expect = [], within }: ProbeOptions): Expected[] {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(within ?? '0%') ?? [];
  const share = percent === '%' ? Number(digits) / 100 : Number(digits);
  if (digits === undefined || share > 0.5)
    throw new Fault(`--within ${within}: this is not a tolerance of at most 50%`, 'Write for example 1%.', EXIT.usage);
  const values = expect.flatMap((text) => text.split(',')).map((text) => parseExpected(text, share));
  if (values.length > MOST_EXPECTED)
    throw new Fault(
      `--expect: ${values.length} values are too many at once`,
      `Give at most ${MOST_EXPECTED}.`,
      EXIT.usage,
    );
  return values.map((each) => {
    if (each.ok) return each.value;
    throw new Fault(
      `--expect: ${each.problems[0]!.message}`,
      'Write a number as the display shows it, such as 231.4.',
      EXIT.usage,
    );
  });
}

const MOST_EXPECTED = 8;

function watchMsOf(options: ProbeOptions, { isTerminal }: CliContext): number {
  if (options.for === undefined) return isTerminal ? DEFAULT_MS.terminal : DEFAULT_MS.pipe;
  const ms = durationOption('for', options.for);
  if (ms <= LONGEST_MS) return ms;
  throw new Fault(
    `--for ${options.for}: this is too long`,
    `Watch for at most ${LONGEST_MS / 60_000} minutes.`,
    EXIT.usage,
  );
}
