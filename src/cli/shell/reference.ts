/** Makes the reference of all commands as Markdown and as a man page. */
import type { Argument, Command, Option } from 'commander';
import { DEFAULT_CONFIG_FILE } from '../terminal/context.ts';

/** One command as the reference tells of it. */
interface Chapter {
  /** `millgate watch`. */
  readonly name: string;
  readonly usage: string;
  readonly about: string;
  readonly terms: readonly Term[];
  readonly examples: readonly string[];
}

/** An argument or an option, and what it is. */
interface Term {
  readonly term: string;
  readonly about: string;
}

/** Examples of a command, as its help gives them. */
export function examplesOf(command: Command): string[] {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  const [, examples = ''] = help.split('\nExamples:\n');
  return examples
    .split('\n')
    .filter((line) => line.startsWith('  '))
    .map((line) => line.trim());
}

/** Every command with what is below it, in the order of the tree; hidden ones and groups left out. */
export function commandsOf(program: Command): Command[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => program.commands.includes(command))
    .flatMap((command) => (command.commands.length > 0 ? commandsOf(command) : [command]));
}

/** The reference of all commands as a page in Markdown. */
export function markdownReference(program: Command): string {
  const chapters = commandsOf(program).map(chapterOf);
  return [
    '# The commands of Millgate',
    '',
    '<!-- Written by scripts/cli-reference.mjs from the command tree; run it after a change of a command. -->',
    '',
    `${program.description()} Data goes to standard output, everything else to standard error.`,
    '',
    ...table(
      'command',
      chapters.map(({ name, about }) => ({ term: `[${name}](#${name.replaceAll(' ', '-')})`, about })),
    ),
    '',
    '## Exit codes',
    '',
    ...table('code', EXIT_STATUS),
    '',
    '## Environment',
    '',
    ...table(
      'variable',
      ENVIRONMENT.map(({ term, about }) => ({ term: `\`${term}\``, about })),
    ),
    ...chapters.flatMap(markdownChapter),
    '',
  ].join('\n');
}

/** The same as a manual page (man(7)), section 1. */
export function manualPage(program: Command): string {
  return [
    '.\\" Written by scripts/cli-reference.mjs from the command tree; run it after a change of a command.',
    '.TH MILLGATE 1 "" "Millgate" "User Commands"',
    '.ad l',
    '.SH NAME',
    'millgate \\- edge gateway agent for factories',
    '.SH SYNOPSIS',
    '.B millgate',
    '.I COMMAND',
    '[\\fIARGUMENT\\fR ...] [\\fIOPTION\\fR ...]',
    '.SH DESCRIPTION',
    roff(program.description()),
    roff('Data goes to standard output, everything else to standard error.'),
    '.SH COMMANDS',
    ...commandsOf(program).map(chapterOf).flatMap(manualChapter),
    '.SH EXIT STATUS',
    ...EXIT_STATUS.flatMap(manualTerm),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(manualTerm),
    '.SH FILES',
    ...FILES.flatMap(manualTerm),
    '',
  ].join('\n');
}

function chapterOf(command: Command): Chapter {
  const help = command.createHelp();
  const words: string[] = [];
  for (let each: Command | null = command; each; each = each.parent) words.unshift(each.name());
  return {
    name: words.join(' '),
    usage: `${words.join(' ')} ${command.usage()}`,
    about: command.description(),
    terms: [...command.registeredArguments.map(argumentTerm), ...help.visibleOptions(command).map(optionTerm)],
    examples: examplesOf(command),
  };
}

function argumentTerm(argument: Argument): Term {
  return { term: argument.name(), about: withFacts(argument.description, argument) };
}

function optionTerm(option: Option): Term {
  return { term: option.flags, about: withFacts(option.description, option) };
}

/** A description with the choices and the default, as help shows them. */
function withFacts(about: string, { argChoices, defaultValue }: Argument | Option): string {
  const facts = [
    ...(argChoices ? [`one of ${argChoices.join(', ')}`] : []),
    ...(defaultValue === undefined || defaultValue === false ? [] : [`default: ${String(defaultValue)}`]),
  ];
  return facts.length > 0 ? `${about} (${facts.join('; ')})` : about;
}

function markdownChapter({ name, usage, about, terms, examples }: Chapter): string[] {
  return [
    '',
    `## ${name}`,
    '',
    `${about[0]?.toUpperCase()}${about.slice(1)}.`,
    '',
    '```sh',
    usage,
    '```',
    '',
    ...table(
      'argument or option',
      terms.map(({ term, about: words }) => ({ term: `\`${term}\``, about: words })),
    ),
    '',
    'Examples:',
    '',
    '```sh',
    ...examples,
    '```',
  ];
}

/** A table in Markdown; bars are what would end a cell. */
function table(title: string, terms: readonly Term[]): string[] {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  return [`| ${title} | |`, '| --- | --- |', ...terms.map(({ term, about }) => `| ${cell(term)} | ${cell(about)} |`)];
}

function manualChapter({ usage, about, terms, examples }: Chapter): string[] {
  return [
    `.SS ${roff(usage)}`,
    `${roff(about)}.`,
    ...terms.flatMap(manualTerm),
    '.P',
    'Examples:',
    '.P',
    '.nf',
    '.RS',
    ...examples.map(roff),
    '.RE',
    '.fi',
  ];
}

function manualTerm({ term, about }: Term): string[] {
  return ['.TP', `.B ${roff(term)}`, roff(about)];
}

/** A text that groff prints as it is: its controls begin with a backslash, or a dot or quote at the start of a line. */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** Something that a user of the command line should know by its name or number. */
interface Fact {
  readonly term: string;
  readonly about: string;
}

/** What a command's exit code says; the numbers above 2 are those of sysexits.h. */
const EXIT_STATUS: readonly Fact[] = [
  { term: '0', about: 'ok' },
  { term: '1', about: 'failed' },
  { term: '2', about: 'wrong usage' },
  { term: '69', about: 'unavailable: the daemon, a port or a device' },
  { term: '77', about: 'this user may not' },
  { term: '78', about: 'the configuration is not valid' },
];

/** Variables that change what every command does. */
const ENVIRONMENT: readonly Fact[] = [
  { term: 'MILLGATE_CONFIG', about: 'configuration file, where --config names none' },
  { term: 'MILLGATE_SOCKET', about: 'socket of the gateway to talk to, whatever the configuration says' },
  { term: 'NO_COLOR', about: 'when set, nothing is coloured' },
  { term: 'LC_ALL, LC_CTYPE, LANG', about: 'where they name no UTF-8, a terminal gets nothing but ASCII' },
  { term: 'MILLGATE_DEBUG', about: 'when set, a bug is told with the place in the program where it happened' },
];

/** Files by their default places. */
export const FILES: readonly Fact[] = [
  {
    term: DEFAULT_CONFIG_FILE,
    about: 'the configuration; conf.d/*.yaml beside it are merged, profiles/ has your profiles',
  },
  { term: '/var/lib/millgate', about: 'the store' },
  { term: '/run/millgate/api.sock', about: 'the socket of the service' },
];
