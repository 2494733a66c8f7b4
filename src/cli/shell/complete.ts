/** Works out what may come next on a command line. */
import type { Argument, Command, Option } from 'commander';
import { ALARM_ORDERS } from '../../api/rules-view.ts';
import type { Names } from '../../config/names.ts';

/** A word that may come next, and what it is. */
interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** What may come next: words, and files when `files` says so. */
interface Completion {
  readonly candidates: readonly Candidate[];
  readonly files: boolean;
}

/** The names of a configuration; asked only when a name is wanted. `file`: as `--config` on the line says. */
type NameSource = (file: string | undefined) => Promise<Names>;

/** More words than this are no help, and would hold up the shell. */
const MAX_CANDIDATES = 2000;

/** Which names a word in a usage line stands for; before that, the word of one command. */
const NAMES: Readonly<Record<string, keyof Names>> = {
  TAG: 'tags',
  DEVICE: 'devices',
  CHANNEL: 'channels',
  ALARM: 'alarms',
  CHART: 'charts',
  MACHINE: 'machines',
  UPLINK: 'uplinks',
  PROFILE: 'profiles',
  'alarms ID': 'alarms',
  'spc NAME': 'charts',
  'oee NAME': 'machines',
  'maintenance NAME': 'maintenance',
  'profiles NAME': 'profiles',
};

/** Words of arguments that their commands check themselves, with better words than the command tree has. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  'alarms ORDER': ALARM_ORDERS,
  'spc ORDER': ['rebase', 'exclude'],
  'maintenance ORDER': ['done'],
  'correct MEMBER': ['serial', 'result', 'job'],
  'inventory ORDER': ['set'],
};

/** Words in a usage line that stand for a path. */
const FILES = new Set(['FILE', 'PATH', 'PORT', 'DIR', 'FOLDER']);

/** Where in a command line the cursor is. */
interface Cursor {
  readonly command: Command;
  /** Arguments of the command that are complete. */
  readonly position: number;
  /** The option whose value is being typed. */
  readonly option: Option | undefined;
  /** After `--` nothing is an option. */
  readonly isLiteral: boolean;
  readonly config: string | undefined;
}

/**
 * What may come next on a command line.
 *
 * @param program the command tree
 * @param words what is typed after the program's name; the last is the word at the cursor, possibly empty
 */
export async function complete(program: Command, words: readonly string[], names: NameSource): Promise<Completion> {
  const typed = joined(words.map(unquoted));
  const current = typed.at(-1) ?? '';
  const cursor = cursorAfter(program, typed.slice(0, -1));
  const assigned = /^(--[^=]+)=(.*)$/s.exec(current);
  if (assigned && !cursor.option && !cursor.isLiteral) {
    const option = optionOf(cursor.command, program, assigned[1]!);
    const found = option ? await valuesOf(metavarOf(option), option.argChoices, cursor, names) : NOTHING;
    const candidates = startingWith(found.candidates, assigned[2]!);
    return {
      files: false,
      candidates: candidates.map(({ word, about }) => ({ word: `${assigned[1]}=${word}`, about })),
    };
  }
  const found = await nextWords(program, cursor, current, names);
  return { files: found.files, candidates: startingWith(found.candidates, current) };
}

const NOTHING: Completion = { candidates: [], files: false };

async function nextWords(program: Command, cursor: Cursor, current: string, names: NameSource): Promise<Completion> {
  const { command, option } = cursor;
  if (option) return valuesOf(metavarOf(option), option.argChoices, cursor, names);
  if (current.startsWith('-') && !cursor.isLiteral) return { candidates: optionsOf(command, program), files: false };
  if (command.commands.length > 0 && cursor.position === 0) return { candidates: commandsOf(command), files: false };
  const argument = argumentAt(command, cursor.position);
  return argument ? valuesOf(argument.name(), argument.argChoices, cursor, names) : NOTHING;
}

