/** Searches hosts for Modbus TCP and the units behind them. */
import type { Clock } from '../../../src/core/clock.ts';
import { messageOf } from '../../../src/core/errors.ts';
import { NotConnected } from '../../driver.ts';
import { questionOf } from '../line/frame.ts';
import type { Line, Outcome } from '../line/line.ts';
import { MbapLine } from '../line/mbap-line.ts';
import { RtuLine } from '../line/rtu-line.ts';
import { newCounters } from '../line/statistics.ts';
import { tcpTransport } from '../line/tcp.ts';
import { LIKELY_UNITS } from './discover-plan.ts';

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
        /** Units that were asked. */
        readonly asked: number;
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
  readonly onProgress?: (progress: { readonly host: string; readonly done: number; readonly found: number }) => void;
}

/**
 * A device without units: 255 is what the norm recommends, 0 it accepts, 1 most masters send (Messaging on TCP/IP
 * V1.0b, 4.4.1).
 */
const OWN_UNITS: readonly number[] = [255, 0, 1];

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
  let units = 0;
  const work = async (): Promise<void> => {
    while (next < options.targets.length && !signal.aborted) {
      const index = next++;
      const target = options.targets[index]!;
      const tell = (share: number): void =>
        options.onProgress?.({ host: target.host, done: (index + share) / options.targets.length, found: units });
      tell(0);
      const finding = await searchHost(target, options, tell, signal);
      if (finding?.state === 'open') units += finding.units.length;
      findings[index] = finding;
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, options.targets.length) }, work));
  return findings.flatMap((finding) => finding ?? []);
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
  const units = options.units ?? OWN_UNITS;
  const asTcp = await askUnits(mbap, units, options, tell, signal);
  if (asTcp.refused !== undefined) return asTcp.count === 0 ? closed(target, asTcp.refused, signal) : opened(asTcp);
  if (asTcp.units.length > 0 || asTcp.isGateway || signal.aborted) return opened(asTcp, 'tcp');
  const rtu = new RtuLine(transport(), { ...times, characterMs: 0, silenceMs: CONVERTER_SILENCE_MS }, clock);
  const asRtu = await askUnits(rtu, options.units ?? LIKELY_UNITS, options, tell, signal);
  return opened(asRtu, 'rtu');

  function opened({ units, count, isGateway }: Asked, framing?: 'tcp' | 'rtu'): HostFinding {
    const isModbus = units.length > 0 || isGateway;
    return {
      ...target,
      state: 'open',
      framing: isModbus ? (framing ?? 'tcp') : undefined,
      units,
      asked: count,
      isGateway,
    };
  }
}

function closed(target: HostTarget, reason: string, signal: AbortSignal): HostFinding | undefined {
  return signal.aborted ? undefined : { ...target, state: 'closed', reason };
}

/** What came of asking units on one line. */
interface Asked {
  readonly units: { readonly unit: number; readonly thoughtMs: number }[];
  count: number;
  isGateway: boolean;
  /** Why a connection could not be made (again). */
  refused: string | undefined;
}

async function askUnits(
  line: Line,
  units: readonly number[],
  { timeoutMs }: HostSearchOptions,
  tell: (share: number) => void,
  signal: AbortSignal,
): Promise<Asked> {
  const asked: Asked = { units: [], count: 0, isGateway: false, refused: undefined };
  let isOpen = false;
  try {
    for (const [index, unit] of units.entries()) {
      if (signal.aborted) break;
      tell(index / units.length);
      // Some devices hang up on a unit they do not have.
      if (!isOpen) await line.open(signal);
      const outcome = await askRegister(line, unit, timeoutMs);
      asked.count++;
      isOpen = outcome.kind !== 'lost';
      if (outcome.kind === 'exception' && GATEWAY_CODES.includes(outcome.code)) asked.isGateway = true;
      else if (outcome.kind === 'answer' || outcome.kind === 'exception')
        asked.units.push({ unit, thoughtMs: outcome.thoughtMs });
    }
  } catch (error) {
    if (!(error instanceof NotConnected) && !signal.aborted) throw error;
    asked.refused = messageOf(error);
  } finally {
    await line.close();
  }
  return asked;
}

function askRegister(line: Line, unit: number, timeoutMs: number): Promise<Outcome> {
  const question = questionOf({ kind: 'read', unit, table: 'holding', start: 0, count: 1 });
  return line.ask({ question, timeoutMs, counters: newCounters(), attemptOf: {} });
}
