/** Works out of a journal which lot ran on which machine, from when to when, its parts, and what was out of its limits meanwhile. */
import { correctionsIn, type Journal, recordNumber, type WireEvent } from './corrections.ts';
import { type LotTag, outOfLimits, type Past } from './out-of-limits.ts';

/** A machine that says which lot it makes: its devices, the stations at which its parts are judged, and its tags with limits. */
export interface LotMachine {
  readonly machine: string;
  readonly devices: readonly string[];
  readonly stations: readonly string[];
  readonly tags: readonly LotTag[];
}

/** Something that was out of its limits while a lot ran. */
interface LotFinding {
  readonly kind: 'alarm' | 'spc' | 'part' | 'reading';
  readonly t: number;
  /** UTC ms of the last reading that was out of its limits; null: not of readings. */
  readonly until: number | null;
  /** Name of the alarm or chart; of a part its station, of readings their tag. */
  readonly name: string;
  readonly tag: string | null;
  /** Of readings the one that is furthest out. */
  readonly value: unknown;
  /** Limits as the event or the file tells them. */
  readonly low: number | null;
  readonly high: number | null;
  readonly unit: string | null;
  readonly serial: string | null;
  readonly message: string;
}

/** A part of a lot, as it was put right. `record` is its number in the chain of quality records. */
interface LotPart {
  readonly t: number;
  readonly station: string;
  readonly serial: string | null;
  readonly result: string;
  readonly record: number | null;
}

/** One run of a lot on a machine. Times are UTC ms; `from` null: before what is stored; `to` null: it runs. */
export interface LotRun {
  readonly lot: string;
  /** The station, where a lot was named by parts alone. */
  readonly machine: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly parts: { readonly pass: number; readonly fail: number; readonly incomplete: number };
  readonly findings: readonly LotFinding[];
  /** Findings beyond those that are listed. */
  readonly more: number;
  readonly serials: readonly LotPart[];
  /** Parts beyond those that are listed. */
  readonly moreSerials: number;
}

/** Findings and parts that are listed of a run. */
const MOST_FINDINGS = 1000;
const MOST_SERIALS = 10_000;

interface OpenRun {
  readonly lot: string;
  readonly machine: string;
  from: number | null;
  to: number | null;
  readonly parts: { pass: number; fail: number; incomplete: number };
  readonly findings: LotFinding[];
  more: number;
  readonly serials: LotPart[];
  moreSerials: number;
}

/**
 * Every run of a lot, oldest first, with the parts as they were put right and what was out of its limits: alarms, signals of
 * charts, parts that did not pass, and readings beyond `min` and `max` of their tags, with or without an alarm.
 *
 * @param span what the journal is of, UTC ms: for a run that began before or is not over
 */
export async function lotsIn(
  journal: Journal,
  machines: readonly LotMachine[],
  past: Past,
  {
    lot,
    span,
  }: { readonly lot?: string | undefined; readonly span: { readonly fromMs: number; readonly toMs: number } },
): Promise<readonly LotRun[]> {
  const corrections = await correctionsIn(journal);
  const genealogy = new Genealogy(machines, await beginningsIn(journal));
  for await (const page of journal())
    for (const event of page) {
      const record = recordNumber(event);
      const own = record === undefined ? [] : (corrections.get(record) ?? []);
      const right = Object.fromEntries(own.map(({ member, to }) => [member, to]));
      genealogy.take(own.length === 0 ? event : { ...event, ...right });
    }
  const runs = genealogy.all().filter((run) => lot === undefined || run.lot === lot);
  for (const run of runs) {
    const tags = machines.find(({ machine }) => machine === run.machine)?.tags ?? [];
    for (const tag of tags)
      for (const out of await outOfLimits(past, tag, { fromMs: run.from ?? span.fromMs, toMs: run.to ?? span.toMs }))
        list(run, { ...out, kind: 'reading', name: tag.tag, serial: null });
    run.findings.sort((a, b) => a.t - b.t);
  }
  return runs;
}

