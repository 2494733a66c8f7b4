/** Declares the commands around alarms, control charts and maintenance. */
import { type Command, Option } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** Kinds of events that there are in a journal. */
const EVENT_KINDS = ['alarm', 'spc', 'production', 'maintenance', 'gap', 'quality', 'lifecycle', 'audit'];

/** The commands around alarms, control charts and maintenance. */
export function addRuleCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'alarms', 'alarms that stand, or an order to one of them', [
    'millgate alarms --all',
    'millgate alarms --watch',
    'millgate alarms ack oil-hot',
    'millgate alarms shelve oil-hot --for 2h --comment "sensor ordered"',
  ])
    .argument('[ORDER]', 'ack, shelve, unshelve, reset, out-of-service or in-service')
    .argument('[ID]', 'name of the alarm')
    .option('--all', 'those that are normal, too')
    .option('--watch', 'keep the list on the screen until Ctrl-C; piped or with --json, each change on one line')
    .option('--for <DURATION>', 'how long to shelve (default: 30m)')
    .option('--occurrence <N>', 'acknowledge this occurrence only')
    .option('--comment <TEXT>', 'a remark for the journal')
    .action(async (order: string | undefined, id: string | undefined, _options, command: Command) => {
      const { alarms } = await import('../alarms.ts');
      report(await alarms(order, id, optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'events', 'the journal, oldest first; with --json, one event a line as it is published', [
    'millgate events --since 1h',
    'millgate events --since 7d --kind alarm --json > alarms.jsonl',
  ])
    .option('--since <TIME>', 'how far back, or from when: 2h, 21:40 (in the zone of the plant)', '24h')
    .addOption(new Option('--kind <KIND>', 'only these').choices(EVENT_KINDS))
    .action(async (_options, command: Command) => {
      const { events } = await import('../events.ts');
      report(await events(optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'spc', 'control charts: all of them, one, or its baseline', [
    'millgate spc',
    'millgate spc shaft',
    'millgate spc shaft rebase',
    'millgate spc shaft exclude 4 17 --comment "tool broke"',
  ])
    .argument('[NAME]', 'name of the chart; all are listed without it')
    .argument('[ORDER]', 'rebase: collect a new baseline; exclude: take points out of it')
    .argument('[POINT...]', 'with exclude: numbers of the points')
    .option('--comment <TEXT>', 'a remark for the journal')
    .action(
      async (name: string | undefined, order: string | undefined, points: string[], _options, command: Command) => {
        const { spc, spcList } = await import('../spc.ts');
        const options = optionsOf(command);
        report(name === undefined ? await spcList(options, context) : await spc(name, order, points, options, context));
      },
    );
  addBacktest(program, context, report);
}

/** The commands around maintenance and the chain of quality records. */
export function addUpkeepCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'maintenance', 'what is to be maintained when, or that it was done', [
    'millgate maintenance',
    'millgate maintenance done oil-change --comment "ISO VG 46, 12 l"',
  ])
    .argument('[ORDER]', 'done: the work was done, the interval or the trend begins anew')
    .argument('[NAME]', 'name of the item')
    .option('--comment <TEXT>', 'a remark for the journal')
    .action(async (order: string | undefined, name: string | undefined, _options, command: Command) => {
      const { maintenance } = await import('../maintenance/maintenance-items.ts');
      report(await maintenance(order, name, optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'verify', 'check the signed chain of quality records', [
    'millgate verify --since 30d',
    'millgate verify --since 30d --export quality.jsonl',
    'millgate verify quality.jsonl --key quality-key.pub --checkpoints kept.jsonl',
  ])
    .argument('[FILE]', 'a file that --export wrote; needs no gateway and no configuration')
    .option('--since <DURATION>', 'what is stored of this long')
    .option('--export <FILE>', 'with --since: write it to a file, with a checkpoint at its end')
    .option(
      '--key <FILE>',
      'the public key that must have signed it: quality-key.pub of the store, or its 64 hex digits',
    )
    .option(
      '--checkpoints <FILE>',
      'checkpoints that were kept elsewhere, or an earlier export: it must agree with them',
    )
    .action(async (file: string | undefined, _options, command: Command) => {
      const { verify } = await import('../verify/verify.ts');
      report(await verify(file, optionsOf(command), file === undefined ? await localOf(command, context) : context));
    });
}

function addBacktest(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'backtest', 'what the rules of a file would have raised over stored or recorded readings', [
    'millgate backtest --since 7d',
    'millgate backtest --csv readings.csv --against ./new-limits.yaml',
  ])
    .option('--since <TIME>', 'stored readings of this long, such as 7d, or from this time on (default: all)')
    .option(
      '--csv <FILE>',
      'readings of a file instead: t,tag,value,quality; t is ms or ISO 8601, in UTC where it names no zone',
    )
    .option('--against <FILE>', 'compare with the rules of another configuration')
    .action(async (_options, command: Command) => {
      const { backtest } = await import('../backtest/backtest.ts');
      report(await backtest(optionsOf(command), await localOf(command, context)));
    });
}

/** The commands of production. */
export function addProductionCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'oee', 'production: all machines, or the report of one', [
    'millgate oee',
    'millgate oee press-1',
    'millgate oee press-1 --shift early --date 2026-11-30 --report early.html',
    'millgate oee press-1 --month 2026-11 --against 2026-10',
  ])
    .argument('[NAME]', 'name of the machine; all are listed without it')
    .option('--shift <NAME>', 'of this shift instead of the one that runs')
    .option('--date <DAY>', 'with --shift: the day on which it began (default: today)')
    .option('--since <DURATION>', 'all shifts that ended within this time, together')
    .option('--month <MONTH>', 'all shifts that began in this month, such as 2026-11')
    .option('--against <MONTH>', 'with --month: compare the two; better or worse only where it is more than chance')
    .option('--report <FILE>', 'write a page to print (FILE.html) or a table (FILE.csv)')
    .action(async (name: string | undefined, _options, command: Command) => {
      const { oee } = await import('../oee/oee.ts');
      report(await oee(name, optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'reason', 'say why a machine stands, or stood', [
    'millgate reason press-1 10',
    'millgate reason press-1 changeover --stop 12 --comment "tool 7"',
    'millgate reason press-1 20 --stop 12 --from 2026-11-30T10:15:00Z',
  ])
    .argument('<MACHINE>', 'name of the machine')
    .argument('<CODE>', 'code or name of the reason')
    .option('--stop <N>', 'number of the stop (default: the one that goes on, or the last)')
    .option('--from <TIME>', 'split the stop here: the reason is that of the part from then on')
    .option('--join <N>', 'make one stop of it and the next, whose number this is')
    .option('--comment <TEXT>', 'a remark for the journal')
    .action(async (machine: string, code: string, _options, command: Command) => {
      const { reason } = await import('../oee/oee.ts');
      report(await reason(machine, code, optionsOf(command), context));
    });
}
