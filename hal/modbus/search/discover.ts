/** Searches a serial line for settings and units. */
import type { Clock } from '../../../src/core/clock.ts';
import { NotConnected } from '../../driver.ts';
import type { Transport } from '../../transport.ts';
import { questionOf } from '../line/frame.ts';
import { type DeviceCounters, newCounters, type Outcome } from '../line/line.ts';
import { RtuLine } from '../line/rtu-line.ts';
import { silenceMsOf } from '../line/timing.ts';
import {
  ALL_UNITS,
  characterMsOf,
  LIKELY_ALLOWANCE_MS,
  type LineSetting,
  patientStep,
  planSearch,
  questionMs,
  reorder,
  type SearchLimits,
  type SearchStep,
  stepMs,
} from './discover-plan.ts';

/** A unit that answered, and at which setting. */
interface FoundUnit {
  readonly setting: LineSetting;
  readonly unit: number;
  /** From the end of the question to the beginning of the answer, ms. */
  readonly thoughtMs: number;
}

/** How far a search is. */
export interface SearchProgress {
  readonly setting: LineSetting;
  readonly unit: number;
  /** Share of the search as it is planned now, 0…1; never goes back. */
  readonly done: number;
  readonly leftMs: number;
  readonly found: number;
}

/** What a search brought. */
export interface SearchResult {
  readonly found: readonly FoundUnit[];
  /** Settings at which bytes came that are no frame: another master, noise, or a device of another setting. */
  readonly heard: readonly LineSetting[];
  /** False when it was ended before everything planned was asked. */
  readonly isComplete: boolean;
  /** The port went away meanwhile. */
  readonly lost: NotConnected | undefined;
  readonly questions: number;
  readonly tookMs: number;
}

/** What a search needs. */
export interface SearchOptions {
  /** The port at a setting; not open yet. */
  readonly open: (setting: LineSetting) => Transport;
  readonly limits: SearchLimits;
  /** How long a device may take to answer, ms; undefined: long for likely units, short for the sweep over the others. */
  readonly timeoutMs: number | undefined;
  /** Goes on after the first setting at which a unit answered. */
  readonly all: boolean;
  readonly clock: Clock;
  readonly onProgress?: (progress: SearchProgress) => void;
}

/** A unit that may have spoken is asked again with this much patience, ms, and so often. */
const CONFIRM_MS = 500;
const CONFIRM_TRIES = 2;

/** A unit that answers after the sweep has gone on is looked for among this many that were asked before. */
const SUSPECTS = 3;

/** Units that are asked again in one step at most: noise must not make a step last for ever. */
const MOST_CONFIRMATIONS = 24;

/** Questions in a row that met bytes but no answer, and the step is given up: the line is not ours. */
const MOST_GARBLED = 10;

/** How long after its question a frame of a unit is still taken for its answer, ms. */
const LATE_REPLY_MS = 1000;

/**
 * Looks for slaves on a serial line without knowing its settings: asks units for one register, at one setting after the
 * other, and takes any answer, an exception too. Only reads are sent (functions 03 and 04).
 *
 * A sweep does not wait for slow devices: an answer to an earlier question is known by its unit, and that unit is asked
 * again with patience. Ends at the first setting that answers, after all units were asked there, unless `all`; at the
 * signal it ends with what it has.
 *
 * @throws NotConnected the port cannot be opened
 */
export async function searchLine(options: SearchOptions, signal: AbortSignal): Promise<SearchResult> {
  const search = new Search(options, signal);
  return search.run();
}

/** A search under way. */
class Search {
  private readonly options: SearchOptions;
  private readonly signal: AbortSignal;
  private readonly startedMs: number;
  private readonly found: FoundUnit[] = [];
  private readonly heard: LineSetting[] = [];
  /** Settings that answered and whose units were all planned to be asked with patience. */
  private readonly settled = new Set<LineSetting>();
  private steps: SearchStep[];
  private doneMs = 0;
  private shownDone = 0;
  private questions = 0;