/** What each machine made when the journal begins: the first change of its job says it, or the first report of a shift. */
async function beginningsIn(journal: Journal): Promise<ReadonlyMap<string, string>> {
  const beginnings = new Map<string, string | null>();
  for await (const page of journal())
    for (const { kind, change, machine, before, report, revised } of page) {
      const name = String(machine);
      // A reason that came late tells of an old shift again.
      if (kind !== 'production' || beginnings.has(name) || revised === true) continue;
      const lot =
        change === 'job' ? before : change === 'shift' ? (report as { job?: unknown } | undefined)?.job : undefined;
      if (lot !== undefined) beginnings.set(name, typeof lot === 'string' ? lot : null);
    }
  return new Map([...beginnings].flatMap(([name, lot]) => (lot === null ? [] : [[name, lot] as const])));
}

/** Runs of lots, out of events that are given oldest first. */
class Genealogy {
  private readonly machines: readonly LotMachine[];
  private readonly runs: OpenRun[] = [];
  private readonly current = new Map<string, OpenRun>();

  constructor(machines: readonly LotMachine[], beginnings: ReadonlyMap<string, string>) {
    this.machines = machines;
    for (const { machine } of machines) {
      const lot = beginnings.get(machine);
      if (lot !== undefined) this.open(machine, lot, null);
    }
  }

  take(event: WireEvent): void {
    if (event.kind === 'production' && event.change === 'job') this.change(event);
    else if (event.kind === 'quality' && event.what === 'part') this.part(event);
    else if (isFinding(event) && typeof event.tag === 'string') {
      const device = event.tag.split('/')[0]!;
      for (const { machine } of this.machines.filter(({ devices }) => devices.includes(device)))
        this.keep(machine, event);
    }
  }

  /** Every run, oldest first. */
  all(): readonly OpenRun[] {
    return this.runs;
  }

  private change({ machine: name, job, from }: WireEvent): void {
    const machine = String(name);
    if (!this.machines.some((each) => each.machine === machine)) return;
    const at = typeof from === 'number' ? from : null;
    const known = this.current.get(machine);
    if (known) known.to = at;
    this.current.delete(machine);
    if (typeof job === 'string') this.open(machine, job, at);
  }

  private open(machine: string, lot: string, from: number | null): void {
    const run = emptyRun(lot, machine, from);
    this.runs.push(run);
    this.current.set(machine, run);
  }

  /** A part goes to the lot that it names, which may be over by now; one that names none to the lot of its time. */
  private part(event: WireEvent): void {
    const station = String(event.station);
    const own = this.machines.filter(({ stations }) => stations.includes(station)).map(({ machine }) => machine);
    if (typeof event.job !== 'string') {
      for (const machine of own) this.keep(machine, event);
      return;
    }
    const named = this.runs.findLast(({ lot, machine }) => lot === event.job && own.includes(machine));
    if (named) enter(named, event);
    else this.alone(station, event);
  }

  /** A lot that no machine names is told of by its station, from its first part to its last. */
  private alone(station: string, event: WireEvent): void {
    const lot = String(event.job);
    const known = this.runs.findLast((run) => run.lot === lot && run.machine === station);
    const run = known ?? emptyRun(lot, station, typeof event.from === 'number' ? event.from : Number(event.t));
    if (!known) this.runs.push(run);
    run.to = Number(event.t);
    enter(run, event);
  }

  private keep(machine: string, event: WireEvent): void {
    const run = this.current.get(machine);
    if (run) enter(run, event);
  }
}

function emptyRun(lot: string, machine: string, from: number | null): OpenRun {
  const parts = { pass: 0, fail: 0, incomplete: 0 };
  return { lot, machine, from, to: null, parts, findings: [], more: 0, serials: [], moreSerials: 0 };
}

/** An alarm on a limit that was raised, or a signal of a chart. */
function isFinding({ kind, change, limit }: WireEvent): boolean {
  return kind === 'spc' || (kind === 'alarm' && change === 'raised' && limit !== undefined);
}

