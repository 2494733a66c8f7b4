import { Command, CommanderError, Option } from 'commander';
import { EXIT, type ExitCode, Fault, messageOf } from '../core/errors.ts';
import { type CliContext, type CommonOptions, DEFAULT_CONFIG_FILE, programVersion, warn } from './context.ts';

/** Carries a command's exit code out of the command tree. */
type Report = (exitCode: ExitCode) => void;

/**
 * Runs one command line in the world that `context` is.
 *
 * @param args the words after the program's name
 * @returns the exit code; nothing is thrown
 */
export async function runCommandLine(args: readonly string[], context: CliContext): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const program = commandTree(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error, context);
  }
}

/** Says what went wrong on standard error: a fault in its one line, anything else as the bug it is. */
function exitCodeOf(error: unknown, context: CliContext): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (context.signal.aborted && error === context.signal.reason) return EXIT.ok;
  if (error instanceof Fault) {
    warn(context, [`millgate: ${error.message}`]);
    return error.exitCode;
  }
  warn(context, [`millgate: ${messageOf(error)}. This is a bug; please report it. MILLGATE_DEBUG=1 shows where.`]);
  if (context.env.MILLGATE_DEBUG && error instanceof Error) warn(context, [error.stack ?? '']);
  return EXIT.failed;
}