  constructor(options: SearchOptions, signal: AbortSignal) {
    this.options = options;
    this.signal = signal;
    this.startedMs = options.clock.monoMs();
    this.steps = planSearch(options.limits, options.timeoutMs);
  }

  async run(): Promise<SearchResult> {
    let lost: NotConnected | undefined;
    for (let step = this.steps.shift(); step && !lost && !this.signal.aborted; step = this.steps.shift()) {
      const signsBefore = this.heard.length;
      lost = await this.take(step);
      this.doneMs += stepMs(step);
      const { setting } = step;
      if (this.hasAnswered(setting) && !this.settled.has(setting)) this.turnTo(setting);
      else if (this.heard.length > signsBefore) this.steps = reorder(this.steps, this.heard);
    }
    return {
      found: [...this.found].sort((a, b) => (a.setting === b.setting ? a.unit - b.unit : 0)),
      heard: this.heard,
      isComplete: !this.signal.aborted && !lost,
      lost,
      questions: this.questions,
      tookMs: this.options.clock.monoMs() - this.startedMs,
    };
  }

  /** A unit answered at a setting: all others are asked there with patience, and nowhere else unless all was wanted. */
  private turnTo(setting: LineSetting): void {
    this.settled.add(setting);
    const { limits, timeoutMs, all } = this.options;
    const units = (limits.units ?? ALL_UNITS).filter((unit) => !this.isFound(setting, unit));
    const patient = patientStep(setting, units, timeoutMs);
    const elsewhere = all ? this.steps.filter((step) => step.setting !== setting) : [];
    this.steps = units.length > 0 ? [patient, ...elsewhere] : elsewhere;
  }

  /** Asks the units of a step over a line of its own; gives the loss of the port, if it comes after the first question. */
  private async take(step: SearchStep): Promise<NotConnected | undefined> {
    const { clock, open } = this.options;
    const { setting } = step;
    const timing = {
      characterMs: characterMsOf(setting),
      silenceMs: silenceMsOf(setting.baud),
      pauseMs: 0,
      lateReplyWindowMs: LATE_REPLY_MS,
      quietMs: 0,
    };
    const line = new RtuLine(open(setting), timing, clock);
    try {
      await line.open(this.signal);
      await this.sweep(step, line);
      return undefined;
    } catch (error) {
      if (this.signal.aborted && error === this.signal.reason) return undefined;
      if (error instanceof NotConnected && this.questions > 0) return error;
      throw error;
    } finally {
      await line.close();
    }
  }

  private async sweep(step: SearchStep, line: RtuLine): Promise<void> {
    const sweep: Sweep = { step, line, asked: [], garbledInARow: 0, confirmations: 0 };
    for (const [index, unit] of step.units.entries()) {
      if (this.signal.aborted) return;
      this.tell(step, index, unit);
      const one: Asked = { unit, counters: newCounters(), attemptOf: {} };
      sweep.asked.push(one);
      const strayBytes = line.counters.unsolicitedBytes;
      const outcome = await this.ask(line, step, one, step.allowanceMs);
      if (isAnswer(outcome)) this.note(step, unit, outcome.thoughtMs);
      const isHeard = outcome.kind === 'garbled' || line.counters.unsolicitedBytes > strayBytes;
      if (await this.followUp(sweep, isHeard)) return;
      sweep.asked.splice(0, sweep.asked.length - Math.ceil(LATE_REPLY_MS / questionMs(step)));
    }
    // The last ones may still be thinking.
    const strayBytes = line.counters.unsolicitedBytes;
    await this.options.clock.sleep(Math.max(0, LIKELY_ALLOWANCE_MS - step.allowanceMs), this.signal);
    await this.followUp(sweep, line.counters.unsolicitedBytes > strayBytes);
  }

