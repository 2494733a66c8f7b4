/** Counts edges, and makes frequencies and times of them. */
import type { Failure } from '../../src/core/quality.ts';
import type { GpioInput } from './options.ts';
import type { Edge, Edges } from './port.ts';

/** What a meter counted: all that has to survive a restart. */
export interface Counted {
  /** Edges seen. */
  readonly edges: number;
  /** Edges known to be lost. */
  readonly lost: number;
}

/** A number made of edges, or why there is none yet. */
type Measured =
  | { readonly ok: true; readonly value: number; readonly isDoubtful: boolean }
  | { readonly ok: false; readonly why: Failure; readonly detail: string };

/** What a meter measures, and of which edges. */
type MeterSpec = Pick<GpioInput, 'measure' | 'edge' | 'windowMs'>;

/** How long a loss is shown on a count: a minute, and in one reading at least. */
export const LOSS_SHOWN_MS = 60_000;

/** Parts of a window: it moves on by one part at a time. */
const PARTS = 20;

/**
 * The arithmetic of one tag on the edges of its line. Effects and clocks are its user's; times are the port's, ms.
 *
 * - `count`: edges seen, `lost`: edges known to be lost; their sum is what came as far as the backend can tell.
 * - `rate`: edges a second, over `windowMs`.
 * - `frequency`: Hz by the stamps of the first and last edge in the window. With less than two in it, the last period as
 *   long as it may still go on (twice that period, or the window); then 0.
 * - `pulse-width`: ms of the last whole pulse; a pulse in which edges were lost is not used.
 */
export class Meter {
  private readonly spec: MeterSpec;
  private readonly window;
  private edges: number;
  private lost: number;
  private loss: { readonly sinceMs: number; isShown: boolean } | undefined;
  /** Whether the last edge went to active; undefined before the first. */
  private turn: boolean | undefined;
  private startedMs: number | undefined;
  private beforeLastMs: number | undefined;
  private lastMs: number | undefined;
  private readonly pulse: { level?: boolean | undefined; beganMs?: number | undefined; widthMs?: number } = {};

  constructor(spec: MeterSpec, restored: Counted = { edges: 0, lost: 0 }) {
    this.spec = spec;
    this.window = createWindow(spec.windowMs);
    this.edges = restored.edges;
    this.lost = restored.lost;
  }

  /** @param reported which edges the line reports; those not meant by the tag are left out */
  take(edge: Edge, reported: Edges): void {
    const { measure, edge: kind } = this.spec;
    this.startedMs ??= edge.stampMs;
    // The kernel tells the kind of an edge by the level it finds when it wakes up, which may be a later one; but edges
    // take turns.
    const turn = reported !== 'both' || this.turn === undefined ? edge.active : this.turn === (edge.missed % 2 === 1);
    this.turn = turn;
    const missed = missedOfKind({ ...edge, active: turn }, kind, reported);
    if (missed > 0) this.noteLoss(missed, edge.stampMs);
    if (measure === 'pulse-width') this.takePulse(edge);
    if (!isOfKind(turn, kind)) return;
    this.edges++;
    this.beforeLastMs = missed > 0 ? undefined : this.lastMs;
    this.lastMs = edge.stampMs;
    this.window.add(edge.stampMs);
  }

  /** The line was not watched until now: edges may have come that nobody saw. */
  unwatched(nowMs: number): void {
    this.loss = { sinceMs: nowMs, isShown: false };
    this.startedMs = nowMs;
    this.beforeLastMs = this.lastMs = this.turn = this.pulse.beganMs = this.pulse.level = undefined;
  }

  read(nowMs: number): Measured {
    const { measure, windowMs } = this.spec;
    this.startedMs ??= nowMs;
    if (measure === 'lost') return { ok: true, value: this.lost, isDoubtful: false };
    if (measure === 'count') return { ok: true, value: this.edges, isDoubtful: this.doubt(nowMs) };
    if (measure === 'pulse-width') {
      const { widthMs } = this.pulse;
      if (widthMs === undefined) return { ok: false, why: 'waiting', detail: 'no whole pulse came yet' };
      return { ok: true, value: widthMs, isDoubtful: this.doubt(nowMs) };
    }
    if (nowMs - this.startedMs < windowMs)
      return { ok: false, why: 'waiting', detail: 'the first window is not over yet' };
    const { count, coveredMs, hasLoss } = this.window.sum(nowMs);
    const value = measure === 'rate' ? (count * 1000) / coveredMs : this.frequency(nowMs);
    return { ok: true, value, isDoubtful: hasLoss };
  }

