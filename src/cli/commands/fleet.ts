/** Declares the commands for many gateways: what they run, and how they get another configuration. */
import type { Command } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** The commands for many gateways. */
export function addFleetCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(
    program,
    'fleet',
    'the gateways of a broker: who is offline, and who differs in version or configuration',
    [
      'millgate fleet --broker mqtt://broker.plant.lan',
      'millgate fleet --broker mqtts://broker.plant.lan --ca ca.pem --username fleet --password-file fleet.password',
      'millgate fleet --broker mqtt://broker.plant.lan --differs --json',
    ],
  )
    .option('--broker <URL>', 'broker that the gateways publish to: mqtt://, mqtts://, ws:// or wss://')
    .option('--username <NAME>', 'user that may read the status topics')
    .option('--password-file <FILE>', 'file with its password (default: the variable MILLGATE_BROKER_PASSWORD)')
    .option('--ca <FILE>', 'PEM file of the authority that signed the broker')
    .option('--cert <FILE>', 'PEM file of a client certificate')
    .option('--key <FILE>', 'PEM file of its key')
    .option('--topic <ROOT>', 'topic root of the gateways, + where they differ', 'millgate/+')
    .option('--wait <DURATION>', 'the longest that statuses are collected', '5s')
    .option('--differs', 'only those that are offline or differ')
    .action(async (_options, command: Command) => {
      const { fleet } = await import('../fleet/fleet-list.ts');
      report(await fleet(optionsOf(command), await localOf(command, context)));
    });
  addCommand(
    program,
    'pull',
    'fetch the signed configuration of this gateway: kept when data flows, else rolled back',
    [
      'millgate pull',
      'millgate pull https://config.plant.lan/press-shop-1.bundle',
      'millgate pull /var/lib/millgate-fleet --key 3b6a27bc…',
    ],
  )
    .argument('[SOURCE]', 'https URL, file or git folder (default: fleet.source of the file)')
    .option('--key <HEX>', 'public key that the bundle has to be signed by (default: fleet.key of the file)')
    .action(async (source: string | undefined, _options, command: Command) => {
      const { pull } = await import('../fleet/pull.ts');
      report(await pull(source, optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'bundle', 'sign a configuration, for gateways that pull it', [
    'millgate bundle --new-key fleet.key',
    'millgate bundle press-shop-1.yaml --key fleet.key',
    'millgate bundle press.yaml --gateway "press-*" --number 7 --key fleet.key --out press.bundle',
  ])
    .argument('[FILE]', 'configuration file')
    .option('--key <FILE>', 'private key that signs')
    .option('--new-key <FILE>', 'make a private key, and print the public one')
    .option('--gateway <ID>', 'gateway that may take it, * for any letters (default: gateway.id of the file)')
    .option('--number <N>', 'a gateway takes only a number above its last one (default: the time in seconds)')
    .option('--out <FILE>', 'where it is written (default: ID.bundle)')
    .action(async (file: string | undefined, _options, command: Command) => {
      const { bundle } = await import('../fleet/make-bundle.ts');
      report(await bundle(file, optionsOf(command), context));
    });
}
