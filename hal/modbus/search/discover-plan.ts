/** Plans in which order a serial line is searched for settings and units. */
import { characterMsOn, type SerialSettings } from '../../serial/settings.ts';
import { silenceMsOf } from '../line/timing.ts';

/** What has to fit on both ends of a serial line; RTU always has 8 data bits. */
export type LineSetting = Pick<SerialSettings, 'baud' | 'parity' | 'stopBits'>;

/** Which settings and units a search is limited to; undefined: all that are known. */
export interface SearchLimits {
  readonly bauds?: readonly number[] | undefined;
  readonly parities?: readonly LineSetting['parity'][] | undefined;
  readonly stopBits?: readonly LineSetting['stopBits'][] | undefined;
  readonly units?: readonly number[] | undefined;
  /** The setting to begin with: the one that a file gives. */
  readonly first?: LineSetting | undefined;
}

/** Some units to be asked at one setting, in this order. */
export interface SearchStep {
  readonly setting: LineSetting;
  readonly units: readonly number[];
  /** What is read: one holding register or, for devices that have none and say nothing to that, one input register. */
  readonly table: 'holding' | 'input';
  /** How long a device may think before the next one is asked, ms. */
  readonly allowanceMs: number;
}

/**
 * How likely a slave runs at a baud rate, in rough parts: only the order counts, so that the sum does not matter. MODBUS over Serial
 * Line V1.02 (2.5.1) asks every device for 9600 and 19200 and makes 19200 the default; of the 14 factory settings in
 * this project's device profiles ten are 9600, three 19200 and one 2400. Faster lines are found on drives and remote I/O.
 */
const BAUD_PARTS: Readonly<Record<number, number>> = {
  9600: 50,
  19200: 25,
  115200: 7,
  38400: 6,
  2400: 4,
  57600: 3,
  4800: 3,
  1200: 1,
};

/**
 * The same for parity and stop bits. The norm makes even parity the default and asks for two stop bits without parity;
 * in the field most devices leave the factory with no parity and one stop bit, except at the norm's own 19200.
 * Two stop bits beside a parity make a character of 12 bits, which the norm does not know.
 */
const FORMAT_PARTS: Readonly<Record<string, number>> = { N1: 50, E1: 30, N2: 8, O1: 5, E2: 0.2, O2: 0.1 };
const NORM_BAUD = 19_200;
const NORM_FORMAT = 'E1';
const NORM_PARTS = 70;

/** A baud rate that nobody expects but that was asked for. */
const UNKNOWN_PARTS = 1;

/** Units that devices are shipped with or that people like: low numbers, the last one, round ones. */
export const LIKELY_UNITS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 247, 100, 126];

/** Units of a serial line (Serial Line V1.02, 2.2). */
export const ALL_UNITS: readonly number[] = Array.from({ length: 247 }, (_, index) => index + 1);

/** What a device at a likely address may take to answer, and how long the sweep over all others waits, ms. */
export const LIKELY_ALLOWANCE_MS = 100;
const SWEEP_ALLOWANCE_MS = 20;

/** `9600 8N1`. */
export function settingText({ baud, parity, stopBits }: LineSetting): string {
  return `${baud} 8${formatOf({ parity, stopBits })}`;
}

/** All settings within the limits, the likeliest first. */
function settingsByLikelihood(limits: SearchLimits): LineSetting[] {
  const expected = new Set([...Object.keys(BAUD_PARTS).map(Number), ...(limits.first ? [limits.first.baud] : [])]);
  const bauds = limits.bauds ?? [...expected];
  const parities = limits.parities ?? (['none', 'even', 'odd'] as const);
  const stops = limits.stopBits ?? ([1, 2] as const);
  const settings = bauds.flatMap((baud) =>
    parities.flatMap((parity) => stops.map((stopBits): LineSetting => ({ baud, parity, stopBits }))),
  );
  const first = limits.first === undefined ? undefined : settingText(limits.first);
  return settings
    .map((setting, index) => {
      const parts = settingText(setting) === first ? Number.POSITIVE_INFINITY : partsOf(setting);
      return { setting, index, parts };
    })
    .sort((a, b) => b.parts - a.parts || a.index - b.index)
    .map(({ setting }) => setting);
}

/**
 * The whole search in its first order: likely units at all settings of the norm, then all other units there, then the
 * settings that the norm does not know, and at last the likely units once more by input registers.
 *
 * All other units take long, and longest on slow lines, so that there the settings come in the order of what they are
 * likely to bring in a second. Two stop bits come after all others: receivers look at the first one only, so that such a
 * device hears, and is heard, with one; few are stricter.
 *
 * @param allowanceMs how long every device may think; undefined: long for likely units, short for the sweep over the others
 */
