/** Searches hosts for Modbus TCP and the units behind them. */
import type { Clock } from '../../../src/core/clock.ts';
import { messageOf } from '../../../src/core/errors.ts';
import { NotConnected } from '../../driver.ts';
import { questionOf } from '../line/frame.ts';
import { type DeviceCounters, type Line, newCounters, type Outcome } from '../line/line.ts';
import { MbapLine } from '../line/mbap-line.ts';
import { RtuLine } from '../line/rtu-line.ts';
import { tcpTransport } from '../line/tcp.ts';
import { ALL_UNITS, LIKELY_UNITS } from './discover-plan.ts';

/** Where a Modbus TCP device may listen. */
interface HostTarget {
  readonly host: string;
  readonly port: number;
}

/** What was found at one address. */
export type HostFinding = HostTarget &
  (
    | { readonly state: 'closed'; readonly reason: string }
    | {
        readonly state: 'open';
        /** How it frames; undefined: nothing was an answer. */
        readonly framing: 'tcp' | 'rtu' | undefined;
        readonly units: readonly { readonly unit: number; readonly thoughtMs: number }[];
        /** Units that were asked, as Modbus TCP and as RTU frames. */
        readonly asked: number;
        /** What was tried, for a person: `units 255, 0, 1 …`. */
        readonly tried: string;
        /** It said that a path or a target behind it does not answer (exceptions 0A and 0B): a gateway to a serial line. */
        readonly isGateway: boolean;
      }
  );

/** What a search over hosts needs. */
interface HostSearchOptions {
  readonly targets: readonly HostTarget[];
  /** Units to ask; undefined: those that devices without units answer to. */
  readonly units: readonly number[] | undefined;
  /** How long an answer may take, ms. */
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  /** `leftMs`: how long it takes at most from now on; undefined for several hosts. */
  readonly onProgress?: (progress: {
    readonly host: string;
    readonly done: number;
    readonly leftMs: number | undefined;
    readonly found: number;
  }) => void;
  /** Told of each unit the moment it answers. */
  readonly onFound?: (found: HostTarget & { readonly unit: number; readonly thoughtMs: number }) => void;
}

/**
 * A device without units: 255 is what the norm recommends, 0 it accepts, 1 most masters send (Messaging on TCP/IP
 * V1.0b, 4.4.1).
 */
const OWN_UNITS: readonly number[] = [255, 0, 1];

/** The units that are asked besides where a single host is silent to its own ones: a gateway's have numbers of their own. */
const OTHER_UNITS: readonly number[] = ALL_UNITS.filter((unit) => !OWN_UNITS.includes(unit));

/** How long each of them may think before the next is asked, ms; one that answers late is asked again with patience. */
const SWEEP_TIMEOUT_MS = 200;

/** Hosts asked at once: enough for a range, too few to trouble a network. */
const CONCURRENCY = 24;

/** Gateway path unavailable, gateway target device failed to respond (Application Protocol V1.1b3, 7). */
const GATEWAY_CODES = [0x0a, 0x0b];

const LATE_REPLY_MS = 1000;

/** Rest between frames on a converter, which keeps the silence of its own line. */
const CONVERTER_SILENCE_MS = 2;

/**
 * Asks hosts whether they speak Modbus, and which units answer there: Modbus TCP first, and where a port takes the
 * connection but gives no answer, RTU frames over TCP. Only reads are sent (function 03).
 *
 * @returns a finding for every target that was asked before the signal, in the order of the targets; nothing is thrown
 */
export async function searchHosts(options: HostSearchOptions, signal: AbortSignal): Promise<HostFinding[]> {
  const findings: (HostFinding | undefined)[] = options.targets.map(() => undefined);
  let next = 0;
  let found = 0;
  const count: HostSearchOptions['onFound'] = (unit) => {
    found++;
    options.onFound?.(unit);
  };
  const longestMs = options.targets.length === 1 ? longestAtHost(options) : undefined;
  const work = async (): Promise<void> => {
    while (next < options.targets.length && !signal.aborted) {
      const index = next++;
      const target = options.targets[index]!;
      const tell = (share: number): void =>
        options.onProgress?.({
          host: target.host,
          done: (index + share) / options.targets.length,
          leftMs: longestMs === undefined ? undefined : longestMs * (1 - share),
          found,
        });
      tell(0);
      findings[index] = await searchHost(target, { ...options, onFound: count }, tell, signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, options.targets.length) }, work));
  return findings.flatMap((finding) => finding ?? []);
}

/** How long one silent host takes at most, ms: its own units, those of a converter, and where it is alone all others. */
export function longestAtHost({ targets, units, timeoutMs }: Omit<HostSearchOptions, 'clock'>): number {
  const [own, converter, others] = stagesMs(units, timeoutMs);
  return own + converter + (units === undefined && targets.length === 1 ? others : 0);
}

/** How long the units that are asked as Modbus TCP, as RTU frames, and one by one take, ms. */
function stagesMs(units: readonly number[] | undefined, timeoutMs: number): readonly [number, number, number] {
  return [
    (units ?? OWN_UNITS).length * timeoutMs,
    (units ?? LIKELY_UNITS).length * timeoutMs,
    OTHER_UNITS.length * Math.min(timeoutMs, SWEEP_TIMEOUT_MS),
  ];
}