/** Reads the finished words of a line. */
function cursorAfter(program: Command, words: readonly string[]): Cursor {
  let cursor: Cursor = { command: program, position: 0, option: undefined, isLiteral: false, config: undefined };
  for (const word of words) {
    const { command, option, isLiteral } = cursor;
    // The words after "help" are those that could stand in its place.
    if (command === program && word === 'help') continue;
    if (option) {
      const config = option.long === '--config' ? word : cursor.config;
      cursor = { ...cursor, option: undefined, config };
    } else if (word === '--') cursor = { ...cursor, isLiteral: true };
    else if (word.startsWith('-') && !isLiteral) {
      const [flag, value] = splitAssignment(word);
      const given = optionOf(command, program, flag);
      const config = given?.long === '--config' && value !== undefined ? value : cursor.config;
      const takesValue = given?.required === true && value === undefined;
      cursor = { ...cursor, config, option: takesValue ? given : undefined };
    } else {
      const next = cursor.position === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      cursor = next ? { ...cursor, command: next } : { ...cursor, position: cursor.position + 1 };
    }
  }
  return cursor;
}

function splitAssignment(word: string): [flag: string, value: string | undefined] {
  const at = word.indexOf('=');
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function optionOf(command: Command, program: Command, flag: string): Option | undefined {
  return [...command.options, ...program.options].find(({ long, short }) => flag === long || flag === short);
}

/** `FILE` of `--config <FILE>`. */
function metavarOf(option: Option): string {
  return /[<[]([^\]>]+)[\]>]/.exec(option.flags)?.[1] ?? '';
}

function argumentAt(command: Command, position: number): Argument | undefined {
  const { registeredArguments: known } = command;
  const last = known.at(-1);
  return known[position] ?? (last?.variadic ? last : undefined);
}

async function valuesOf(
  metavar: string,
  choices: readonly string[] | undefined,
  { command, config }: Cursor,
  names: NameSource,
): Promise<Completion> {
  if (choices) return { candidates: choices.map(plainWord), files: false };
  const parts = metavar.replace('...', '').split('|');
  const words = parts.flatMap((part) => WORDS[`${command.name()} ${part}`] ?? []);
  const kinds = parts.flatMap((part) => NAMES[`${command.name()} ${part}`] ?? NAMES[part] ?? []);
  const known = kinds.length > 0 ? await names(config) : undefined;
  return {
    candidates: [...words, ...kinds.flatMap((kind) => known?.[kind] ?? [])].map(plainWord),
    files: parts.some((part) => FILES.has(part)),
  };
}

function plainWord(word: string): Candidate {
  return { word, about: '' };
}

function optionsOf(command: Command, program: Command): Candidate[] {
  const all = command.createHelp().visibleOptions(command);
  const shared = command === program ? [] : program.options.filter(({ long }) => long !== '--version');
  const known = new Map([...shared, ...all].map((option) => [option.long ?? option.short ?? '', option.description]));
  return [...known].map(([word, about]) => ({ word, about }));
}

function commandsOf(command: Command): Candidate[] {
  const visible = command.createHelp().visibleCommands(command);
  return visible.map((each) => ({ word: each.name(), about: each.description() }));
}

function startingWith(candidates: readonly Candidate[], start: string): Candidate[] {
  return candidates.filter(({ word }) => word.startsWith(start)).slice(0, MAX_CANDIDATES);
}

/** Bash takes `--format=csv` apart into three words. */
function joined(words: readonly string[]): string[] {
  return words
    .filter((word, index) => !(word === '=' && index < words.length - 1))
    .map((word, index, all) => {
      return word === '=' && index === all.length - 1 ? '' : word;
    });
}

/** A word without the quotes that it begins with, as the shell will see it. */
function unquoted(word: string): string {
  const quote = word[0];
  if (quote !== '"' && quote !== "'") return word;
  return word.endsWith(quote) && word.length > 1 ? word.slice(1, -1) : word.slice(1);
}