export function planSearch(limits: SearchLimits, allowanceMs: number | undefined): SearchStep[] {
  const settings = settingsByLikelihood(limits);
  const units = limits.units ?? ALL_UNITS;
  // A few that were named are as good as likely ones.
  const isShort = units.length <= LIKELY_UNITS.length;
  const likely = isShort ? units : LIKELY_UNITS.filter((unit) => units.includes(unit));
  const others = units.filter((unit) => !likely.includes(unit));
  const isNormal = ({ parity, stopBits }: LineSetting): boolean => parity === 'none' || stopBits === 1;
  const normal = settings.filter(isNormal);
  const odd = settings.filter((setting) => !isNormal(setting));
  const longMs = allowanceMs ?? LIKELY_ALLOWANCE_MS;
  const shortMs = allowanceMs ?? SWEEP_ALLOWANCE_MS;
  const step = (table: SearchStep['table'], asked: readonly number[], waitMs: number) => (setting: LineSetting) => ({
    setting,
    units: asked,
    table,
    allowanceMs: waitMs,
  });
  const isFirst = ({ setting }: SearchStep): boolean => settings[0] === setting && limits.first !== undefined;
  const gain = (swept: SearchStep): number =>
    isFirst(swept) ? Number.POSITIVE_INFINITY : partsOf(swept.setting) / stepMs(swept);
  const isCovered = ({ setting }: SearchStep): boolean =>
    setting.stopBits === 2 && normal.some(({ baud, stopBits }) => baud === setting.baud && stopBits === 1);
  const sweeps = normal
    .map(step('holding', others, shortMs))
    .sort((a, b) => Number(isCovered(a)) - Number(isCovered(b)) || gain(b) - gain(a));
  return [
    ...normal.map(step('holding', likely, longMs)),
    ...sweeps,
    ...odd.map(step('holding', likely, longMs)),
    ...odd.map(step('holding', others, shortMs)),
    ...normal.map(step('input', likely, longMs)),
  ].filter(({ units: asked }) => asked.length > 0);
}

/**
 * What is asked once a unit answered at a setting: the others there, with patience.
 *
 * @param units those that did not answer yet
 */
export function patientStep(
  setting: LineSetting,
  units: readonly number[],
  allowanceMs: number | undefined,
): SearchStep {
  return { setting, units, table: 'holding', allowanceMs: allowanceMs ?? LIKELY_ALLOWANCE_MS };
}

/**
 * How long a search takes at most, ms, on a line without noise: everything is asked before a unit answers, and then the
 * others of its setting once more with patience. With `all` that may come at every setting.
 */
export function longestMs(limits: SearchLimits, allowanceMs: number | undefined, all: boolean): number {
  const others = (limits.units ?? ALL_UNITS).slice(1);
  const patientMs = settingsByLikelihood(limits).map((setting) =>
    others.length === 0 ? 0 : stepMs(patientStep(setting, others, allowanceMs)),
  );
  const plannedMs = planSearch(limits, allowanceMs).reduce((totalMs, step) => totalMs + stepMs(step), 0);
  return plannedMs + (all ? patientMs.reduce((totalMs, ms) => totalMs + ms, 0) : Math.max(...patientMs));
}

/**
 * The steps left in the order that signs of life suggest: bytes that are no frame come when somebody speaks whom we do
 * not understand, so that the same baud rate with another parity is likeliest, then the baud rates beside it.
 * The order among equals stays.
 *
 * @param signs settings at which something was heard
 */
export function reorder(steps: readonly SearchStep[], signs: readonly LineSetting[]): SearchStep[] {
  const known = [...new Set([...Object.keys(BAUD_PARTS).map(Number), ...steps.map(({ setting }) => setting.baud)])];
  known.sort((a, b) => a - b);
  const distance = ({ setting }: SearchStep): number =>
    Math.min(2, ...signs.map((sign) => Math.abs(known.indexOf(sign.baud) - known.indexOf(setting.baud))));
  return [0, 1, 2].flatMap((wanted) => steps.filter((step) => distance(step) === wanted));
}

/** Beyond wire time and allowance: what the line grants a busy host for bytes that are here but not read yet, ms. */
const HOST_MS = 6;

/** Bytes of a question for one register, and of its answer (Application Protocol V1.1b3, 6.3). */
const EXCHANGE_BYTES = 8 + 7;

/** Time to open a port with other settings, ms. */
const REOPEN_MS = 10;

/** How long a step takes when nobody answers, ms; at its end the last ones asked get the time that likely ones have. */
export function stepMs(step: SearchStep): number {
  const thinkingMs = Math.max(0, LIKELY_ALLOWANCE_MS - step.allowanceMs);
  return REOPEN_MS + step.units.length * questionMs(step) + thinkingMs;
}

/** How long one question of a step takes when nobody answers, ms. */
export function questionMs({ setting, allowanceMs }: SearchStep): number {
  return allowanceMs + EXCHANGE_BYTES * characterMsOf(setting) + 2 * silenceMsOf(setting.baud) + HOST_MS;
}

/** Time of one character at a setting, ms. */
export function characterMsOf(setting: LineSetting): number {
  return characterMsOn(settingsOn('', setting));
}

/** A port at a setting. */
export function settingsOn(port: string, { baud, parity, stopBits }: LineSetting): SerialSettings {
  return { port, baud, parity, stopBits, dataBits: 8 };
}

function formatOf({ parity, stopBits }: Pick<LineSetting, 'parity' | 'stopBits'>): string {
  return `${{ none: 'N', even: 'E', odd: 'O' }[parity]}${stopBits}`;
}

function partsOf(setting: LineSetting): number {
  const format = formatOf(setting);
  const parts = setting.baud === NORM_BAUD && format === NORM_FORMAT ? NORM_PARTS : FORMAT_PARTS[format]!;
  return (BAUD_PARTS[setting.baud] ?? UNKNOWN_PARTS) * parts;
}
