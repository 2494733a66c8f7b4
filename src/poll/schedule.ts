/** Decides which tags are due when, on a grid that does not drift. */
import type { Tag } from '../../hal/driver.ts';
import {
  afterAnswer,
  afterProbe,
  afterSilence,
  type Health,
  healthy,
  type ProbeDebt,
  pathRestMs,
  probeSoon,
} from './health.ts';

/** Tags of one device that are read at one period. `everyMs` 0: back to back. */
export interface ScanClass {
  readonly device: string;
  readonly everyMs: number;
  readonly tags: readonly Tag[];
}

/** One request to make: tags that one request answers. `probe`: to see whether an offline device is back. */
export interface Job {
  readonly device: string;
  readonly tags: readonly Tag[];
  readonly deadlineMs: number;
  readonly probe: boolean;
}

/**
 * What became of a job: `answered` when the device said anything, `silent` when not; `path` when a gateway before it said
 * that it has no way to any device (exception 0A); `not-asked` when nothing was sent, which says nothing of the device.
 */
export type JobEnd = 'answered' | 'silent' | 'path' | 'not-asked';

interface ClassState {
  readonly device: string;
  readonly everyMs: number;
  readonly tags: readonly Tag[];
  /** The tick that is due next; for back-to-back classes the end of the last scan. */
  nextMs: number;
  /** It was cut short by the loss of the line, and is not due before this. */
  notBeforeMs: number;
}

interface Scan {
  readonly classes: readonly ClassState[];
  remaining: number;
}

interface Ready extends Job {
  readonly scan: Scan | undefined;
}

interface DeviceState {
  health: Health;
  lastAnswerMs: number;
  /** Ticks that passed before this were nobody's being late: the line was away, or the device did not answer. */
  countedFromMs: number;
  /** Classes not being scanned now. */
  idle: ClassState[];
  /** Its tags, the cheapest to read first, and which of them is probed: the next one when that cannot be asked for. */
  probes: { readonly byCost: readonly Tag[]; turn: number } | undefined;
}

/** A back-to-back scan takes its turn among the others as if it had this period. */
const BACK_TO_BACK_DEADLINE_MS = 1000;

/** Before what was not asked is tried again, ms: it took no time on the line, and must not keep the loop spinning. */
const NOT_ASKED_REST_MS = 100;

/** After the line was lost, what was cut short waits for so long at most, so that the others have their turn first, ms. */
const AGAIN_AFTER_LOSS_MS = 1000;

/** Tag sets of which the union is kept; more periods a device than make this many are recomputed. */
const MAX_UNIONS = 64;

/** Counters of a schedule. */
interface ScheduleCounts {
  scans: number;
  /** Ticks that passed before the line got to them; those without a connection, or of an offline device, do not count. */
  skipped: number;
}

/**
 * The order of requests on one line. Pure: it holds no clock and does no I/O.
 *
 * Ticks are multiples of the period from the start, whatever a scan takes, so that nothing drifts; ticks that passed
 * unserved are skipped and counted. Due requests go by earliest deadline, healthy devices before silent ones; after a
 * request that nobody answered, the due device that answered last is asked first, so that many dying devices do not
 * take a living one's turn.
 */
export class Schedule {
  readonly counts: ScheduleCounts = { scans: 0, skipped: 0 };
  private readonly devices = new Map<string, DeviceState>();
  private readonly unions = new Map<string, readonly Tag[]>();
  private readonly plan: (tags: readonly Tag[]) => readonly (readonly Tag[])[];
  private ready: Ready[] = [];
  private running = new Map<Job, Ready>();
  private probes: ProbeDebt = { debtMs: 0, atMs: 0, slotMs: 0 };
  private lastWasSilent = false;
  private pathFailuresInRow = 0;
  private pathRestsUntilMs = Number.NEGATIVE_INFINITY;
  private readonly costMs: (tag: Tag) => number;

  /**
   * @param plan splits tags of one device into requests, `Driver.plan`
   * @param costMs line time of reading one tag by itself, to find the cheapest probe
   */
  constructor(
    classes: readonly ScanClass[],
    plan: (tags: readonly Tag[]) => readonly (readonly Tag[])[],
    startMs: number,
    costMs: (tag: Tag) => number = () => 0,
  ) {
    this.plan = plan;
    this.costMs = costMs;
    for (const { device, everyMs, tags } of classes) {
      const state = this.devices.get(device) ?? {
        health: healthy,
        lastAnswerMs: -1,
        countedFromMs: startMs,
        idle: [],
        probes: undefined,
      };
      state.idle.push({ device, everyMs, tags, nextMs: startMs, notBeforeMs: startMs });
      this.devices.set(device, state);
    }
  }

  /** The health of a device; online for one that has no polled tags. */
  health(device: string): Health {
    return this.devices.get(device)?.health ?? healthy;
  }

