import { type Command, Option } from 'commander';
import type { CliContext } from '../context.ts';
import { addCommand, optionsOf, type Report } from './command.ts';

/** The commands that take a technician from an unknown device to a configuration file. */
export function addCommissioningCommands(program: Command, context: CliContext, report: Report): void {
  addScan(program, context, report);
  addInit(program, context, report);
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

function addInit(program: Command, context: CliContext, report: Report): void {
  const words = 'write a first configuration file: asks on a terminal for what the flags leave open';
  const collect = (text: string, all: readonly string[] = []): readonly string[] => [...all, text];
  addCommand(
    program,
    'init',
    words,
    [
      'millgate init',
      'millgate init --port /dev/ttyUSB0 --baud 9600 --parity none --unit 1 --profile eastron-sdm120',
      'millgate init --host 192.168.1.20 --unit 1 --tag speed=holding:100,uint16,unit=rpm --output ./millgate.yaml',
    ],
    ['config'],
  )
    .option('--port <PATH>', 'serial port; with --baud and --parity')
    .option('--baud <RATE>', 'baud rate of the line')
    .option('--parity <PARITY>', 'none, even or odd')
    .option('--stop-bits <NUMBER>', '1 or 2 (default: 1)')
    .option('--host <HOST[:PORT]>', 'a Modbus TCP device instead of a serial port')
    .addOption(new Option('--framing <FRAMING>', 'of the host').choices(['tcp', 'rtu']))
    .option('--timeout <DURATION>', 'longest wait for an answer')
    .option('--channel <NAME>', 'name of the channel (default: line-a or plc)')
    .option('--unit <NUMBER>', 'unit id of the device')
    .option('--device <NAME>', 'name of the device (default: its profile, or unit-NUMBER)')
    .option('--profile <NAME>', 'device profile')
    .option('--tag <TAG>', 'NAME=ADDRESS[,TYPE][,ORDER][,KEY=VALUE …]; may be repeated', collect)
    .option('--every <DURATION>', 'scan period (default: 1s)')
    .option('--id <NAME>', 'name of this gateway (default: the host name)')
    .option('--location <PATH>', 'enterprise/site/area')
    .option('--store <FOLDER>', 'folder of the store (default: /var/lib/millgate)')
    .option('--broker <URL>', 'MQTT broker; it is tried')
    .option('--username <NAME>', 'user name at the broker')
    .option('--password-file <FILE>', 'file that holds the password')
    .option('--password-env <NAME>', 'environment variable that holds the password')
    .option('--ca <FILE>', "authority that signed the broker's certificate")
    .option('--output <FILE>', 'file to write (default: that of --config)')
    .option('--force', 'replace a file that is there')
    .action(async (_options, command: Command) => {
      const { init } = await import('../init.ts');
      report(await init(optionsOf(command), context));
    });
}
