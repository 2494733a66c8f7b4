/** Declares the commands around parts, lots and stocks. */
import { type Command, Option } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, localOf, optionsOf, type Report } from './command.ts';

/** The commands around parts, lots and stocks. */
export function addTraceCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'parts', 'results of parts, all or of one serial number, with what was put right', [
    'millgate parts --since 8h',
    'millgate parts A-4711 --since 90d',
    'millgate parts --since 30d --format csv > parts.csv',
  ])
    .argument('[SERIAL]', 'serial number; all parts are listed without it')
    .option('--since <TIME>', 'how far back, or from when: 2h, 21:40 (in the zone of the plant)', '24h')
    .addOption(
      new Option('--format <FORMAT>', 'a row for each result, or a line for each part').choices(['csv', 'jsonl']),
    )
    .action(async (serial: string | undefined, _options, command: Command) => {
      const { parts } = await import('../trace/parts.ts');
      report(await parts(serial, optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'correct', 'put the record of a part right by a new record, which keeps the value before', [
    'millgate correct 812 serial A-4711 --comment "label was damaged"',
    'millgate correct 812 result fail --comment "crack found by hand"',
  ])
    .argument('<RECORD>', 'number of the record: millgate parts')
    .argument('<MEMBER>', 'what is wrong: serial, result or job')
    .argument('<VALUE>', 'what is right; "" for nothing')
    .option('--comment <TEXT>', 'why; a correction is never without its reason')
    .action(async (record: string, member: string, value: string, _options, command: Command) => {
      const { correct } = await import('../trace/parts.ts');
      report(await correct([record, member, value], optionsOf(command), context));
    });
  addCommand(program, 'lots', 'which lot ran on which machine, and what was out of its limits meanwhile', [
    'millgate lots --since 30d',
    'millgate lots A100 --since 90d --export lot-A100.csv',
  ])
    .argument('[LOT]', 'the lot or order; all are listed without it')
    .option('--since <TIME>', 'how far back, or from when', '30d')
    .option('--export <FILE>', 'write it for a customer: FILE.csv or FILE.json')
    .action(async (lot: string | undefined, _options, command: Command) => {
      const { lots } = await import('../trace/lots.ts');
      report(await lots(lot, optionsOf(command), await localOf(command, context)));
    });
  addCommand(program, 'inventory', 'levels of stocks, or what was counted by hand', [
    'millgate inventory',
    'millgate inventory set blanks 4006381333931 120 --comment "counted"',
  ])
    .argument('[ORDER...]', 'set STOCK CODE LEVEL: what was counted')
    .option('--comment <TEXT>', 'a remark for the journal')
    .action(async (words: string[], _options, command: Command) => {
      const { inventory } = await import('../trace/inventory.ts');
      report(await inventory(words, optionsOf(command), await localOf(command, context)));
    });
}
