/** Declares the commands around alarms and control charts. */
import { type Command, Option } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** Kinds of events that there are in a journal. */
const EVENT_KINDS = ['alarm', 'spc', 'gap', 'quality', 'lifecycle', 'audit'];

/** The commands around alarms and control charts. */
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
