/** Holds the lines of one connection, and hands their edges to all who listen; `chardev.ts` tells who else holds a line. */
import type { TagId } from '../../src/core/reading.ts';
import type { ReadResult, Tag } from '../driver.ts';
import { findLine } from './find.ts';
import type { Meter } from './meter.ts';
import type { GpioAddress, GpioInput, GpioOutput } from './options.ts';
import {
  type Edge,
  type Edges,
  type GpioChip,
  type GpioPort,
  LineFault,
  type LineSetup,
  type OpenLine,
} from './port.ts';
import type { Reporter } from './reports.ts';

/** A tag whose changes are reported. */
interface Listener {
  readonly tag: Tag<GpioAddress>;
  readonly reporter: Reporter;
  /** Edges before this were told by the first report, on the port's clock. */
  readonly sinceMs: number;
  readonly onResult: (tag: Tag<GpioAddress>, result: ReadResult) => void;
}

/** A line that is held, with everything that listens to it. */
export interface HeldLine {
  /** `GPIO17 (line 17 of pinctrl-bcm2711)`, for messages. */
  readonly name: string;
  readonly address: GpioAddress;
  readonly open: OpenLine;
  readonly meters: Map<TagId, Meter>;
  readonly listeners: Map<TagId, Listener>;
  /** What was not yet said in the log, and when something was said last. */
  readonly untold: { lost: number; leftOut: number; toldMs: number };
}

/** How long after a refusal a line is asked for again by reading it, ms: a storm of asking helps nobody. */
const ASK_AGAIN_MS = 1000;

/**
 * The lines of one connection. Tags of one line share it, and must agree on how it is set up. Takes lines when they are
 * first needed; everything throws `LineFault`.
 */
export class Lines {
  private readonly port: GpioPort;
  private readonly chips: readonly GpioChip[];
  private readonly wantedChip: string;
  private readonly held = new Map<string, HeldLine>();
  private readonly refused = new Map<TagId, { readonly fault: LineFault; readonly untilMs: number }>();

  constructor(port: GpioPort, chips: readonly GpioChip[], wantedChip: string) {
    this.port = port;
    this.chips = chips;
    this.wantedChip = wantedChip;
  }

  /** Every line that is held. */
  all(): HeldLine[] {
    return [...this.held.values()];
  }

  /** The line of a tag, reporting these edges at least. A refusal is remembered for a second. */
  lineOf(tag: Tag<GpioAddress>, edges: Edges): HeldLine {
    const recent = this.refused.get(tag.id);
    if (recent && this.port.nowMs() < recent.untilMs) throw recent.fault;
    try {
      const line = this.take(tag.address, edges);
      this.refused.delete(tag.id);
      return line;
    } catch (error) {
      if (error instanceof LineFault)
        this.refused.set(tag.id, { fault: error, untilMs: this.port.nowMs() + ASK_AGAIN_MS });
      throw error;
    }
  }

  /** Gives every line back, outputs in their safe state; answers what could not be done. */
  close(): LineFault[] {
    const faults: LineFault[] = [];
    for (const [key, line] of this.held) {
      try {
        if (line.address.direction === 'output') line.open.set(line.address.safe);
        this.release(key, line);
      } catch (error) {
        if (!(error instanceof LineFault)) throw error;
        faults.push(error);
        this.held.delete(key);
        line.open.close();
      }
    }
    return faults;
  }

  private take(address: GpioAddress, edges: Edges): HeldLine {
    const { chip, offset } = findLine(this.chips, this.wantedChip, address.line);
    const key = `${chip.name}/${offset}`;
    const before = this.held.get(key);
    if (before) {
      const conflict = conflictOf(before.address, address);
      if (conflict)
        throw new LineFault(
          'unsupported',
          `${before.name}: another tag sets it up with ${conflict}. Write the same in both`,
        );
      if (covers(before.open.edges, edges)) return before;
      this.release(key, before);
    }
    const widened = before ? union(before.open.edges, edges) : edges;
    const line: HeldLine = {
      name: `${address.text} (line ${offset} of ${chip.label})`,
      address,
      open: this.port.open(chip, offset, setupOf(address, widened)),
      meters: before?.meters ?? new Map(),
      listeners: before?.listeners ?? new Map(),
      untold: before?.untold ?? { lost: 0, leftOut: 0, toldMs: Number.NEGATIVE_INFINITY },
    };
    this.held.set(key, line);
    // What came while the line was set up anew was not seen.
    for (const meter of line.meters.values()) meter.unwatched(this.port.nowMs());
    return line;
  }

  private release(key: string, line: HeldLine): void {
    deliver(line, line.open.drain());
    this.held.delete(key);
    line.open.close();
  }
}

/** Hands what came of a line to its meters. */
export function deliver(line: HeldLine, edges: readonly Edge[]): void {
  for (const edge of edges) {
    line.untold.lost += edge.missed;
    for (const meter of line.meters.values()) meter.take(edge, line.open.edges);
  }
}

/** Which edges a tag needs its line to report when it is read. */
export function edgesOf(address: GpioAddress): Edges {
  if (address.direction === 'output' || address.measure === 'state') return 'none';
  return address.measure === 'pulse-width' ? 'both' : address.edge;
}

/** How a line is set up for a tag. */
function setupOf(address: GpioAddress, edges: Edges): LineSetup {
  if (address.direction === 'output') {
    const { direction, activeLow, drive, safe } = address;
    return { direction, activeLow, drive, initial: safe };
  }
  const { direction, activeLow, bias, debounceUs } = address;
  return { direction, activeLow, bias, debounceUs, edges };
}

/** What two tags of one line disagree about. */
function conflictOf(a: GpioAddress, b: GpioAddress): string | undefined {
  if (a.direction !== b.direction) return `direction: ${a.direction}`;
  if (a.activeLow !== b.activeLow) return `activeLow: ${a.activeLow}`;
  return a.direction === 'input' ? inputConflict(a, b as GpioInput) : outputConflict(a, b as GpioOutput);
}

function inputConflict(a: GpioInput, b: GpioInput): string | undefined {
  if (a.bias !== b.bias) return `bias: ${a.bias}`;
  return a.debounceUs === b.debounceUs ? undefined : 'another debounce';
}

function outputConflict(a: GpioOutput, b: GpioOutput): string | undefined {
  if (a.safe !== b.safe) return `safe: ${a.safe ? 'on' : 'off'}`;
  return a.drive === b.drive ? undefined : `drive: ${a.drive}`;
}

function covers(has: Edges, needs: Edges): boolean {
  return needs === 'none' || has === 'both' || has === needs;
}

function union(a: Edges, b: Edges): Edges {
  if (covers(a, b)) return a;
  return covers(b, a) ? b : 'both';
}
