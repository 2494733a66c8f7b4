/** Words what `scan` found of a unit. */
import type { LineSetting } from '../../../hal/scan.ts';
import { type CliContext, tableWidth } from '../terminal/context.ts';
import { plain } from '../terminal/format.ts';
import { renderTable } from '../terminal/table.ts';
import type { Identified } from './scan-identify.ts';
import type { RegisterRange } from './scan-survey.ts';
import type { UnitDescription } from './scan-unit.ts';

/** Where a unit was found. */
type UnitPlace =
  | { readonly kind: 'serial'; readonly port: string; readonly setting: LineSetting }
  | { readonly kind: 'host'; readonly host: string; readonly port: number; readonly framing: 'tcp' | 'rtu' };

/** One unit that answered. */
export interface UnitRow extends UnitDescription {
  readonly where: UnitPlace;
  readonly unit: number;
  /** From the end of the question to the beginning of the answer, ms. */
  readonly thoughtMs: number;
}

/** What a unit says of itself, in one phrase; empty when it says nothing. */
export function selfDescription(who: Identified | undefined): string {
  if (!who) return '';
  const { vendor, productName, modelName, productCode, revision } = who.names;
  const named = [vendor, productName ?? modelName ?? productCode, revision].filter((part) => part !== undefined);
  return plain((named.length > 0 ? named.join(' ') : (who.serverText ?? '')).trim());
}

/** The profiles that fit a unit, in one phrase. */
export function profileText(who: Identified | undefined): string {
  if (!who || who.profiles.length === 0) return '';
  const names = who.profiles.map(({ profile }) => profile).join(' or ');
  return who.profiles[0]!.isSure ? names : `may be ${names}`;
}

/** Where units without a profile have registers, a line each: `unit 147: holding:4000-4063, input:0-9 (all zero)`. */
export function registerLines(rows: readonly UnitRow[]): string[] {
  return rows
    .filter(({ registers }) => registers.length > 0)
    .map(({ unit, registers }) => {
      const ranges = registers.map((range) => `${rangeText(range)}${range.isAlive ? '' : ' (all zero)'}`);
      return `unit ${unit} has registers at ${ranges.join(', ')}; there may be more`;
    });
}

function rangeText({ table, first, last }: RegisterRange): string {
  return `${table}:${first}${last > first ? `-${last}` : ''}`;
}

/** The units as a table. */
export function unitTable(rows: readonly UnitRow[], context: CliContext): string[] {
  const cells = rows.map((row) => [
    placeText(row.where),
    String(row.unit),
    `${Math.round(row.thoughtMs)} ms`,
    selfDescription(row.who) || { text: 'says nothing of itself', paint: context.colors.dim },
    profileText(row.who) || { text: 'none known', paint: context.colors.dim },
  ]);
  const isSerial = rows[0]?.where.kind === 'serial';
  const columns = [
    { title: isSerial ? 'setting' : 'host' },
    { title: 'unit', align: 'right' },
    { title: 'answers in', align: 'right', drop: 2 },
    { title: 'says of itself', cut: 'end', minWidth: 10 },
    { title: 'profile', cut: 'end', minWidth: 10, drop: 1 },
  ] as const;
  const width = tableWidth(context);
  return renderTable(columns, cells, width, context.colors.dim);
}

function placeText(where: UnitPlace): string {
  return where.kind === 'serial' ? lineText(where.setting) : `${where.host}:${where.port}`;
}

/** `9600 8N1`. */
function lineText({ baud, parity, stopBits }: LineSetting): string {
  return `${baud} 8${{ none: 'N', even: 'E', odd: 'O' }[parity]}${stopBits}`;
}

/** A unit as it is printed with `--json`. */
export function unitJson({ where, unit, thoughtMs, who, registers }: UnitRow): object {
  const place =
    where.kind === 'serial' ? where.setting : { host: where.host, port: where.port, framing: where.framing };
  return {
    ...place,
    unit,
    responseMs: Math.round(thoughtMs * 10) / 10,
    names: who?.names ?? {},
    serverText: who?.serverText,
    profiles: who?.profiles ?? [],
    registers,
  };
}

/** The commands to go on with, for the first unit of each place. */
export function nextSteps(rows: readonly UnitRow[], { invocation, colors }: CliContext): string[] {
  const [first] = rows;
  if (!first) return [];
  const known = first.who?.profiles[0];
  const flags = flagsOf(first.where);
  const target = first.where.kind === 'serial' ? first.where.port : `${first.where.host}:${first.where.port}`;
  const settings = first.where.kind === 'serial' ? ` ${flags.replace(/^--port \S+ /, '')}` : '';
  const range = first.registers[0] ? rangeText(first.registers[0]) : 'holding:0-99';
  const tags = known ? `--profile ${known.profile}` : '--tag NAME=holding:N,TYPE,ORDER,unit=V';
  return [
    '',
    colors.bold('Next'),
    ...(known
      ? []
      : [`  find its values:  ${invocation} probe ${target} ${first.unit} ${range}${settings} --expect VALUE`]),
    `  write the file:   ${invocation} init ${flags} --unit ${first.unit} ${tags}`,
  ];
}

/** A place as flags of `init`. */
function flagsOf(where: UnitPlace): string {
  if (where.kind === 'host')
    return `--host ${where.host}${where.port === 502 ? '' : `:${where.port}`}${where.framing === 'rtu' ? ' --framing rtu' : ''}`;
  const { baud, parity, stopBits } = where.setting;
  return `--port ${where.port} --baud ${baud} --parity ${parity}${stopBits === 1 ? '' : ` --stop-bits ${stopBits}`}`;
}