  counted(): Counted {
    return { edges: this.edges, lost: this.lost };
  }

  private noteLoss(missed: number, atMs: number): void {
    this.lost += missed;
    this.loss = { sinceMs: atMs, isShown: false };
    this.window.lose(atMs);
  }

  private doubt(nowMs: number): boolean {
    if (!this.loss) return false;
    const isOver = this.loss.isShown && nowMs - this.loss.sinceMs >= LOSS_SHOWN_MS;
    this.loss.isShown = true;
    if (isOver) this.loss = undefined;
    return !isOver;
  }

  private frequency(nowMs: number): number {
    const { count, firstMs, lastMs: latestMs } = this.window.sum(nowMs);
    if (count >= 2 && latestMs > firstMs) return ((count - 1) * 1000) / (latestMs - firstMs);
    if (this.lastMs === undefined || this.beforeLastMs === undefined) return 0;
    const periodMs = this.lastMs - this.beforeLastMs;
    const goesOn = nowMs - this.lastMs <= Math.max(2 * periodMs, this.spec.windowMs);
    return periodMs > 0 && goesOn ? 1000 / periodMs : 0;
  }

  private takePulse({ active, stampMs, missed }: Edge): void {
    const { pulse } = this;
    const isSure = missed === 0 && active !== pulse.level;
    pulse.level = active;
    if (!isSure) pulse.beganMs = undefined;
    if (isSure && active === (this.spec.edge === 'rising')) pulse.beganMs = stampMs;
    else if (pulse.beganMs !== undefined) {
      pulse.widthMs = stampMs - pulse.beganMs;
      pulse.beganMs = undefined;
    }
  }
}

/** Whether an edge is one that is counted. */
function isOfKind(active: boolean, kind: GpioInput['edge']): boolean {
  return kind === 'both' || (kind === 'rising') === active;
}

/**
 * How many of the missed edges were of the kind that is counted. Edges of one line take turns, so going back from the
 * edge that was seen, every second one is of the other kind.
 */
export function missedOfKind({ active, missed }: Edge, kind: GpioInput['edge'], reported: Edges): number {
  if (kind === 'both' || reported === kind) return missed;
  return isOfKind(active, kind) ? Math.floor(missed / 2) : Math.ceil(missed / 2);
}

interface Part {
  index: number;
  count: number;
  firstMs: number;
  lastMs: number;
  hasLoss: boolean;
}

/** Sums over the last `windowMs`, of bounded size however many edges come. */
function createWindow(windowMs: number) {
  const partMs = windowMs / PARTS;
  const parts = Array.from({ length: PARTS }, (): Part => emptyPart(-1));
  const partAt = (stampMs: number): Part | undefined => {
    const index = Math.floor(stampMs / partMs);
    const place = ((index % PARTS) + PARTS) % PARTS;
    if (parts[place]!.index < index) parts[place] = emptyPart(index);
    return parts[place]!.index === index ? parts[place] : undefined;
  };
  return {
    add(stampMs: number): void {
      const part = partAt(stampMs);
      if (!part) return;
      if (part.count === 0) part.firstMs = stampMs;
      part.count++;
      part.lastMs = stampMs;
    },
    lose(stampMs: number): void {
      const part = partAt(stampMs);
      if (part) part.hasLoss = true;
    },
    sum(nowMs: number): { count: number; firstMs: number; lastMs: number; coveredMs: number; hasLoss: boolean } {
      const newest = Math.floor(nowMs / partMs);
      const oldest = newest - PARTS + 1;
      const live = parts.filter(({ index }) => index >= oldest && index <= newest);
      const counted = live.filter(({ count }) => count > 0).sort((a, b) => a.index - b.index);
      return {
        count: counted.reduce((sum, { count }) => sum + count, 0),
        firstMs: counted[0]?.firstMs ?? nowMs,
        lastMs: counted.at(-1)?.lastMs ?? nowMs,
        coveredMs: nowMs - oldest * partMs,
        hasLoss: live.some(({ hasLoss }) => hasLoss),
      };
    },
  };
}

function emptyPart(index: number): Part {
  return { index, count: 0, firstMs: 0, lastMs: 0, hasLoss: false };
}
