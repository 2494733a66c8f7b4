import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { addCommand, optionsOf, type Report } from './command.ts';

/** The commands that take a technician from an unknown device to a configuration file. */
export function addCommissioningCommands(program: Command, context: CliContext, report: Report): void {
  addScan(program, context, report);
}

function addScan(program: Command, context: CliContext, report: Report): void {
  const words = 'find what answers: settings and units of a serial line, Modbus TCP hosts, I²C chips; never writes';
  addCommand(program, 'scan', words, [
    'millgate scan /dev/ttyUSB0',
    'millgate scan line-a --units 1-32 --json',
    'millgate scan /dev/ttyUSB0 --baud 9600,19200 --timeout 300ms --all',
    'millgate scan 192.168.1.0/24',
    'millgate scan 192.168.1.20 --units 1-247',
    'millgate scan i2c-1',
  ])
    .argument('<TARGET>', 'channel, serial port, host, HOST:PORT, range of hosts, or i2c-N')
    .option('--baud <RATES>', 'only these baud rates, such as 9600,19200')
    .option('--parity <PARITIES>', 'only these: none, even, odd')
    .option('--stop-bits <NUMBERS>', 'only these: 1, 2')
    .option('--units <UNITS>', 'only these units, such as 1-32,100 (serial lines: 1 to 247, all unless given)')
    .option('--timeout <DURATION>', 'how long a device may take to answer, such as 300ms')
    .option('--all', 'serial lines: go on after the first setting that answers')
    .action(async (target: string, _options, command: Command) => {
      const { scan } = await import('../scan.ts');
      report(await scan(target, optionsOf(command), context));
    });
}