async function searchHost(
  target: HostTarget,
  options: HostSearchOptions,
  tell: (share: number) => void,
  signal: AbortSignal,
): Promise<HostFinding | undefined> {
  const { clock, connectTimeoutMs } = options;
  const transport = () => tcpTransport({ ...target, connectTimeoutMs }, clock);
  const times = { pauseMs: 0, lateReplyWindowMs: LATE_REPLY_MS };
  const mbap = new MbapLine(transport(), { ...times, pipeline: 1 }, clock);
  const own = options.units ?? OWN_UNITS;
  const longestMs = longestAtHost(options);
  const [ownMs, converterMs, othersMs] = stagesMs(options.units, options.timeoutMs);
  const stage =
    (fromMs: number, lengthMs: number) =>
    (share: number): void =>
      tell((fromMs + share * lengthMs) / longestMs);
  const ask = (line: Line, units: readonly number[], over: Partial<HostSearchOptions>, tellShare: typeof tell) =>
    askUnits(line, units, target, { ...options, ...over }, tellShare, signal);
  const asTcp = await ask(mbap, own, {}, stage(0, ownMs));
  const isAnswered = ({ units, isGateway }: Asked) => units.length > 0 || isGateway;
  const isAlone = options.units === undefined && options.targets.length === 1;
  if (asTcp.refused !== undefined && asTcp.count === 0) return closed(target, asTcp.refused, signal);
  if (asTcp.refused !== undefined || signal.aborted) return opened([asTcp], 'tcp');
  if (asTcp.isGateway && asTcp.units.length === 0 && isAlone) {
    // It says of each unit that is not there that it is not, which takes as long as that unit is waited for.
    return opened([asTcp, await ask(mbap, OTHER_UNITS, {}, stage(ownMs, longestMs - ownMs))], 'tcp');
  }
  if (isAnswered(asTcp)) return opened([asTcp], 'tcp');
  const rtu = new RtuLine(transport(), { ...times, characterMs: 0, silenceMs: CONVERTER_SILENCE_MS }, clock);
  const asRtu = await ask(rtu, options.units ?? LIKELY_UNITS, {}, stage(ownMs, converterMs));
  if (isAnswered(asRtu) || !isAlone || signal.aborted) return opened([asTcp, asRtu], 'rtu');
  const timeoutMs = Math.min(options.timeoutMs, SWEEP_TIMEOUT_MS);
  const sweep = await ask(mbap, OTHER_UNITS, { timeoutMs }, stage(ownMs + converterMs, othersMs));
  const late = await ask(mbap, sweep.late, {}, stage(longestMs, 0));
  return opened([asTcp, asRtu, sweep, late], 'tcp');

  function opened(all: readonly Asked[], framing: 'tcp' | 'rtu'): HostFinding {
    return {
      ...target,
      state: 'open',
      framing: all.some(isAnswered) ? framing : undefined,
      units: all.flatMap(({ units }) => units),
      asked: Math.max(...all.map(({ count }) => count)),
      tried: all
        .filter(({ count }) => count > 0)
        .map(({ askedUnits, line }) => `${line === mbap ? 'Modbus TCP to' : 'RTU frames to'} ${unitsText(askedUnits)}`)
        .join(', then '),
      isGateway: all.some(({ isGateway }) => isGateway),
    };
  }
}

/** `units 255, 0 and 1`, or `245 units from 2 to 247`. */
function unitsText(units: readonly number[]): string {
  if (units.length === 1) return `unit ${units[0]}`;
  if (units.length > LIKELY_UNITS.length)
    return `${units.length} units from ${Math.min(...units)} to ${Math.max(...units)}`;
  return `units ${units.slice(0, -1).join(', ')} and ${units.at(-1)}`;
}

function closed(target: HostTarget, reason: string, signal: AbortSignal): HostFinding | undefined {
  return signal.aborted ? undefined : { ...target, state: 'closed', reason };
}

/** What came of asking units on one line. */
interface Asked {
  readonly line: Line;
  readonly units: { readonly unit: number; readonly thoughtMs: number }[];
  readonly askedUnits: number[];
  /** Units whose answer came after its deadline. */
  late: readonly number[];
  count: number;
  isGateway: boolean;
  /** Why a connection could not be made (again). */
  refused: string | undefined;
}

async function askUnits(
  line: Line,
  units: readonly number[],
  target: HostTarget,
  { timeoutMs, onFound }: HostSearchOptions,
  tell: (share: number) => void,
  signal: AbortSignal,
): Promise<Asked> {
  const asked: Asked = { line, units: [], askedUnits: [], late: [], count: 0, isGateway: false, refused: undefined };
  const counters = new Map<number, DeviceCounters>();
  let isOpen = false;
  try {
    for (const [index, unit] of units.entries()) {
      if (signal.aborted) break;
      tell(index / units.length);
      const counted = newCounters();
      counters.set(unit, counted);
      // Some devices hang up on a unit they do not have.
      if (!isOpen) await line.open(signal);
      const outcome = await askRegister(line, unit, timeoutMs, counted);
      asked.count++;
      asked.askedUnits.push(unit);
      isOpen = outcome.kind !== 'lost';
      if (outcome.kind === 'exception' && GATEWAY_CODES.includes(outcome.code)) asked.isGateway = true;
      else if (outcome.kind === 'answer' || outcome.kind === 'exception') {
        asked.units.push({ unit, thoughtMs: outcome.thoughtMs });
        onFound?.({ ...target, unit, thoughtMs: outcome.thoughtMs });
      }
    }
  } catch (error) {
    if (!(error instanceof NotConnected) && !signal.aborted) throw error;
    asked.refused = messageOf(error);
  } finally {
    await line.close();
  }
  asked.late = [...counters].filter(([, { lateReplies }]) => lateReplies > 0).map(([unit]) => unit);
  return asked;
}

function askRegister(line: Line, unit: number, timeoutMs: number, counters: DeviceCounters): Promise<Outcome> {
  const question = questionOf({ kind: 'read', unit, table: 'holding', start: 0, count: 1 });
  return line.ask({ question, timeoutMs, counters, attemptOf: {} });
}
