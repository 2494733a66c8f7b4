/** Declares the commands that help when something does not work. */
import { type Command, Option } from 'commander';
import { ROLES } from '../../api/tokens/tokens-view.ts';
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
  addCommand(program, 'token', 'tokens with which the API and the page are used over the network', [
    'millgate token create --role technician "Ann, early shift"',
    'millgate token list',
    'millgate token revoke 9b1e00c0',
  ])
    .argument('<ORDER>', 'create, list or revoke')
    .argument('[NAME]', 'with create: whose it is, for the journal; with revoke: its id or name')
    .addOption(new Option('--role <ROLE>', 'with create: what it allows').choices(ROLES))
    .action(async (order: string, name: string | undefined, _options, command: Command) => {
      const { token } = await import('../token.ts');
      report(await token(order, name, optionsOf(command), await localOf(command, context)));
    });
}
