/** The command `doctor`: prints every finding with its cause and its remedy. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import type { Facts } from '../../doctor/facts.ts';
import type { Finding, Look } from '../../doctor/finding.ts';
import { type Diagnosis, judge } from '../../doctor/judge.ts';
import { isClosedToService, STORE_DROP_IN, storeDropIn } from '../../doctor/store-checks.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';
import { durationOption } from '../terminal/duration.ts';
import { plain } from '../terminal/format.ts';
import { cutText, displayWidth, wrapText } from '../terminal/table.ts';
import { gatherFacts } from './doctor-gather.ts';
import { type Machine, machineAt } from './read-machine.ts';

/** Options of `doctor`. */
interface DoctorOptions extends CommonOptions {
  /** Judge error statistics over this time instead of since the start of the gateway. */
  readonly for?: string;
  /** Write what the service needs for a store outside of its folder. */
  readonly fix?: boolean;
}

/**
 * `doctor`: what is wrong, each with its cause and its remedy, by what to do first. With the gateway running its
 * statistics tell; stopped, ports and files; without a file, the machine.
 *
 * @returns 1 when something is broken or a warning was found, 0 when nothing but hints
 */
export async function doctor(
  options: DoctorOptions,
  context: CliContext,
  machine: Machine = machineAt('/', context),
): Promise<ExitCode> {
  const watchMs = options.for === undefined ? undefined : durationOption('for', options.for);
  if (watchMs !== undefined && context.isTerminal && !options.json) warn(context, [`watching for ${options.for} …`]);
  const facts = await gatherFacts({ ...options, ...(watchMs !== undefined && { watchMs }) }, machine, context);
  if (options.fix) warn(context, openStoreToService(facts, machine));
  const diagnosis = judge(facts);
  const isWrong = diagnosis.findings.some(({ severity }) => severity !== 'hint');
  if (options.json) {
    const { configuration, running } = facts;
    const gateway = running ? { state: 'running', pid: running.status.pid } : { state: 'stopped' };
    printJson(context, {
      ok: !isWrong,
      config: { file: configuration.file, hash: configuration.hash },
      gateway,
      ...diagnosis,
    });
  } else print(context, [...stoppedLines(facts, context), ...diagnosisLines(diagnosis, context)]);
  return isWrong ? EXIT.failed : EXIT.ok;
}

/**
 * Mends what takes no decision: opens the folder of the store to the service. Says what was done, and what is left.
 *
 * @throws Fault 77 for a user who may not write it
 */
export function openStoreToService({ disk, service }: Pick<Facts, 'disk' | 'service'>, machine: Machine): string[] {
  if (!disk || !isClosedToService(disk.path, service)) return ['doctor --fix: there is nothing that it can mend.'];
  const file = join(machine.root, STORE_DROP_IN);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, storeDropIn(disk.path));
  } catch (error) {
    if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM' && codeOf(error) !== 'EROFS') throw error;
    const remedy = 'Run it as root: sudo millgate doctor --fix.';
    throw new Fault(`${STORE_DROP_IN} may not be written`, remedy, EXIT.permission, { cause: error });
  }
  return [
    `doctor --fix: wrote ${STORE_DROP_IN}. What is left to do:`,
    `  sudo install -d -o millgate -g millgate -m 750 ${disk.path}`,
    '  sudo systemctl daemon-reload && sudo systemctl restart millgate',
  ];
}

/** The part of the context that a page of text needs. */
type Page = Pick<CliContext, 'columns' | 'colors'>;

/** Text is not wrapped narrower than this, columns. */
const NARROWEST = 20;

/** Longest line of text, columns: longer ones are hard to read on a wide terminal. */
const WIDEST = 100;

/** That the gateway of a good file does not run comes before everything: nothing of it can be seen until it does. */
function stoppedLines({ running, configuration: { isValid, file } }: Facts, context: Page): string[] {
  if (running || !isValid) return [];
  const text = `The gateway of ${file} does not run. Start it: systemctl start millgate, or millgate run --config ${file}`;
  return [...indented(plain(text), '', context).map(context.colors.yellow), ''];
}

/** The diagnosis for a person: what to do first comes first. */
function diagnosisLines(diagnosis: Diagnosis, context: Page): string[] {
  const { findings, well, unseen } = diagnosis;
  const { colors } = context;
  return [
    ...findings.flatMap((finding, index) => [...findingLines(finding, index + 1, context), '']),
    ...lookLines(well, 'ok', colors.green, context),
    ...lookLines(unseen, '?', colors.yellow, context),
    ...(well.length + unseen.length > 0 ? [''] : []),
    summary(findings, context),
  ];
}

function findingLines({ severity, where, cause, remedy }: Finding, number: number, context: Page): string[] {
  const { colors } = context;
  const paint = paintOf(severity, context);
  const room = Math.max(NARROWEST, context.columns() - severity.length - 6);
  const head = `${String(number).padStart(2)}  ${paint(severity)}  ${colors.bold(cutText(plain(where), room, 'start'))}`;
  return [head, ...indented(plain(cause), '    ', context), ...indented(plain(remedy), '    → ', context)];
}

/** A command inside of a sentence: from its first word to the next comma, semicolon, bracket or end. */
const COMMAND =
  /\b(?:sudo|millgate|nc -vz|ping -c|journalctl|timedatectl|vcgencmd|iostat|uname|ps -eo) (?:"[^"]*"|[^;,()"])+?(?=[;,)]| \(|\. |$)/g;

/** Keeps the words of a command together, so that it can be copied from one line; one that is too long is wrapped. */
function keepCommands(text: string, width: number): string {
  return text.replaceAll(COMMAND, (command) =>
    displayWidth(command) < width ? command.replaceAll(' ', '\u00a0') : command,
  );
}

/** Text wrapped behind a mark; further lines begin below its first letter. */
function indented(text: string, mark: string, { columns }: Page): string[] {
  const width = Math.max(NARROWEST, Math.min(columns(), WIDEST) - displayWidth(mark));
  const blank = ' '.repeat(displayWidth(mark));
  return wrapText(keepCommands(text, width), width).map(
    (line, index) => `${index === 0 ? mark : blank}${line.replaceAll('\u00a0', ' ')}`,
  );
}

function lookLines(looks: readonly Look[], mark: string, paint: (text: string) => string, context: Page): string[] {
  return looks.flatMap(({ where, saw }) => {
    const lines = indented(plain(`${where}: ${saw}`), `${mark.padEnd(2)}  `, context);
    return lines.map((line, index) => (index === 0 ? `${paint(mark.padEnd(2))}${line.slice(2)}` : line));
  });
}

/** How many of each: `2 broken, 1 warning, 3 hints`. */
function summary(findings: readonly Finding[], { colors }: Page): string {
  if (findings.length === 0) return colors.green('nothing is wrong');
  const counts = (['broken', 'warning', 'hint'] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    if (count === 0) return [];
    return [`${count} ${severity}${severity === 'broken' || count === 1 ? '' : 's'}`];
  });
  const isWrong = findings.some(({ severity }) => severity !== 'hint');
  return `${isWrong ? '' : colors.green('nothing is wrong; ')}${counts.join(', ')}`;
}

function paintOf(severity: Finding['severity'], { colors }: Page): (text: string) => string {
  return { broken: colors.red, warning: colors.yellow, hint: colors.cyan }[severity];
}
