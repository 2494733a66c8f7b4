/** Declares the commands that tell about the file, the gateway and the program. */
import type { Command } from 'commander';
import type { StatusOptions } from '../status/status.ts';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** The commands that tell about the file, the gateway and the program. */
export function addInformationCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'check', 'every problem of the configuration; then what will happen', [
    'millgate check',
    'millgate check ./millgate.yaml --json',
    'millgate check --online',
  ])
    .argument('[FILE]', 'configuration file')
    .option('--online', 'also read each tag once, through the gateway if it runs; exit 1 when one is bad')
    .action(async (file: string | undefined, _options, command: Command) => {
      const { check } = await import('../check/check.ts');
      report(await check(file, optionsOf(command), context));
    });
  addCommand(program, 'status', 'the gateway at a glance; answers (exit 0) with the gateway stopped, too', [
    'millgate status',
    'millgate status --watch',
    'millgate status --json',
    'millgate status --ledger',
  ])
    .option('--all', 'every device, however many are well')
    .option('--watch', 'keep it on the screen until Ctrl-C')
    .option('--ledger', 'where every record and event went, and whether it adds up')
    .action(async (_options, command: Command) => {
      const options = optionsOf<StatusOptions & { readonly ledger?: boolean }>(command);
      const { status } = await import('../status/status.ts');
      const { ledger } = await import('../status/ledger.ts');
      const local = await localOf(command, context);
      report(await (options.ledger ? ledger(options, local) : status(options, local)));
    });
  const schemaExamples = ['millgate schema > millgate.schema.json'];
  addCommand(program, 'schema', 'JSON Schema of the configuration file, for editors', schemaExamples, ['json']).action(
    async () => {
      const { schema } = await import('../profiles.ts');
      report(await schema(context));
    },
  );
  addCommand(program, 'version', 'print the version', ['millgate version --json'], ['json']).action(
    async (_options, command: Command) => {
      const { version } = await import('../profiles.ts');
      report(version(optionsOf(command), context));
    },
  );
}