  /** How often in a row the gateway before the devices said that it has no path; 0 when it has one. */
  get pathFailures(): number {
    return this.pathFailuresInRow;
  }

  /** The next job, or undefined when none is due. It is under way until `done`. */
  take(nowMs: number): Job | undefined {
    if (nowMs < this.pathRestsUntilMs) return undefined;
    for (const [name, state] of this.devices) if (state.health.state !== 'offline') this.release(name, state, nowMs);
    this.releaseProbe(nowMs);
    const best = this.best(nowMs);
    if (!best) return undefined;
    this.ready.splice(this.ready.indexOf(best), 1);
    this.running.set(best, best);
    return best;
  }

  /** When to ask `take` again if nothing is due now; Infinity when only the end of a job can bring more. */
  nextDueMs(): number {
    let earliest = this.ready.length > 0 ? 0 : Number.POSITIVE_INFINITY;
    const isProbing = this.probing();
    for (const { health, idle } of this.devices.values()) {
      // One probe at a time: while one is under way, only its end brings the next.
      if (idle.length === 0 || (isProbing && health.state === 'offline')) continue;
      if (health.state === 'offline') earliest = Math.min(earliest, Math.max(health.nextProbeMs, this.probes.slotMs));
      else for (const scanClass of idle) earliest = Math.min(earliest, dueMsOf(scanClass));
    }
    return Math.max(earliest, this.pathRestsUntilMs);
  }

  /**
   * Ends a job taken before.
   *
   * @returns the device's health when its state changed, else undefined
   */
  done(job: Job, end: JobEnd, startedMs: number, nowMs: number): Health | undefined {
    const state = this.devices.get(job.device)!;
    const scan = this.running.get(job)?.scan;
    this.running.delete(job);
    const before = state.health;
    if (end === 'not-asked') this.onNotAsked(job, state, nowMs);
    else if (end === 'answered') this.onAnswer(state, nowMs);
    else this.onSilence(state, end, startedMs, nowMs);
    if (scan) this.endOne(state, scan, end === 'not-asked' ? nowMs + NOT_ASKED_REST_MS : nowMs);
    return state.health.state === before.state ? undefined : state.health;
  }

  /**
   * Forgets everything under way: the line was lost. What was cut short is asked for again soon after the line is back,
   * behind the others, however long its period is; silent devices are asked at once.
   */
  reset(nowMs: number): void {
    const open = new Set<Scan>();
    for (const { scan } of [...this.ready, ...this.running.values()]) if (scan) open.add(scan);
    for (const scanClass of [...open].flatMap(({ classes }) => classes)) {
      scanClass.notBeforeMs = nowMs + Math.min(scanClass.everyMs, AGAIN_AFTER_LOSS_MS);
      this.devices.get(scanClass.device)!.idle.push(scanClass);
    }
    this.ready = [];
    this.running = new Map();
    this.lastWasSilent = false;
    this.pathFailuresInRow = 0;
    this.pathRestsUntilMs = Number.NEGATIVE_INFINITY;
    this.wakeOthers(nowMs);
  }

  /** The line is there, again or for the first time. */
  connected(nowMs: number): void {
    for (const state of this.devices.values()) state.countedFromMs = nowMs;
  }

  private onAnswer(state: DeviceState, nowMs: number): void {
    const wasOffline = state.health.state === 'offline';
    this.lastWasSilent = false;
    this.pathFailuresInRow = 0;
    state.health = afterAnswer();
    state.lastAnswerMs = nowMs;
    if (state.probes) state.probes.turn = 0;
    if (!wasOffline) return;
    state.countedFromMs = nowMs;
    this.wakeOthers(nowMs);
  }

  private onSilence(state: DeviceState, end: 'silent' | 'path', startedMs: number, nowMs: number): void {
    const before = state.health;
    this.lastWasSilent = true;
    state.health = afterSilence(before, nowMs);
    // Scans of a device that is not known to be gone are no probes: they are not paid for later.
    const debt = before.state === 'offline' ? this.probes : { debtMs: 0, atMs: startedMs, slotMs: 0 };
    if (before.state !== 'online') this.probes = afterProbe(debt, nowMs, nowMs - startedMs);
    if (end === 'path') this.pathRestsUntilMs = nowMs + pathRestMs(++this.pathFailuresInRow);
  }

  private onNotAsked({ probe }: Job, state: DeviceState, nowMs: number): void {
    if (!probe || state.health.state !== 'offline') return;
    if (state.probes) state.probes.turn++;
    state.health = { ...state.health, nextProbeMs: nowMs + NOT_ASKED_REST_MS };
  }

