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
}
