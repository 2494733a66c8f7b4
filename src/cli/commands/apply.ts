/** Declares the commands that change the configuration while the gateway runs. */
import type { Command } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** The commands that change the configuration while the gateway runs. */
export function addApplyCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'apply', 'put a file in force: kept when data flows again, else rolled back by itself', [
    'millgate apply ./new.yaml',
    'millgate apply ./new.yaml --confirm 2m',
    'millgate apply --history',
  ])
    .argument('[FILE]', 'configuration file to put in force')
    .option('--confirm <DURATION>', 'roll back unless "millgate confirm" is given within this time')
    .option('--history', 'what was in force or was tried, who and when')
    .action(async (file: string | undefined, _options, command: Command) => {
      const { apply } = await import('../apply/apply.ts');
      report(await apply(file, optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'confirm', 'keep the configuration that is on trial', ['millgate confirm']).action(
    async (_options, command: Command) => {
      const { confirm } = await import('../apply/apply.ts');
      report(await confirm(optionsOf(command), await localOf(command, context)));
    },
  );
  addCommand(program, 'rollback', 'take back the configuration on trial, else return to the one kept before', [
    'millgate rollback',
    'millgate rollback --list',
  ])
    .option('--list', 'what was in force or was tried, who and when')
    .action(async (_options, command: Command) => {
      const { rollback } = await import('../apply/apply.ts');
      report(await rollback(optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'diff', 'what a file would change of what runs', ['millgate diff ./new.yaml', 'millgate diff'])
    .argument('[FILE]', 'configuration file; the one on the disk unless given')
    .action(async (file: string | undefined, _options, command: Command) => {
      const { diff } = await import('../apply/diff.ts');
      report(await diff(file, optionsOf(command), context));
    });
}
