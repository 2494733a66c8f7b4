/** Declares the commands that read and write tags, now and from the store. */
import { type Command, Option } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { SORTS } from '../terminal/live-table.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** The commands that read and write tags, now and from the store. */
export function addReadingCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'read', 'read tags now, through the gateway if it runs, else directly', [
    'millgate read press-1/oil-temp',
    "millgate read 'press-1/*' --json",
  ])
    .argument('<TAG...>', 'DEVICE/TAG; * stands for any letters')
    .action(async (tags: string[], _options, command: Command) => {
      const { read } = await import('../read.ts');
      report(await read(tags, optionsOf(command), context));
    });
  addCommand(program, 'write', 'write a writable tag and read it back, through the gateway if it runs, else directly', [
    'millgate write press-1/setpoint 75',
    'millgate write door/lamp on',
  ])
    .argument('<TAG>', 'DEVICE/TAG')
    .argument('<VALUE>', 'a number in engineering units, on, off, true, false, or a text')
    .option('--text', 'the value is a text, whatever it looks like')
    .action(async (tag: string, value: string, _options, command: Command) => {
      const { write } = await import('../write.ts');
      report(await write(tag, value, optionsOf(command), context));
    });
  addCommand(program, 'watch', 'live table of readings; piped or with --json, one line a reading', [
    'millgate watch',
    "millgate watch 'press-1/*' door/open",
    'millgate watch --sort quality',
    'millgate watch --json | head -100',
  ])
    .argument('[TAG...]', 'DEVICE/TAG; * stands for any letters; all tags unless given')
    .addOption(new Option('--sort <ORDER>', 'order of the table').choices(SORTS).default('device'))
    .action(async (tags: string[], _options, command: Command) => {
      const { watch } = await import('../watch.ts');
      report(await watch(tags, optionsOf(command), context));
    });
  addCommand(program, 'history', 'stored readings of a tag, oldest first; with --json, one object a line', [
    'millgate history press-1/oil-temp --since 2h',
    'millgate history press-1/oil-temp --since 21:40',
    'millgate history press-1/oil-temp --since 7d --json > oil.jsonl',
    'millgate history press-1/oil-temp --since 1d --every 1m',
    'millgate history press-1/oil-temp --since 7d --plot',
  ])
    .argument('<TAG>', 'DEVICE/TAG')
    .option('--since <TIME>', 'how far back, or from when: 2h, 21:40 (in the zone of the plant)', '1h')
    .option('--every <DURATION>', 'minimum, mean, maximum and counts of whole minutes, such as 1m or 1h')
    .option('--plot', 'draw it, with its gaps and their reasons; asks the running gateway')
    .action(async (tag: string, _options, command: Command) => {
      const { history } = await import('../history.ts');
      report(await history(tag, optionsOf(command), await localOf(command, context)));
    });
  addExportCommand(program, context, report);
  addResendCommand(program, context, report);
  addUplinkCommand(program, context, report);
}

function addExportCommand(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'export', 'stored readings of all tags as CSV or JSON lines; also with the gateway stopped', [
    'millgate export --since 7d > week.csv',
    "millgate export 'press-1/*' --since 1h --format jsonl",
  ])
    .argument('[TAG...]', 'DEVICE/TAG; * stands for any letters; all tags unless given')
    .option('--since <TIME>', 'how far back, or from when: 2h, 21:40 (in the zone of the plant)', '1h')
    .addOption(new Option('--format <FORMAT>', 'csv: t,tag,value,quality').choices(['csv', 'jsonl']).default('csv'))
    .action(async (tags: string[], _options, command: Command) => {
      const { exportReadings } = await import('../export.ts');
      report(await exportReadings(tags, optionsOf(command), await localOf(command, context)));
    });
}

function addUplinkCommand(program: Command, context: CliContext, report: Report): void {
  addCommand(
    program,
    'uplink',
    'what an uplink will send with this file, what it costs, and what the other side needs',
    ['millgate uplink explain plant', 'millgate uplink explain cloud --json'],
  )
    .argument('<ORDER>', 'explain')
    .argument('[UPLINK]', 'name of the uplink; the only one unless given')
    .action(async (order: string, uplink: string | undefined, _options, command: Command) => {
      const { explainUplink } = await import('../uplink/explain.ts');
      report(await explainUplink(order, uplink, optionsOf(command), context));
    });
}

function addResendCommand(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'notify', 'send a test message to whom a notifier tells of alarms', [
    'millgate notify test',
    'millgate notify test night-shift',
  ])
    .argument('<test>', 'what to do: test')
    .argument('[NOTIFIER]', 'name of the notifier; the only one unless given')
    .action(async (order: string, notifier: string | undefined, _options, command: Command) => {
      const { testNotifier } = await import('../uplink/notify-test.ts');
      report(await testNotifier(order, notifier, optionsOf(command), context));
    });
  addCommand(program, 'resend', 'send to an uplink again what it confirmed and lost, as far as it is stored', [
    'millgate resend plant --since 2h',
    'millgate resend plant 188201-190000',
    'millgate resend plant 12-40 --events',
  ])
    .argument('<UPLINK>', 'name of the uplink')
    .argument('[NUMBERS]', 'the first and the last sequence number')
    .option('--since <TIME>', 'all readings of this long, such as 2h, or from this time on, instead of numbers')
    .option('--events', 'numbers of events, not of readings')
    .action(async (uplink: string, numbers: string | undefined, _options, command: Command) => {
      const { resend } = await import('../resend.ts');
      report(await resend(uplink, numbers, optionsOf(command), await localOf(command, context)));
    });
}
