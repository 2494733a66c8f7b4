/** Declares the commands around the bytes on the wire. */
import type { Command } from 'commander';
import type { CliContext } from '../terminal/context.ts';
import { addCommand, optionsOf, type Report } from './command.ts';

/** Gathers what an option that may be repeated was given. */
function gathered(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** The commands around the bytes on the wire. */
export function addBusCommands(program: Command, context: CliContext, report: Report): void {
  addCommand(program, 'record', 'bus traffic with its timing to one file, through the gateway if it runs', [
    'millgate record fault.jsonl --for 10m',
    'millgate record fault.jsonl --channel line-a --max-size 200MB',
  ])
    .argument('<FILE>', 'the recording; see docs/recording.md')
    .option('--channel <NAME>', 'only this channel; may be repeated (default: all that carry bytes)', gathered)
    .option('--for <DURATION>', 'end by itself after this time (default: Ctrl-C)')
    .option('--max-size <SIZE>', 'end by itself at this size', '50MB')
    .option('--overwrite', 'replace a file that is there')
    .action(async (file: string, _options, command: Command) => {
      const { record } = await import('../record/record.ts');
      report(await record(file, optionsOf(command), context));
    });
  addCommand(
    program,
    'replay',
    'serve a recording as the devices it was made from; prints the channels for a configuration',
    ['millgate replay fault.jsonl', 'millgate replay fault.jsonl --listen 127.0.0.1:1502 --strict'],
    ['json'],
  )
    .argument('<FILE>', 'a recording of millgate record')
    .option('--channel <NAME>', 'only this channel; may be repeated (default: all)', gathered)
    .option('--listen <HOST:PORT>', 'where to serve; further channels on the next ports; 0: any', '127.0.0.1:0')
    .option('--pty', 'serve serial channels on pseudo terminals instead')
    .option('--speed <FACTOR>', '2 plays twice as fast; the printed timeouts fit', '1')
    .option('--strict', 'end with exit 1 at a question that is not in the recording, with 0 when it is played')
    .action(async (file: string, _options, command: Command) => {
      const { replay } = await import('../record/replay.ts');
      report(await replay(file, optionsOf(command), context));
    });
}