  /** The offline device that has waited longest, so that each gets its turn however many there are. */
  private releaseProbe(nowMs: number): void {
    if (nowMs < this.probes.slotMs || this.probing()) return;
    let next: { readonly name: string; readonly state: DeviceState; readonly dueMs: number } | undefined;
    for (const [name, state] of this.devices) {
      if (state.health.state !== 'offline' || state.idle.length === 0) continue;
      const dueMs = state.health.nextProbeMs;
      if (dueMs <= nowMs && (!next || dueMs < next.dueMs)) next = { name, state, dueMs };
    }
    if (next?.state.health.state !== 'offline') return;
    const { name, state } = next;
    this.ready.push({ device: name, tags: this.probeTags(state), deadlineMs: nowMs, probe: true, scan: undefined });
    state.health = { ...next.state.health, nextProbeMs: Number.POSITIVE_INFINITY };
  }

  private release(name: string, state: DeviceState, nowMs: number): void {
    if (state.idle.length === 0) return;
    const due = state.idle.filter((scanClass) => dueMsOf(scanClass) <= nowMs);
    if (due.length === 0) return;
    state.idle = state.idle.filter((scanClass) => !due.includes(scanClass));
    const groups = this.plan(this.union(due));
    const scan: Scan = { classes: due, remaining: groups.length };
    const deadlineMs = Math.min(...due.map(({ nextMs, everyMs }) => nextMs + (everyMs || BACK_TO_BACK_DEADLINE_MS)));
    for (const tags of groups) this.ready.push({ device: name, tags, deadlineMs, probe: false, scan });
    this.counts.scans++;
    if (groups.length === 0) this.finish(scan, nowMs);
  }

  private probing(): boolean {
    return this.ready.some(({ probe }) => probe) || [...this.running.keys()].some(({ probe }) => probe);
  }

  /** One tag, the cheapest there is: what a probe asks is most often asked in vain. */
  private probeTags(state: DeviceState): readonly Tag[] {
    state.probes ??= {
      byCost: state.idle
        .flatMap(({ tags }) => tags)
        .map((tag) => ({ tag, costMs: this.costMs(tag) }))
        .sort((left, right) => left.costMs - right.costMs)
        .map(({ tag }) => tag),
      turn: 0,
    };
    const { byCost, turn } = state.probes;
    return byCost.slice(turn % byCost.length, (turn % byCost.length) + 1);
  }

  private union(classes: readonly ClassState[]): readonly Tag[] {
    if (classes.length === 1) return classes[0]!.tags;
    const key = classes.map(({ device, everyMs }) => `${device}@${everyMs}`).join(' ');
    const known = this.unions.get(key);
    if (known) return known;
    const tags = classes.flatMap((scanClass) => scanClass.tags);
    if (this.unions.size >= MAX_UNIONS * this.devices.size) this.unions.clear();
    this.unions.set(key, tags);
    return tags;
  }

  private best(nowMs: number): Ready | undefined {
    let best: Ready | undefined;
    for (const candidate of this.ready) if (!best || this.before(candidate, best, nowMs)) best = candidate;
    return best;
  }

  /** Silent devices stand back until the line has earned the time for another try, so that none starves for good. */
  private before(a: Ready, b: Ready, nowMs: number): boolean {
    const stateA = this.devices.get(a.device)!;
    const stateB = this.devices.get(b.device)!;
    if (nowMs < this.probes.slotMs) {
      const rank = Number(stateA.health.state !== 'online') - Number(stateB.health.state !== 'online');
      if (rank !== 0) return rank < 0;
    }
    if (this.lastWasSilent && stateA.lastAnswerMs !== stateB.lastAnswerMs)
      return stateA.lastAnswerMs > stateB.lastAnswerMs;
    return a.deadlineMs < b.deadlineMs;
  }

  private wakeOthers(nowMs: number): void {
    this.probes = { ...this.probes, slotMs: nowMs };
    for (const state of this.devices.values()) state.health = probeSoon(state.health, nowMs);
  }

  private endOne(state: DeviceState, scan: Scan, nowMs: number): void {
    scan.remaining--;
    if (state.health.state === 'offline') {
      this.ready = this.ready.filter((entry) => {
        if (entry.scan === scan) scan.remaining--;
        return entry.scan !== scan;
      });
    }
    if (scan.remaining === 0) this.finish(scan, nowMs);
  }

  private finish(scan: Scan, nowMs: number): void {
    for (const scanClass of scan.classes) {
      scanClass.nextMs = this.following(scanClass, nowMs);
      this.devices.get(scanClass.device)!.idle.push(scanClass);
    }
  }

  private following({ device, nextMs, everyMs }: ClassState, nowMs: number): number {
    if (everyMs === 0) return nowMs;
    const missed = missedTicks(nextMs, everyMs, nowMs);
    this.counts.skipped += missedTicks(Math.max(nextMs, this.devices.get(device)!.countedFromMs), everyMs, nowMs);
    return nextMs + (missed + 1) * everyMs;
  }
}

/** Ticks after the one that was due and before the last that came. */
function missedTicks(dueMs: number, everyMs: number, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - dueMs) / everyMs) - 1);
}

function dueMsOf({ nextMs, notBeforeMs }: ClassState): number {
  return Math.max(nextMs, notBeforeMs);
}
