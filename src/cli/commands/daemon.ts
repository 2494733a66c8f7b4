/** Declares the commands that run until they are ended. */
import type { Command } from 'commander';
import { startThread } from '../../store/thread/start.ts';
import { type CliContext, type CommonOptions, configFile } from '../terminal/context.ts';
import { addCommand, optionsOf, type Report } from './command.ts';

/** The commands that run until they are ended. */
export function addDaemonCommands(program: Command, context: CliContext, report: Report): void {
  const runExamples = ['millgate run --config ./millgate.yaml', 'millgate run --simulate --config ./millgate.yaml'];
  addCommand(program, 'run', 'run the gateway until Ctrl-C', runExamples, ['config'])
    .option('--simulate', 'swap every channel for a simulated one with the same devices')
    .action(async (_options, command: Command) => {
      const options = optionsOf<CommonOptions & { readonly simulate?: boolean }>(command);
      const { file } = configFile(options, context);
      // It takes as long to start as the daemon takes to load, and the two do so at once.
      const thread = startThread();
      try {
        const { runDaemon } = await import('../../daemon.ts');
        report(await runDaemon({ file, simulate: options.simulate ?? false, thread }, context));
      } finally {
        await thread.worker.terminate();
      }
    });
  const demoWords = 'a simulated press line with an embedded broker; Ctrl-C ends it and leaves nothing behind';
  addCommand(program, 'demo', demoWords, ['millgate demo', 'millgate demo --for 10s --json'], ['json'])
    .option('--for <DURATION>', 'end by itself after this time')
    .action(async (_options, command: Command) => {
      const { demo } = await import('../demo/demo.ts');
      report(await demo(optionsOf(command), context));
    });
}
