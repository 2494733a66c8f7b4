/** Declares the commands that help when something does not work. */
import type { Command } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** The commands that help when something does not work. */
export function addSupportCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(
    program,
    'doctor',
    'what is wrong, why, and what to do first; exit 1 when something is, 0 with hints only',
    ['millgate doctor', 'millgate doctor --for 30s', 'millgate doctor --json --config ./millgate.yaml'],
  )
    .option('--for <DURATION>', 'judge the lines over this time from now, instead of since the start of the gateway')
    .option('--fix', 'open the folder of a store elsewhere, such as on /mnt, to the service; as root')
    .action(async (_options, command: Command) => {
      const { doctor } = await import('../doctor/doctor.ts');
      report(await doctor(optionsOf(command), context));
    });
  addCommand(program, 'support', 'one archive with everything that tells what is wrong, and without secrets', [
    'millgate support',
    'millgate support --output /tmp/press-shop.tar.gz',
  ])
    .option('--output <FILE>', 'where to (default: millgate-support-HOST-TIME.tar.gz in this folder)')
    .action(async (_options, command: Command) => {
      const { support } = await import('../support/support.ts');
      report(await support(optionsOf(command), await localOf(command, context)));
    });
}