function enter(run: OpenRun, event: WireEvent): void {
  if (event.kind !== 'quality') {
    list(run, findingOf(event));
    return;
  }
  const { result, t, station, serial } = event;
  if (result === 'pass' || result === 'fail' || result === 'incomplete') run.parts[result]++;
  if (run.serials.length >= MOST_SERIALS) run.moreSerials++;
  else
    run.serials.push({
      t: Number(t),
      station: String(station),
      serial: typeof serial === 'string' ? serial : null,
      result: String(result),
      record: recordNumber(event) ?? null,
    });
  if (result !== 'pass') list(run, findingOf(event));
}

function list(run: OpenRun, finding: LotFinding): void {
  if (run.findings.length >= MOST_FINDINGS) run.more++;
  else run.findings.push(finding);
}

function findingOf({
  kind,
  t,
  id,
  station,
  tag,
  value,
  limit,
  lcl,
  ucl,
  unit,
  serial,
  message,
}: WireEvent): LotFinding {
  const [low, high] = kind === 'spc' ? [lcl, ucl] : Array.isArray(limit) ? limit : sidesOf(value, limit);
  return {
    kind: kind === 'alarm' ? 'alarm' : kind === 'spc' ? 'spc' : 'part',
    t: Number(t),
    until: null,
    name: String(id ?? station),
    tag: typeof tag === 'string' ? tag : null,
    value: value ?? null,
    low: typeof low === 'number' ? low : null,
    high: typeof high === 'number' ? high : null,
    unit: typeof unit === 'string' ? unit : null,
    serial: typeof serial === 'string' ? serial : null,
    message: String(message),
  };
}

/** A single limit as the side that a value is beyond. */
function sidesOf(value: unknown, limit: unknown): readonly unknown[] {
  return typeof value === 'number' && typeof limit === 'number' && value < limit ? [limit] : [undefined, limit];
}

/** The columns of a lot as a table for a customer. */
export const LOT_COLUMNS =
  'lot,machine,from,to,kind,t,until,name,tag,value,low,high,unit,serial,result,record,pass,fail,incomplete,outOfLimits,message';

/** Cells of a run: its own row, one for each finding, and one for each part. Times are ISO 8601 in UTC. */
export function lotRows({ lot, machine, from, to, parts, findings, more, serials, moreSerials }: LotRun): string[][] {
  const time = (ms: number | null): string => (ms === null ? '' : new Date(ms).toISOString());
  const cell = (value: unknown): string => (value === null || value === undefined ? '' : String(value));
  const run = [lot, machine, time(from), time(to)];
  const { pass, fail, incomplete } = parts;
  const out = findings.length + more;
  const left = [more > 0 ? `; ${more} findings` : '', moreSerials > 0 ? `; ${moreSerials} parts` : ''].join('');
  const sums = `parts: ${pass} pass, ${fail} fail, ${incomplete} incomplete; ${out} out of limits${left === '' ? '' : `; not listed${left}`}`;
  const blank = (count: number): string[] => Array.from({ length: count }, () => '');
  const none = blank(4);
  return [
    [...run, 'run', time(from), time(to), ...blank(9), ...[pass, fail, incomplete, out].map(String), sums],
    ...findings
      .filter(({ kind }) => kind !== 'part')
      .map(({ kind, t, until, name, tag, value, low, high, unit, message }) => {
        const judged = [name, ...[tag, value, low, high, unit].map(cell)];
        return [...run, kind, time(t), time(until), ...judged, ...blank(3), ...none, message];
      }),
    ...serials.map(({ t, station, serial, result, record }) => {
      const message = findings.find((each) => each.kind === 'part' && each.t === t && each.serial === serial)?.message;
      const part = [...[serial].map(cell), result, cell(record)];
      return [...run, 'part', time(t), '', station, ...blank(5), ...part, ...none, message ?? ''];
    }),
  ];
}