  /** Asks those again that may have spoken; true when the step is to end here. */
  private async followUp(sweep: Sweep, isHeard: boolean): Promise<boolean> {
    const { step, line, asked } = sweep;
    sweep.garbledInARow = isHeard ? sweep.garbledInARow + 1 : 0;
    const late = asked.filter(({ counters }) => counters.lateReplies > 0);
    const suspects = late.length > 0 ? late : isHeard ? asked.slice(-1 - SUSPECTS) : [];
    if (suspects.length > 0) sweep.asked = [];
    for (const suspect of suspects)
      if (sweep.confirmations++ < MOST_CONFIRMATIONS) await this.confirm(line, step, suspect);
    // With patience the others of this setting are asked sooner.
    if (this.hasAnswered(step.setting) && !this.settled.has(step.setting)) return true;
    if (isHeard && late.length === 0) this.noteSign(step.setting);
    return sweep.garbledInARow >= MOST_GARBLED;
  }

  /** Asks a unit again that may have answered while another one was asked. */
  private async confirm(line: RtuLine, step: SearchStep, suspect: Asked): Promise<void> {
    suspect.counters.lateReplies = 0;
    if (this.isFound(step.setting, suspect.unit)) return;
    for (let tries = 0; tries < CONFIRM_TRIES && !this.signal.aborted; tries++) {
      const outcome = await this.ask(line, step, suspect, Math.max(CONFIRM_MS, step.allowanceMs));
      if (!isAnswer(outcome)) continue;
      this.note(step, suspect.unit, outcome.thoughtMs);
      return;
    }
  }

  private async ask(line: RtuLine, step: SearchStep, asked: Asked, timeoutMs: number): Promise<Outcome> {
    this.questions++;
    const { unit, counters, attemptOf } = asked;
    const question = questionOf({ kind: 'read', unit, table: step.table, start: 0, count: 1 });
    const outcome = await line.ask({ question, timeoutMs, counters, attemptOf });
    if (outcome.kind === 'lost') throw outcome.cause;
    return outcome;
  }

  private note({ setting }: SearchStep, unit: number, thoughtMs: number): void {
    if (!this.isFound(setting, unit)) this.found.push({ setting, unit, thoughtMs });
  }

  private hasAnswered(setting: LineSetting): boolean {
    return this.found.some((each) => each.setting === setting);
  }

  private isFound(setting: LineSetting, unit: number): boolean {
    return this.found.some((each) => each.unit === unit && each.setting === setting);
  }

  private noteSign(setting: LineSetting): void {
    if (!this.heard.includes(setting)) this.heard.push(setting);
  }

  private tell(step: SearchStep, index: number, unit: number): void {
    const { onProgress, clock } = this.options;
    if (!onProgress) return;
    const plannedDoneMs = this.doneMs + index * questionMs(step);
    const plannedLeftMs = stepMs(step) - index * questionMs(step) + sumMs(this.steps);
    const elapsedMs = clock.monoMs() - this.startedMs;
    // A host or an adapter that is slower than planned shows in what was done already.
    const pace = plannedDoneMs > 5000 ? elapsedMs / plannedDoneMs : 1;
    this.shownDone = Math.max(this.shownDone, plannedDoneMs / (plannedDoneMs + plannedLeftMs));
    onProgress({
      setting: step.setting,
      unit,
      done: this.shownDone,
      leftMs: plannedLeftMs * pace,
      found: this.found.length,
    });
  }
}

/** A step under way. */
interface Sweep {
  readonly step: SearchStep;
  readonly line: RtuLine;
  /** Units asked so lately that an answer may still come. */
  asked: Asked[];
  garbledInARow: number;
  confirmations: number;
}

/** A unit that was asked lately. */
interface Asked {
  readonly unit: number;
  readonly counters: DeviceCounters;
  readonly attemptOf: object;
}

function isAnswer(outcome: Outcome): outcome is Extract<Outcome, { kind: 'answer' | 'exception' }> {
  return outcome.kind === 'answer' || outcome.kind === 'exception';
}

function sumMs(steps: readonly SearchStep[]): number {
  return steps.reduce((totalMs, step) => totalMs + stepMs(step), 0);
}
