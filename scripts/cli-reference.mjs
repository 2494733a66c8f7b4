// Writes docs/cli.md and docs/millgate.1 from the command tree; run it after a change of a command.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Examples of a command, as its help gives them. */
export function examplesOf(command) {
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
export function commandsOf(program) {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => program.commands.includes(command))
    .flatMap((command) => (command.commands.length > 0 ? commandsOf(command) : [command]));
}
/** The reference of all commands as a page in Markdown. */
export function markdownReference(program) {
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
export function manualPage(program) {
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
function chapterOf(command) {
  const help = command.createHelp();
  const words = [];
  for (let each = command; each; each = each.parent) words.unshift(each.name());
  return {
    name: words.join(' '),
    usage: `${words.join(' ')} ${command.usage()}`,
    about: command.description(),
    terms: [...command.registeredArguments.map(argumentTerm), ...help.visibleOptions(command).map(optionTerm)],
    examples: examplesOf(command),
  };
}
function argumentTerm(argument) {
  return { term: argument.name(), about: withFacts(argument.description, argument) };
}
function optionTerm(option) {
  return { term: option.flags, about: withFacts(option.description, option) };
}
/** A description with the choices and the default, as help shows them. */
function withFacts(about, { argChoices, defaultValue }) {
  const facts = [
    ...(argChoices ? [`one of ${argChoices.join(', ')}`] : []),
    ...(defaultValue === undefined || defaultValue === false ? [] : [`default: ${String(defaultValue)}`]),
  ];
  return facts.length > 0 ? `${about} (${facts.join('; ')})` : about;
}
function markdownChapter({ name, usage, about, terms, examples }) {
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
function table(title, terms) {
  const cell = (text) => text.replaceAll('|', '\\|');
  return [`| ${title} | |`, '| --- | --- |', ...terms.map(({ term, about }) => `| ${cell(term)} | ${cell(about)} |`)];
}
function manualChapter({ usage, about, terms, examples }) {
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
function manualTerm({ term, about }) {
  return ['.TP', `.B ${roff(term)}`, roff(about)];
}
/** A text that groff prints as it is: its controls begin with a backslash, or a dot or quote at the start of a line. */
function roff(text) {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
/** What a command's exit code says; the numbers above 2 are those of sysexits.h. */
const EXIT_STATUS = [
  { term: '0', about: 'ok' },
  { term: '1', about: 'failed' },
  { term: '2', about: 'wrong usage' },
  { term: '69', about: 'unavailable: the daemon, a port or a device' },
  { term: '77', about: 'this user may not' },
  { term: '78', about: 'the configuration is not valid' },
];
/** Variables that change what every command does. */
const ENVIRONMENT = [
  { term: 'MILLGATE_CONFIG', about: 'configuration file, where --config names none' },
  { term: 'MILLGATE_SOCKET', about: 'socket of the gateway to talk to, whatever the configuration says' },
  { term: 'NO_COLOR', about: 'when set, nothing is coloured' },
  { term: 'LC_ALL, LC_CTYPE, LANG', about: 'where they name no UTF-8, a terminal gets nothing but ASCII' },
  { term: 'MILLGATE_DEBUG', about: 'when set, a bug is told with the place in the program where it happened' },
];
/** Files by their default places. */
const FILES = [
  {
    term: '/etc/millgate/millgate.yaml',
    about: 'the configuration; conf.d/*.yaml beside it are merged, profiles/ has your profiles',
  },
  { term: '/var/lib/millgate', about: 'the store' },
  { term: '/run/millgate/api.sock', about: 'the socket of the service' },
];

async function main() {
  const { commandTree } = await import('../dist/src/cli/program.js');
  const nowhere = { write: () => true };
  const program = commandTree({ stdout: nowhere, stderr: nowhere, columns: () => 80 }, () => {});
  mkdirSync(fileURLToPath(new URL('../docs', import.meta.url)), { recursive: true });
  for (const [name, text] of [
    ['cli.md', markdownReference(program)],
    ['millgate.1', manualPage(program)],
  ]) {
    const file = fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
    writeFileSync(file, text);
    console.log(`written: ${file}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
