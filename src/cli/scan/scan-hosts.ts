/** Scans hosts for Modbus TCP, and prints which units answer. */
import type { HostFinding } from '../../../hal/scan.ts';
import { EXIT, type ExitCode } from '../../core/errors.ts';
import { type CliContext, print, printJson, warn } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatSpan } from '../terminal/format.ts';
import { createProgress } from '../terminal/progress.ts';
import { profilesFor } from './scan-identify.ts';
import { parseNumbers, type ScanOptions } from './scan-target.ts';
import { nextSteps, registerLines, type UnitRow, unitJson, unitTable } from './scan-text.ts';
import { describeUnit } from './scan-unit.ts';

/** Deadlines of one host that was named, and of each of a range, ms. */
const ONE = { connectTimeoutMs: 3000, timeoutMs: 1000 };
const MANY = { connectTimeoutMs: 1000, timeoutMs: 500 };

/** A device that answers to so many units, whatever they are, has none of its own. */
const ANY_UNIT = 3;

/** Asked for so many units on end, a host was asked for all that there may be: 1 to 247. */
const ALL = 240;

type Open = Extract<HostFinding, { state: 'open' }>;

/** Hosts to be scanned. */
export interface HostRange {
  readonly kind: 'hosts';
  readonly hosts: readonly string[];
  readonly port: number;
  /** What to add when the one host is not reached. */
  readonly remark?: string | undefined;
}

/** `scan` of hosts: where Modbus TCP is spoken, and by which units. Exit 0 when a unit or a gateway answered, else 69. */
export async function scanHosts(range: HostRange, options: ScanOptions, context: CliContext): Promise<ExitCode> {
  const { findings, open, rows } = await searchUnits(range, options, context);
  if (options.json)
    printJson(context, {
      hosts: findings.map(hostJson),
      found: rows.map(unitJson),
      isComplete: !context.signal.aborted,
    });
  else if (rows.length > 0) print(context, [...unitTable(rows, context), ...registerLines(rows)]);
  warn(context, [
    ...remarks(findings, open, range.remark, options, context),
    ...(options.json ? [] : nextSteps(rows, context)),
  ]);
  return open.some((each) => each.framing !== undefined) ? EXIT.ok : EXIT.unavailable;
}

/** What a search of hosts brought. */
interface HostScan {
  readonly findings: readonly HostFinding[];
  readonly open: readonly Open[];
  readonly rows: readonly UnitRow[];
}

/**
 * Searches hosts for units and asks every unit found who it is. What is searched, how far it is, and each unit the moment
 * it answers are told on standard error.
 */
export async function searchUnits(
  { hosts, port }: HostRange,
  options: ScanOptions,
  context: CliContext,
  atCtrlC = 'Ctrl-C ends it with what it has.',
): Promise<HostScan> {
  const { longestAtHost, searchHosts } = await import('../../../hal/scan.ts');
  const deadlines = hosts.length === 1 ? ONE : MANY;
  const timeoutMs = options.timeout === undefined ? deadlines.timeoutMs : durationOption('timeout', options.timeout);
  const units = options.units === undefined ? undefined : parseNumbers('units', options.units, 0, 255);
  const search = { ...deadlines, targets: hosts.map((host) => ({ host, port })), units, timeoutMs };
  const longest = formatSpan(longestAtHost(search));
  warn(context, [
    hosts.length === 1
      ? `Scanning ${hosts[0]}:${port}: reads only. ${plannedText(units)}; a silent device takes about ${longest}. ${atCtrlC}`
      : `Scanning ${hosts.length} hosts at port ${port}: reads only; a silent one takes about ${longest}, many are asked at once. ${atCtrlC}`,
  ]);
  const progress = createProgress(context);
  const findings = await searchHosts(
    {
      ...search,
      clock: context.clock,
      onProgress: ({ host, done, leftMs, found }) => progress.show(done, leftMs, `${host}, found ${found}`),
      onFound({ host, unit, thoughtMs }) {
        progress.end();
        warn(context, [`${host}:${port}: unit ${unit} answers (${Math.round(thoughtMs)} ms)`]);
      },
    },
    context.signal,
  );
  progress.end();
  const open = findings.filter((finding): finding is Open => finding.state === 'open');
  return { findings, open, rows: await rowsOf(open, options, context) };
}

/** What one host is asked, step by step. */
function plannedText(units: readonly number[] | undefined): string {
  return units === undefined
    ? 'Units 255, 0 and 1 first; where they are silent, RTU frames, and then all units to 247'
    : `${units.length === 1 ? `Unit ${units[0]}` : `${units.length} units`} as Modbus TCP, and where all are silent as RTU frames`;
}

function hostJson(finding: HostFinding): object {
  if (finding.state === 'closed') return finding;
  const { host, port, state, framing, asked, isGateway } = finding;
  return { host, port, state, framing, asked, isGateway };
}

/** One row a unit; one row for a device that answers to whatever it is asked. */
async function rowsOf(open: readonly Open[], options: ScanOptions, context: CliContext): Promise<UnitRow[]> {
  const profiles = open.length > 0 ? await profilesFor(options, context) : [];
  const rows: UnitRow[] = [];
  for (const { host, port, framing, units, asked } of open) {
    if (framing === undefined) continue;
    const own = answersToAny(units.length, asked) ? [units.find(({ unit }) => unit === 1) ?? units[0]!] : units;
    for (const { unit, thoughtMs } of own) {
      const channel = { driver: 'modbus-tcp', host, port, framing, timeout: '1s', retries: 1 };
      const description = await describeUnit(channel, unit, rows.length, profiles, options, context);
      rows.push({ where: { kind: 'host', host, port, framing }, unit, thoughtMs, ...description });
    }
  }
  return rows;
}

function answersToAny(answered: number, asked: number): boolean {
  return asked >= ANY_UNIT && answered === asked;
}

function remarks(
  findings: readonly HostFinding[],
  open: readonly Open[],
  remark: string | undefined,
  options: ScanOptions,
  context: CliContext,
): string[] {
  const lines = context.signal.aborted ? ['Ended before all was asked.'] : [];
  if (findings.length === 1 && findings[0]!.state === 'closed')
    lines.push(findings[0]!.reason, ...(remark === undefined ? [] : [remark]));
  if (findings.length > 1) lines.push(`${findings.length} hosts asked, ${open.length} with an open port.`);
  for (const { host, port, framing, units, asked, tried, isGateway } of open) {
    const name = `${host}:${port}`;
    if (framing === undefined)
      lines.push(
        `${name} takes connections but answered nothing: ${tried} were asked. Check that Modbus TCP is enabled there and this address allowed to use it${asked < ALL ? ', or name the units: --units 1-247' : ''}.`,
      );
    if (framing === 'rtu') lines.push(`${name} passes RTU frames through: write framing: rtu in its channel.`);
    if (isGateway && units.length === 0 && asked >= ALL)
      lines.push(`${name} is a gateway to a serial line, and none of its ${asked} units answered. Check that line.`);
    else if (isGateway && options.units === undefined && asked < ALL)
      lines.push(
        `${name} is a gateway to a serial line. Its units: ${context.invocation} scan ${host}${port === 502 ? '' : `:${port}`} --units 1-247`,
      );
    if (answersToAny(units.length, asked)) lines.push(`${name} answers to every unit id asked: it is one device.`);
  }
  return lines;
}
