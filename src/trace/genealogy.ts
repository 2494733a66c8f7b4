/** Works out of a journal which lot ran on which machine, from when to when, and what was out of its limits meanwhile. */

/** An event as on the wire. */
type WireEvent = Readonly<Record<string, unknown>>;

/** A machine of the configuration: which devices are its own, and the stations at which its parts are judged. */
export interface LotMachine {
  readonly machine: string;
  readonly devices: readonly string[];
}

/** Something that was out of its limits while a lot ran. */
interface LotFinding {
  readonly kind: 'alarm' | 'spc' | 'part';
  readonly t: number;
  /** Name of the alarm or chart; of a part its station. */
  readonly name: string;
  readonly tag: string | null;
  readonly value: unknown;
  /** Limits as the event tells them. */
  readonly low: number | null;
  readonly high: number | null;
  readonly serial: string | null;
  readonly message: string;
}

/** One run of a lot on a machine. Times are UTC ms; `from` null: before what is stored; `to` null: it runs. */
export interface LotRun {
  readonly lot: string;
  readonly machine: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly parts: { readonly pass: number; readonly fail: number; readonly incomplete: number };
  readonly findings: readonly LotFinding[];
  /** Findings beyond those that are listed. */
  readonly more: number;
}

/** Findings that are listed of a run. */
const MOST_FINDINGS = 1000;

interface OpenRun {
  readonly lot: string;
  readonly machine: string;
  readonly from: number | null;
  to: number | null;
  readonly parts: { pass: number; fail: number; incomplete: number };
  readonly findings: LotFinding[];
  more: number;
}

/** Runs of lots, out of events that are given oldest first. */
export class Genealogy {
  private readonly machines: readonly LotMachine[];
  private readonly runs: OpenRun[] = [];
  private readonly current = new Map<string, OpenRun>();
  /** Findings of a machine before its first change of jobs: what ran then is told by that change. */
  private readonly early = new Map<string, WireEvent[]>();

  /** @param machines those that have a job in the configuration */
  constructor(machines: readonly LotMachine[]) {
    this.machines = machines;
  }

  take(event: WireEvent): void {
    if (event.kind === 'production' && event.change === 'job') {
      this.change(event);
      return;
    }
    if (!isFinding(event)) return;
    const device = typeof event.tag === 'string' ? event.tag.split('/')[0]! : undefined;
    for (const { machine, devices } of this.machines) {
      const isOwn = device === undefined ? this.isPartOf(event, machine, devices) : devices.includes(device);
      if (!isOwn) continue;
      const run = this.current.get(machine);
      if (run) enter(run, event);
      else if (!this.early.has(machine) || this.early.get(machine)!.length < MOST_FINDINGS)
        this.early.set(machine, [...(this.early.get(machine) ?? []), event]);
    }
  }

  /** Every run, oldest first. */
  all(): readonly LotRun[] {
    return this.runs.filter(({ lot }) => lot !== '');
  }

  private change({ machine: name, job, before, from }: WireEvent): void {
    const machine = String(name);
    if (!this.machines.some((each) => each.machine === machine)) return;
    const at = typeof from === 'number' ? from : null;
    const known =
      this.current.get(machine) ?? (typeof before === 'string' ? this.open(machine, before, null) : undefined);
    for (const event of this.early.get(machine) ?? []) if (known) enter(known, event);
    this.early.delete(machine);
    if (known) known.to = at;
    if (typeof job === 'string') this.open(machine, job, at);
    // Without a job nothing runs that anybody would ask for.
    else this.current.set(machine, { lot: '', machine, from: at, to: null, ...nothing() });
  }

  private open(machine: string, lot: string, from: number | null): OpenRun {
    const run: OpenRun = { lot, machine, from, to: null, ...nothing() };
    this.runs.push(run);
    this.current.set(machine, run);
    return run;
  }

  /** Whether a part is of a machine: by the devices of its results, and by its lot where it names one. */
  private isPartOf({ values, job }: WireEvent, machine: string, devices: readonly string[]): boolean {
    const run = this.current.get(machine);
    if (typeof job === 'string' && run) return job === run.lot;
    const tags = Array.isArray(values)
      ? (values as { tag?: unknown }[]).map(({ tag }) => String(tag).split('/')[0]!)
      : [];
    return tags.some((device) => devices.includes(device));
  }
}

function nothing(): Pick<OpenRun, 'parts' | 'findings' | 'more'> {
  return { parts: { pass: 0, fail: 0, incomplete: 0 }, findings: [], more: 0 };
}

/** An alarm on a limit that was raised, a signal of a chart, or the record of a part. */
function isFinding({ kind, change, limit, what }: WireEvent): boolean {
  if (kind === 'alarm') return change === 'raised' && limit !== undefined;
  return kind === 'spc' || (kind === 'quality' && what === 'part');
}

function enter(run: OpenRun, event: WireEvent): void {
  const { kind, result } = event;
  const isPart = kind === 'quality';
  if (isPart && (result === 'pass' || result === 'fail' || result === 'incomplete')) run.parts[result]++;
  if (isPart && result === 'pass') return;
  if (run.findings.length >= MOST_FINDINGS) run.more++;
  else run.findings.push(findingOf(event));
}

function findingOf({ kind, t, id, station, tag, value, limit, lcl, ucl, serial, message }: WireEvent): LotFinding {
  const [low, high] = kind === 'spc' ? [lcl, ucl] : Array.isArray(limit) ? limit : [undefined, limit];
  return {
    kind: kind === 'alarm' ? 'alarm' : kind === 'spc' ? 'spc' : 'part',
    t: Number(t),
    name: String(id ?? station),
    tag: typeof tag === 'string' ? tag : null,
    value: value ?? null,
    low: typeof low === 'number' ? low : null,
    high: typeof high === 'number' ? high : null,
    serial: typeof serial === 'string' ? serial : null,
    message: String(message),
  };
}

/** The columns of a lot as a table for a customer. */
export const LOT_COLUMNS = 'lot,machine,from,to,kind,t,name,tag,value,low,high,serial,message';

/** Cells of a run: its own row, then one for each finding. Times are ISO 8601 in UTC. */
export function lotRows({ lot, machine, from, to, parts, findings, more }: LotRun): string[][] {
  const time = (ms: number | null): string => (ms === null ? '' : new Date(ms).toISOString());
  const run = [lot, machine, time(from), time(to)];
  const { pass, fail, incomplete } = parts;
  const left = more === 0 ? '' : `; ${more} more were out of their limits`;
  const sums = `parts: ${pass} pass, ${fail} fail, ${incomplete} incomplete; ${findings.length} out of limits${left}`;
  const cell = (value: unknown): string => (value === null || value === undefined ? '' : String(value));
  return [
    [...run, 'run', time(from), '', '', '', '', '', '', sums],
    ...findings.map((each) => [
      ...run,
      each.kind,
      time(each.t),
      each.name,
      ...[each.tag, each.value, each.low, each.high, each.serial].map(cell),
      each.message,
    ]),
  ];
}
