/** Declares the commands around the command line itself. */
import { Argument, type Command } from 'commander';
import { SHELLS, type Shell } from '../shell/completion.ts';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, optionsOf, type Report } from './command.ts';

/** The commands around the command line itself and what comes with the program. */
export function addShellCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'profiles', 'device profiles there are, or the tags of one with their addresses', [
    'millgate profiles',
    'millgate profiles eastron-sdm120',
    'millgate profiles --json',
  ])
    .argument('[NAME]', 'name of a profile')
    .action(async (name: string | undefined, _options, command: Command) => {
      const { profiles } = await import('../profiles.ts');
      report(await profiles(name, optionsOf(command), context));
    });
  const completionExamples = [
    'source <(millgate completion bash)',
    'millgate completion zsh > ~/.zfunc/_millgate',
    'millgate completion fish | source',
  ];
  const completionWords = 'completes commands, options and the names of your configuration in a shell';
  addCommand(program, 'completion', completionWords, completionExamples, [])
    .addArgument(new Argument('<SHELL>', 'which shell').choices(SHELLS))
    .action(async (shell: Shell) => {
      const { completion } = await import('../shell/completion.ts');
      report(completion(shell, context));
    });
}
