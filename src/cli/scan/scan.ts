/** The command `scan`: finds what answers on a serial line, at hosts, or on an I²C bus. */
import { resolve } from 'node:path';
import type { FoundDevice, LineSetting, ScanWire, SearchLimits, SearchResult } from '../../../hal/scan.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { load, loadOrFail } from '../configuration.ts';
import { isNotConnected, noConnection } from '../direct.ts';
import { refuseOwned } from '../owner.ts';
import {
  type CliContext,
  type CommonOptions,
  configFile,
  print,
  printJson,
  tableWidth,
  warn,
} from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { formatSpan, plain } from '../terminal/format.ts';
import { createProgress } from '../terminal/progress.ts';
import { renderTable } from '../terminal/table.ts';
import { type HostRange, scanHosts } from './scan-hosts.ts';
import { profilesFor } from './scan-identify.ts';
import { parseNumbers, parseParities, parseTarget, type ScanOptions } from './scan-target.ts';
import { nextSteps, registerLines, type UnitRow, unitJson, unitTable } from './scan-text.ts';
import { describeUnit } from './scan-unit.ts';

/**
 * `scan TARGET`: what answers on a serial line, at hosts, or on an I²C bus. Never writes. Exit 0 when something was found,
 * 69 when nothing was, or the port is not there or in use, 77 when it may not be used.
 */
export async function scan(target: string, options: ScanOptions, context: CliContext): Promise<ExitCode> {
  const wire = await wireNamed(target, options, context);
  if (wire.kind === 'i2c') return scanI2cBus(wire.bus, options, context);
  if (wire.kind === 'hosts') {
    const { hosts, port } = wire;
    const places = hosts.map((host) => ({ kind: 'tcp' as const, host, port }));
    await refuseOwned(places, options, context);
    return scanHosts(wire, options, context);
  }
  return scanSerial(wire, options, context);
}

type Wire =
  | Extract<ScanWire, { kind: 'i2c' }>
  | { readonly kind: 'serial'; readonly port: string; readonly setting?: LineSetting }
  | HostRange;

/** What is to be scanned; a name is a channel of the file if there is such a channel, else a host. */
async function wireNamed(text: string, options: ScanOptions, context: CliContext): Promise<Wire> {
  const target = parseTarget(text);
  if (target.kind === 'serial') return { kind: 'serial', port: resolve(context.cwd, target.port) };
  if (target.kind !== 'name') return target;
  const { file, named } = configFile(options, context);
  const loaded = await load(file, context);
  const config = loaded.ok || !named ? loaded : { ok: true as const, config: await loadOrFail(options, context) };
  const channel = config.ok ? config.config.channels.find(({ name }) => name === target.name) : undefined;
  if (!channel) {
    const remark = config.ok ? `There is no channel ${target.name} in ${file} either.` : undefined;
    return { kind: 'hosts', hosts: [target.name], port: target.port, remark };
  }
  const { wireOf } = await import('../../../hal/scan.ts');
  const wire = wireOf(channel.driver, channel.options);
  if (!wire)
    throw new Fault(
      `channel ${channel.name} has the driver ${channel.driver.type}, which cannot be scanned`,
      'Name a serial line, a Modbus TCP host or an I²C bus.',
      EXIT.usage,
    );
  return wire.kind === 'host' ? { kind: 'hosts', hosts: [wire.host], port: wire.port } : wire;
}

/** What the flags limit the search to. */
export function limitsOf(options: ScanOptions, first?: LineSetting): SearchLimits {
  const { baud, parity, stopBits, units } = options;
  return {
    bauds: baud === undefined ? undefined : parseNumbers('baud', baud, 300, 4_000_000),
    parities: parity === undefined ? undefined : parseParities(parity),
    stopBits: stopBits === undefined ? undefined : (parseNumbers('stop-bits', stopBits, 1, 2) as (1 | 2)[]),
    units: units === undefined ? undefined : parseNumbers('units', units, 1, 247),
    first,
  };
}

/** A serial line searched and its units identified. */
interface SerialScan {
  readonly port: string;
  readonly result: SearchResult;
  readonly rows: readonly UnitRow[];
}

/**
 * Searches a port and asks every unit found who it is, with progress on standard error.
 *
 * @param atCtrlC what Ctrl-C does, for the person who waits
 * @throws Fault (exit 69 or 77) when the port cannot be used
 */
export async function searchSerial(
  port: string,
  limits: SearchLimits,
  options: ScanOptions,
  context: CliContext,
  atCtrlC = 'Ctrl-C ends it with what it has.',
): Promise<SerialScan> {
  await refuseOwned([{ kind: 'serial', path: port }], options, context);
  const { longestMs, searchPort, settingText } = await import('../../../hal/scan.ts');
  const timeoutMs = options.timeout === undefined ? undefined : durationOption('timeout', options.timeout);
  const most = formatSpan(longestMs(limits, timeoutMs, options.all ?? false));
  warn(context, [
    `Scanning ${port}: reads only, likeliest settings first, about ${most} at most${options.all ? '' : '; less once a unit answers'}. ${atCtrlC}`,
  ]);
  const progress = createProgress(context);
  const onProgress = (at: { setting: LineSetting; unit: number; done: number; leftMs: number; found: number }): void =>
    progress.show(at.done, at.leftMs, `${settingText(at.setting)} unit ${at.unit}, found ${at.found}`);
  try {
    const all = options.all ?? false;
    const search = { limits, timeoutMs, all, clock: context.clock, onProgress };
    const result = await searchPort(port, search, context.signal);
    const rows = await describeAll(port, result, options, context, (index, unit) =>
      progress.show(index / result.found.length, undefined, `asking unit ${unit} who it is`),
    );
    return { port, result, rows };
  } catch (error) {
    throw isNotConnected(error) ? noConnection(error) : error;
  } finally {
    progress.end();
  }
}

