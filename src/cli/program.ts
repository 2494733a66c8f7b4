/** Builds the tree of all commands and runs one command line in it. */
import { Command, CommanderError } from 'commander';
import { EXIT, type ExitCode, Fault, messageOf } from '../core/errors.ts';
import { programVersion } from '../core/file-system.ts';
import { addApplyCommands } from './commands/apply.ts';
import { addBusCommands } from './commands/bus.ts';
import { common, type Report } from './commands/command.ts';
import { addCommissioningCommands } from './commands/commissioning.ts';
import { addDaemonCommands } from './commands/daemon.ts';
import { addFleetCommands } from './commands/fleet.ts';
import { addInformationCommands } from './commands/information.ts';
import { addReadingCommands } from './commands/reading.ts';
import { addProductionCommands, addRuleCommands, addUpkeepCommands } from './commands/rules.ts';
import { addShellCommands } from './commands/shell.ts';
import { addSupportCommands } from './commands/support.ts';
import { addTraceCommands } from './commands/trace.ts';
import { COMPLETE } from './shell/completion.ts';
import { type CliContext, warn } from './terminal/context.ts';

/** Groups of commands, in the order of the help. */
const COMMANDS: readonly ((program: Command, context: CliContext, report: Report) => void)[] = [
  addDaemonCommands,
  addCommissioningCommands,
  addReadingCommands,
  addRuleCommands,
  addProductionCommands,
  addUpkeepCommands,
  addTraceCommands,
  addApplyCommands,
  addFleetCommands,
  addBusCommands,
  addInformationCommands,
  addSupportCommands,
  addShellCommands,
];

/**
 * Runs one command line in the world that `context` is.
 *
 * @param args the words after the program's name
 * @returns the exit code; nothing is thrown
 */
export async function runCommandLine(args: readonly string[], context: CliContext): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const report: Report = (code) => {
    exitCode = code;
  };
  // A service has no use for the other commands, and a slow board none for the time that they take.
  const program = commandTree(context, report, args[0] === 'run' ? [addDaemonCommands] : COMMANDS);
  try {
    const answered = await answerUnlisted(program, args, context);
    if (answered !== undefined) return answered;
    await program.parseAsync(withoutHelpOnNothing(program, args), { from: 'user' });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error, context);
  }
}

/** The word that is meant for shells, not for a person; undefined for any other. */
async function answerUnlisted(
  program: Command,
  [word, ...rest]: readonly string[],
  context: CliContext,
): Promise<ExitCode | undefined> {
  if (word === COMPLETE) {
    const { answerShell } = await import('./shell/completion.ts');
    return answerShell(program, rest, context);
  }
  return undefined;
}

/** Help on a word that is no command is told so, as the word alone is; the parser would show the help of the program. */
function withoutHelpOnNothing(program: Command, args: readonly string[]): readonly string[] {
  const [word, about] = args;
  if (word !== 'help' || about === undefined || about.startsWith('-')) return args;
  const isKnown = program.commands.some((command) => command.name() === about || command.aliases().includes(about));
  return isKnown ? args : [about];
}

/** Says what went wrong on standard error: a fault in its one line, anything else as the bug it is. */
function exitCodeOf(error: unknown, context: CliContext): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  // A command that is over with Ctrl-C, such as watch, ends by itself; what ends here was cut short.
  if (context.signal.aborted && error === context.signal.reason) return EXIT.failed;
  if (error instanceof Fault) {
    warn(context, [`millgate: ${error.message}`]);
    return error.code;
  }
  warn(context, [`millgate: ${messageOf(error)}. This is a bug; please report it. MILLGATE_DEBUG=1 shows where.`]);
  if (context.env.MILLGATE_DEBUG && error instanceof Error) warn(context, [error.stack ?? '']);
  return EXIT.failed;
}

/** The commands, all or some groups, their options and their examples. What they do is imported when one is called. */
export function commandTree(context: CliContext, report: Report, commands = COMMANDS): Command {
  const program = new Command('millgate')
    .description('Edge gateway agent: polls machines, keeps every reading, syncs upstream.')
    .version(`millgate ${programVersion()}`, '-V, --version', 'print the version')
    .helpCommand('help [COMMAND]', 'show help for a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHelpWidth: context.columns,
      getErrHelpWidth: context.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('(millgate help shows how)')
    .addHelpText('after', EXIT_CODES);
  common(program);
  for (const add of commands) add(program, context, report);
  return program;
}

const EXIT_CODES = `
Begin with: millgate demo, then millgate check FILE and millgate run --config FILE.
Exit codes: 0 ok, 1 failed, 2 usage, 69 unavailable (daemon, port or device),
            77 permission, 78 configuration invalid.
Environment: MILLGATE_CONFIG, MILLGATE_SOCKET, NO_COLOR, MILLGATE_DEBUG.`;
