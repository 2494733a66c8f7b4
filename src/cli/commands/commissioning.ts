import { type Command, Option } from 'commander';
import type { CliContext } from '../context.ts';
import { addCommand, optionsOf, type Report } from './command.ts';

/** The commands that take a technician from an unknown device to a configuration file. */
export function addCommissioningCommands(program: Command, context: CliContext, report: Report): void {
  addProbe(program, context, report);
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
  const collect = (text: string, all: readonly string[] = []): readonly string[] => [...all, text];
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
      const { probe } = await import('../probe.ts');
      report(await probe(channel, unit, range, optionsOf(command), context));
    });
}