async function scanSerial(
  wire: Extract<Wire, { kind: 'serial' }>,
  options: ScanOptions,
  context: CliContext,
): Promise<ExitCode> {
  const { port, result, rows } = await searchSerial(wire.port, limitsOf(options, wire.setting), options, context);
  if (options.json) {
    const { heard, isComplete, questions, tookMs } = result;
    const lost = result.lost?.message;
    printJson(context, {
      port,
      found: rows.map(unitJson),
      heard,
      isComplete,
      lost,
      questions,
      tookMs: Math.round(tookMs),
    });
  } else if (rows.length > 0) print(context, [...unitTable(rows, context), ...registerLines(rows)]);
  warn(context, summaryOf(port, result, options));
  if (!options.json) warn(context, nextSteps(rows, context));
  return rows.length > 0 ? EXIT.ok : EXIT.unavailable;
}

/** How it ended, and where nothing was found what to look at. */
function summaryOf(port: string, result: SearchResult, { timeout, baud, parity, units }: ScanOptions): string[] {
  const { found, heard, isComplete, lost, questions, tookMs } = result;
  const after = `${questions} questions in ${formatSpan(tookMs)}`;
  const ending = isComplete
    ? []
    : [lost ? `The port was lost on the way: ${lost.message}` : 'Ended before all was asked.'];
  if (found.length > 0) {
    const count = `${found.length} ${found.length === 1 ? 'unit' : 'units'}`;
    return [...ending, `Found ${count} on ${port} (${after}).`];
  }
  if (!isComplete) return [...ending, `Nothing has answered on ${port} so far (${after}).`];
  const limited = baud !== undefined || parity !== undefined || units !== undefined;
  return [
    `Nothing answered on ${port} (${after}).`,
    heard.length > 0
      ? 'Bytes came that are no answer: another master on the line, noise, or A and B swapped. Disconnect other masters, check A/B and the common ground.'
      : 'Not a byte came: check that the device has power, that A goes to A and B to B (try them swapped), and that the adapter sends (its TX lamp).',
    ...(limited ? ['The search was limited by flags: leave them out to search everything.'] : []),
    ...(timeout === undefined
      ? ['A slow device at an unlikely address can be missed: --timeout 200ms gives each one more time.']
      : []),
  ];
}

/** Asks the units found who they are, and where those that are not known have registers. */
async function describeAll(
  port: string,
  { found }: SearchResult,
  options: ScanOptions,
  context: CliContext,
  onUnit: (index: number, unit: number) => void,
): Promise<UnitRow[]> {
  const profiles = found.length > 0 ? await profilesFor(options, context) : [];
  const rows: UnitRow[] = [];
  for (const [index, { setting, unit, thoughtMs }] of found.entries()) {
    onUnit(index, unit);
    const channel = { driver: 'modbus-rtu', port, ...setting, timeout: '500ms', retries: 1 };
    const description = await describeUnit(channel, unit, index, profiles, options, context);
    rows.push({ where: { kind: 'serial', port, setting }, unit, thoughtMs, ...description });
  }
  return rows;
}

/** `scan i2c-N`: the addresses that acknowledge, and which chips they are or may be. Exit 69 when there is none. */
async function scanI2cBus(bus: number, options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const { searchI2cBus } = await import('../../../hal/scan.ts');
  const progress = createProgress(context);
  let found: FoundDevice[];
  try {
    found = await searchI2cBus(bus, context.clock, context.signal, (address, done) =>
      progress.show(done, undefined, `address ${hex(address)}`),
    );
  } catch (error) {
    throw isNotConnected(error) ? noConnection(error) : error;
  } finally {
    progress.end();
  }
  return showChips(bus, found, options, context);
}

/** Prints what was found on a bus, and the lines for the file. Exit 69 when it is nothing. */
export function showChips(
  bus: number,
  found: readonly FoundDevice[],
  options: CommonOptions,
  context: CliContext,
): ExitCode {
  if (options.json) printJson(context, { bus, found });
  else if (found.length > 0) print(context, table(found, context));
  if (found.length === 0)
    warn(context, [
      `Nothing acknowledged on /dev/i2c-${bus}. Check power, SDA and SCL (swapped?), the pull-up resistors, and whether it is this bus.`,
    ]);
  else if (!options.json) warn(context, hint(bus, found));
  return found.length > 0 ? EXIT.ok : EXIT.unavailable;
}

function table(found: readonly FoundDevice[], context: CliContext): string[] {
  const rows = found.map(({ address, chip, candidates, trouble }) => [
    hex(address),
    chip ?? (candidates.length > 0 ? `may be ${candidates.join(' or ')}` : 'not known here'),
    plain(trouble ?? ''),
  ]);
  const columns = [
    { title: 'address' },
    { title: 'chip', cut: 'end', minWidth: 12 },
    { title: 'trouble', cut: 'end', drop: 1 },
  ] as const;
  return renderTable(columns, rows, tableWidth(context), context.colors.dim);
}

/** Lines for the file. */
function hint(bus: number, found: readonly FoundDevice[]): string[] {
  const first = found.find(({ chip, candidates }) => chip !== undefined || candidates.length > 0);
  if (!first) return [];
  const chip = first.chip ?? first.candidates[0]!;
  return [
    '',
    'For the file:',
    `  channels: {sensors: {driver: i2c, bus: ${bus}}}`,
    `  devices: {${chip}: {channel: sensors, unit: ${hex(first.address)}, chip: ${chip}}}`,
  ];
}

function hex(address: number): string {
  return `0x${address.toString(16).padStart(2, '0')}`;
}
