import { NotConnected } from '../../hal/driver.ts';
import type { Transport, TransportEvents } from '../../hal/transport.ts';
import type { Clock } from '../../src/core/clock.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';
import { disturbed, type Fault, type FaultShares, type FaultTimes, type Piece, pickFault } from './modbus-faults.ts';
import type { ModbusSlaves } from './modbus-slave.ts';

/** A bus in memory, on whatever clock: the bytes of the wire without the wire. */
export interface MemoryBus {
  readonly transport: Transport;
  /** How often each fault happened. */
  readonly happened: Map<Fault, number>;
  /** Questions the slaves saw, and when (monotonic ms). */
  readonly questions: { readonly atMs: number; readonly bytes: Uint8Array }[];
  /** The next transactions meet these, before the shares count; undefined is a good one. */
  readonly script: (Fault | undefined)[];
  /** Sends bytes that nobody asked for. */
  inject(bytes: Uint8Array): void;
  /** Pulls the plug. */
  cut(): void;
}

export interface MemoryBusOptions {
  readonly clock: Clock;
  readonly slaves: ModbusSlaves;
  readonly framing: 'rtu' | 'mbap';
  readonly units: readonly number[];
  readonly times: FaultTimes;
  readonly shares?: FaultShares;
  readonly seed?: number;
  /** Forget the questions: a long run has too many. */
  readonly forgetful?: boolean;
}

export function memoryBus(options: MemoryBusOptions): MemoryBus {
  const { clock, slaves, framing, units, times } = options;
  const random: Random = seededRandom(options.seed ?? 1);
  const happened = new Map<Fault, number>();
  const questions: { atMs: number; bytes: Uint8Array }[] = [];
  const script: (Fault | undefined)[] = [];
  let tell: TransportEvents | undefined;
  let streamBusyUntilMs = 0;
  const lateUntilMs = new Map<number, number>();

  const serve = (question: Uint8Array): void => {
    if (!options.forgetful) questions.push({ atMs: clock.monoMs(), bytes: question.slice() });
    const isRtu = framing === 'rtu';
    const unit = question[isRtu ? 0 : 6]!;
    if (!slaves.has(unit)) return;
    const picked = script.length > 0 ? script.shift() : pickFault(options.shares ?? {}, random);
    if (picked === 'lost-question') {
      happened.set(picked, (happened.get(picked) ?? 0) + 1);
      return;
    }
    const answer = slaves.answer(unit, isRtu ? question.slice(1, -2) : question.slice(7))!;
    // Under another's address and one answer behind at once, a slave is that other: no master can tell them apart.
    const fault = picked === 'wrong-unit' && clock.monoMs() < (lateUntilMs.get(unit) ?? 0) ? undefined : picked;
    if (fault === 'late') lateUntilMs.set(unit, clock.monoMs() + times.lateMs[1]);
    if (fault) happened.set(fault, (happened.get(fault) ?? 0) + 1);
    const transaction = (question[0]! << 8) | question[1]!;
    const exchange = { framing, transaction, unit, question: question.slice(), answer, units };
    send(disturbed(fault, exchange, times, random), tell);
  };

  /** On a bus anybody may speak at any time; in a TCP stream one answer follows the other. */
  const send = (pieces: readonly Piece[], listener: TransportEvents | undefined): void => {
    const [first] = pieces;
    if (!first) return;
    clock.after(first.afterMs, () => {
      if (framing === 'mbap' && clock.monoMs() < streamBusyUntilMs) {
        const waitMs = streamBusyUntilMs - clock.monoMs();
        return send(
          pieces.map(({ afterMs, bytes }) => ({ afterMs: afterMs - first.afterMs + waitMs, bytes })),
          listener,
        );
      }
      const lastMs = pieces.at(-1)!.afterMs - first.afterMs;
      if (lastMs > 0) streamBusyUntilMs = clock.monoMs() + lastMs + 0.001;
      for (const { afterMs, bytes } of pieces) {
        const deliver = () => tell === listener && listener?.onBytes(bytes);
        if (afterMs === first.afterMs) deliver();
        else clock.after(afterMs - first.afterMs, deliver);
      }
    });
  };

  return {
    happened,
    questions,
    script,
    inject: (bytes) => tell?.onBytes(bytes),
    cut() {
      const told = tell;
      tell = undefined;
      told?.onLost(new NotConnected('bus: the plug was pulled. Put it in again.'));
    },
    transport: {
      async connect(events, signal) {
        signal.throwIfAborted();
        tell = events;
      },
      write: serve,
      verify() {},
      async close() {
        tell = undefined;
      },
    },
  };
}
