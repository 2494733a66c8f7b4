/** Declares the commands that lead from an unknown device to a configuration file. */
import { type Command, Option } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, optionsOf, type Report } from './command.ts';

/** An option that may be given several times. */
function collect(text: string, all: readonly string[] = []): readonly string[] {
  return [...all, text];
}

/** The commands that take a technician from an unknown device to a configuration file. */
export function addCommissioningCommands(program: Command, context: CliContext, report: Report): void {
  addScan(program, context, report);
  addProbe(program, context, report);
  addImport(program, context, report);
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
      const { scan } = await import('../scan/scan.ts');
      report(await scan(target, optionsOf(command), context));
    });
}

const PROBE_HELP = `
CHANNEL is a channel of the file (through the gateway when it runs), a serial port,
a host or HOST:PORT. RANGE is holding:100-120, input:0+40 (40 registers), coil:0-15,
100-120 (input and holding), or Modicon numbers such as 30001-30040; at most 1000.

Give --expect a value as the display shows it, with all its digits, while you watch:
a value with four digits that moves is found more surely than 0, 1 or 50. Two or
three values of one device help each other: --expect 231.4,50.02,1.267. The address
of the manual may be off by one and in the other table: both are looked at. Where
several readings showed the same value each time, all of them are named; then the
manual decides.`;

function addProbe(program: Command, context: CliContext, report: Report): void {
  addCommand(
    program,
    'probe',
    'read registers and show what they may mean, or where an expected value is; never writes',
    [
      'millgate probe line-a 3 holding:100-120',
      'millgate probe line-a 3 input:0+40 --expect 231.4',
      'millgate probe /dev/ttyUSB0 1 30001-30040 --baud 9600 --parity none --expect 231.4,50.02',
      'millgate probe 192.168.1.20 255 0-99 --expect 12.7 --within 2% --for 30s --json',
    ],
  )
    .argument('<CHANNEL>', 'channel, serial port, host or HOST:PORT')
    .argument('<UNIT>', 'unit id, 0 to 255')
    .argument('<RANGE>', 'registers or bits, see below')
    .option('--expect <VALUES>', 'what the display shows, such as 231.4 or 231.4,50.02; may be repeated', collect)
    .option('--within <SHARE>', 'how far off the expected values may be, such as 1% (default: their last digit)')
    .option('--for <DURATION>', 'how long to watch (default: 5s, without a terminal 2s; 0s: read once)')
    .option('--all', 'show also what is not plausible')
    .option('--baud <RATE>', 'of a serial port (default: 19200)')
    .option('--parity <PARITY>', 'of a serial port: none, even, odd (default: even)')
    .option('--stop-bits <NUMBER>', 'of a serial port: 1 or 2 (default: 1)')
    .addOption(new Option('--framing <FRAMING>', 'of a host: rtu for a serial converter').choices(['tcp', 'rtu']))
    .option('--timeout <DURATION>', 'longest wait for one answer, such as 300ms (default: 1s)')
    .addHelpText('after', PROBE_HELP)
    .action(async (channel: string, unit: string, range: string, _options, command: Command) => {
      const { probe } = await import('../probe/probe.ts');
      report(await probe(channel, unit, range, optionsOf(command), context));
    });
}

function addImport(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'import', 'make the tags of a device out of a register list; every guess is listed', [
    'millgate import meter.xlsx > meter.yaml',
    'millgate import meter.csv --verify line-a 3',
    'millgate import meter.csv --base 1 --order CDAB --device meter --append ./millgate.yaml',
    'millgate import -',
  ])
    .argument('[FILE]', 'register list: CSV, TSV or XLSX, or - for one that is pasted')
    .option('--verify <CHANNEL UNIT...>', 'read the device to settle base and word order; never writes')
    .addOption(new Option('--base <NUMBER>', 'where plain addresses begin (default: guessed)').choices(['0', '1']))
    .addOption(
      new Option('--order <ORDER>', 'order of bytes (default: guessed)').choices(['ABCD', 'CDAB', 'BADC', 'DCBA']),
    )
    .addOption(
      new Option('--table <TABLE>', 'table of rows that name none').choices(['holding', 'input', 'coil', 'discrete']),
    )
    .addOption(new Option('--scale <WAY>', 'what a scale of 10 does to the raw value').choices(['multiply', 'divide']))
    .option('--device <NAME>', 'name of the device (default: that of the file)')
    .option('--channel <NAME>', 'channel of the device (default: that of --verify, or line-a)')
    .option('--unit <NUMBER>', 'unit id of the device (default: that of --verify, or 1)')
    .option('--append <FILE>', 'add the device to this configuration file instead of printing it')
    .action(async (file: string | undefined, _options, command: Command) => {
      const { importList } = await import('../import/import.ts');
      report(await importList(file, optionsOf(command), context));
    });
}

function addInit(program: Command, context: CliContext, report: Report): void {
  const words = 'write a first configuration file: asks on a terminal for what the flags leave open';
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
      const { init } = await import('../init/init.ts');
      report(await init(optionsOf(command), context));
    });
}
