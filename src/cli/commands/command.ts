/** What every declaration of a command uses: common options, examples, and the exit code. */
import { type Command, Option } from 'commander';
import type { ExitCode } from '../../core/errors.ts';
import { inTimezone } from '../configuration.ts';
import { type CliContext, type CommonOptions, DEFAULT_CONFIG_FILE } from '../terminal/context.ts';

/** Carries a command's exit code out of the command tree. */
export type Report = (exitCode: ExitCode) => void;

/** Gives a command the options that every command takes. */
export function common(command: Command, takes: readonly ('config' | 'json')[] = ['config', 'json']): Command {
  const config = new Option('--config <FILE>', `configuration file (default: ${DEFAULT_CONFIG_FILE})`);
  if (takes.includes('config')) command.addOption(config);
  if (takes.includes('json')) command.addOption(new Option('--json', 'JSON on standard output'));
  return command;
}

/** Adds a command with its description and its examples, which every command has. */
export function addCommand(
  program: Command,
  name: string,
  description: string,
  examples: readonly string[],
  takes?: readonly ('config' | 'json')[],
): Command {
  const command = program
    .command(name)
    .description(description)
    .showHelpAfterError(`(millgate help ${name} shows how)`);
  return common(command, takes).addHelpText(
    'after',
    ['', 'Examples:', ...examples.map((line) => `  ${line}`)].join('\n'),
  );
}

/** A command's options together with those given before its name. */
export function optionsOf<T extends CommonOptions>(command: Command): T {
  return command.optsWithGlobals<T>();
}

/** The world of a command that shows times: in the zone of the configuration. */
export function localOf(command: Command, context: CliContext): Promise<CliContext> {
  return inTimezone(optionsOf(command), context);
}