/** The commands, their options and their examples. What they do is imported when one of them is called. */
export function commandTree(context: CliContext, report: Report): Command {
  const program = new Command('millgate')
    .description('Edge gateway agent: polls machines, keeps every reading, syncs upstream.')
    .version(`millgate ${programVersion()}`, '-V, --version', 'print the version')
    .helpCommand('help [COMMAND]', 'show help for a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHelpWidth: context.columns,
      getErrHelpWidth: context.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('(millgate help shows how)')
    .addHelpText('after', EXIT_CODES);
  common(program);
  addDaemonCommands(program, context, report);
  addReadingCommands(program, context, report);
  addExportCommand(program, context, report);
  addRuleCommands(program, context, report);
  addInformationCommands(program, context, report);
  return program;
}

const EXIT_CODES = `
Begin with: millgate demo, then millgate check FILE and millgate run --config FILE.
Exit codes: 0 ok, 1 failed, 2 usage, 69 unavailable (daemon, port or device),
            77 permission, 78 configuration invalid.
Environment: MILLGATE_CONFIG, MILLGATE_SOCKET, NO_COLOR, MILLGATE_DEBUG.`;

function common(command: Command, takes: readonly ('config' | 'json')[] = ['config', 'json']): Command {
  const config = new Option('--config <FILE>', `configuration file (default: ${DEFAULT_CONFIG_FILE})`);
  if (takes.includes('config')) command.addOption(config);
  if (takes.includes('json')) command.addOption(new Option('--json', 'JSON on standard output'));
  return command;
}

function add(
  program: Command,
  name: string,
  description: string,
  examples: readonly string[],
  takes?: readonly ('config' | 'json')[],
): Command {
  const command = program
    .command(name)
    .description(description)
    .showHelpAfterError(`(millgate help ${name} shows how)`);
  return common(command, takes).addHelpText(
    'after',
    ['', 'Examples:', ...examples.map((line) => `  ${line}`)].join('\n'),
  );
}

/** A command's options together with those given before its name. */
function optionsOf<T extends CommonOptions>(command: Command): T {
  return command.optsWithGlobals<T>();
}

function addDaemonCommands(program: Command, context: CliContext, report: Report): void {
  const runExamples = ['millgate run --config ./millgate.yaml', 'millgate run --simulate --config ./millgate.yaml'];
  add(program, 'run', 'run the gateway until Ctrl-C', runExamples, ['config'])
    .option('--simulate', 'swap every channel for a simulated one with the same devices')
    .action(async (_options, command: Command) => {
      const { run } = await import('./run.ts');
      report(await run(optionsOf(command), context));
    });
  const demoWords = 'a simulated press line with an embedded broker; Ctrl-C ends it and leaves nothing behind';
  add(program, 'demo', demoWords, ['millgate demo', 'millgate demo --for 10s --json'], ['json'])
    .option('--for <DURATION>', 'end by itself after this time')
    .action(async (_options, command: Command) => {
      const { demo } = await import('./demo.ts');
      report(await demo(optionsOf(command), context));
    });
}

function addReadingCommands(program: Command, context: CliContext, report: Report): void {
  add(program, 'read', 'read tags now, through the gateway if it runs, else directly', [
    'millgate read press-1/oil-temp',
    "millgate read 'press-1/*' --json",
  ])
    .argument('<TAG...>', 'DEVICE/TAG; * stands for any letters')
    .action(async (tags: string[], _options, command: Command) => {
      const { read } = await import('./read.ts');
      report(await read(tags, optionsOf(command), context));
    });
  add(program, 'write', 'write a writable tag and read it back, through the gateway if it runs, else directly', [
    'millgate write press-1/setpoint 75',
    'millgate write door/lamp on',
  ])
    .argument('<TAG>', 'DEVICE/TAG')
    .argument('<VALUE>', 'a number in engineering units, on, off, true, false, or a text')
    .option('--text', 'the value is a text, whatever it looks like')
    .action(async (tag: string, value: string, _options, command: Command) => {
      const { write } = await import('./write.ts');
      report(await write(tag, value, optionsOf(command), context));
    });
  add(program, 'watch', 'live table of readings; piped or with --json, one line a reading', [
    'millgate watch',
    "millgate watch 'press-1/*' door/open",
    'millgate watch --json | head -100',
  ])
    .argument('[TAG...]', 'DEVICE/TAG; * stands for any letters; all tags unless given')
    .action(async (tags: string[], _options, command: Command) => {
      const { watch } = await import('./watch.ts');
      report(await watch(tags, optionsOf(command), context));
    });
  add(program, 'history', 'stored readings of a tag, oldest first; with --json, one object a line', [
    'millgate history press-1/oil-temp --since 2h',
    'millgate history press-1/oil-temp --since 7d --json > oil.jsonl',
    'millgate history press-1/oil-temp --since 1d --every 1m',
  ])
    .argument('<TAG>', 'DEVICE/TAG')
    .option('--since <DURATION>', 'how far back', '1h')
    .option('--every <DURATION>', 'minimum, mean, maximum and counts of whole minutes, such as 1m or 1h')
    .action(async (tag: string, _options, command: Command) => {
      const { history } = await import('./history.ts');
      report(await history(tag, optionsOf(command), context));
    });
}

function addExportCommand(program: Command, context: CliContext, report: Report): void {
  add(program, 'export', 'stored readings of all tags as CSV or JSON lines; also with the gateway stopped', [
    'millgate export --since 7d > week.csv',
    "millgate export 'press-1/*' --since 1h --format jsonl",
  ])
    .argument('[TAG...]', 'DEVICE/TAG; * stands for any letters; all tags unless given')
    .option('--since <DURATION>', 'how far back', '1h')
    .addOption(new Option('--format <FORMAT>', 'csv: t,tag,value,quality').choices(['csv', 'jsonl']).default('csv'))
    .action(async (tags: string[], _options, command: Command) => {
      const { exportReadings } = await import('./export.ts');
      report(await exportReadings(tags, optionsOf(command), context));
    });
}

function addRuleCommands(program: Command, context: CliContext, report: Report): void {
  add(program, 'alarms', 'alarms that stand, or an order to one of them', [
    'millgate alarms --all',
    'millgate alarms ack oil-hot',
    'millgate alarms shelve oil-hot --for 2h --comment "sensor ordered"',
  ])
    .argument('[ORDER]', 'ack, shelve, unshelve, reset, out-of-service or in-service')
    .argument('[ID]', 'name of the alarm')
    .option('--all', 'those that are normal, too')
    .option('--for <DURATION>', 'how long to shelve (default: 30m)')
    .option('--occurrence <N>', 'acknowledge this occurrence only')
    .option('--comment <TEXT>', 'a remark for the journal')
    .action(async (order: string | undefined, id: string | undefined, _options, command: Command) => {
      const { alarms } = await import('./alarms.ts');
      report(await alarms(order, id, optionsOf(command), context));
    });
  add(program, 'events', 'the journal, oldest first; with --json, one event a line as it is published', [
    'millgate events --since 1h',
    'millgate events --since 7d --kind alarm --json > alarms.jsonl',
  ])
    .option('--since <DURATION>', 'how far back', '24h')
    .option('--kind <KIND>', 'only alarm, spc, gap, quality, lifecycle or audit')
    .action(async (_options, command: Command) => {
      const { events } = await import('./events.ts');
      report(await events(optionsOf(command), context));
    });
  add(program, 'spc', 'a control chart, or a new baseline for it', ['millgate spc shaft', 'millgate spc shaft rebase'])
    .argument('<NAME>', 'name of the chart')
    .argument('[ORDER]', 'rebase: collect a new baseline')
    .option('--comment <TEXT>', 'a remark for the journal')
    .action(async (name: string, order: string | undefined, _options, command: Command) => {
      const { spc } = await import('./spc.ts');
      report(await spc(name, order, optionsOf(command), context));
    });
  add(program, 'backtest', 'what the rules of a file would have raised over stored or recorded readings', [
    'millgate backtest --since 7d',
    'millgate backtest --csv readings.csv --against ./new-limits.yaml',
  ])
    .option('--since <DURATION>', 'stored readings of this long (default: all)')
    .option('--csv <FILE>', 'readings of a file instead: t,tag,value,quality')
    .option('--against <FILE>', 'compare with the rules of another configuration')
    .action(async (_options, command: Command) => {
      const { backtest } = await import('./backtest.ts');
      report(await backtest(optionsOf(command), context));
    });
}

function addInformationCommands(program: Command, context: CliContext, report: Report): void {
  add(program, 'check', 'every problem of the configuration; then what will happen', [
    'millgate check',
    'millgate check ./millgate.yaml --json',
  ])
    .argument('[FILE]', 'configuration file')
    .action(async (file: string | undefined, _options, command: Command) => {
      const { check } = await import('./check.ts');
      report(await check(file, optionsOf(command), context));
    });
  add(program, 'status', 'the gateway at a glance; answers (exit 0) with the gateway stopped, too', [
    'millgate status',
    'millgate status --json',
    'millgate status --ledger',
  ])
    .option('--ledger', 'where every record and event went, and whether it adds up')
    .action(async (_options, command: Command) => {
      const options = optionsOf<CommonOptions & { readonly ledger?: boolean }>(command);
      const { status } = await import('./status.ts');
      const { ledger } = await import('./ledger.ts');
      report(await (options.ledger ? ledger(options, context) : status(options, context)));
    });
  const schemaExamples = ['millgate schema > millgate.schema.json'];
  add(program, 'schema', 'JSON Schema of the configuration file, for editors', schemaExamples, ['json']).action(
    async () => {
      const { schema } = await import('./schema.ts');
      report(await schema(context));
    },
  );
  add(program, 'version', 'print the version', ['millgate version --json'], ['json']).action(
    async (_options, command: Command) => {
      const { version } = await import('./version.ts');
      report(version(optionsOf(command), context));
    },
  );
}
