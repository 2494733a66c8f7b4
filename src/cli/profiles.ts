/** The commands `profiles`, `schema` and `version`: what comes with the program. */
import { DRIVERS } from '../../hal/registry.ts';
import { diskFilesFrom } from '../config/file/disk-files.ts';
import { formatProblems } from '../config/file/problems.ts';
import { type ProfileFacts, type ProfilePlaces, profileBook, profileTags } from '../config/profiles/profile-book.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import { programVersion } from '../core/file-system.ts';
import { nearest } from '../core/suggest.ts';
import { labelled } from './status/status-parts.ts';
import {
  type CliContext,
  type CommonOptions,
  configFile,
  print,
  printJson,
  tableWidth,
  warn,
} from './terminal/context.ts';
import { plain } from './terminal/format.ts';
import { renderTable } from './terminal/table.ts';

/** A tag of a profile as `profiles NAME --json` gives it. */
interface ProfileTag {
  readonly tag: string;
  /** In both forms: zero-based, and as manuals print it. */
  readonly address: string;
  readonly unit?: string;
  readonly scale: number;
  readonly min?: number;
  readonly max?: number;
  readonly writable: boolean;
  /** Whether its register was verified against a public source. */
  readonly verified: boolean;
  readonly description?: string;
}

/** `profiles [NAME]`: the profiles there are, built in and beside the configuration; or the tags of one. */
export async function profiles(
  name: string | undefined,
  options: CommonOptions,
  context: CliContext,
): Promise<ExitCode> {
  const places = { file: configFile(options, context).file, files: diskFilesFrom(context.cwd) };
  const book = profileBook(places);
  if (name !== undefined) show(name, book, places, options, context);
  else if (options.json) printJson(context, book);
  else print(context, listLines(book, context));
  return EXIT.ok;
}

function listLines(book: readonly ProfileFacts[], context: CliContext): string[] {
  const rows = book.map(({ name, manufacturer, model, tags, builtIn }) => [
    name,
    plain(manufacturer ?? ''),
    String(tags.length),
    { text: builtIn ? '' : 'yours', paint: context.colors.cyan },
    plain(model ?? ''),
  ]);
  const columns = [
    { title: 'profile' },
    { title: 'maker', cut: 'end', minWidth: 8, drop: 1 },
    { title: 'tags', align: 'right', drop: 2 },
    { title: '', drop: 3 },
    { title: 'device', cut: 'end', minWidth: 12 },
  ] as const;
  return renderTable(columns, rows, tableWidth(context), context.colors.dim);
}

function show(
  name: string,
  book: readonly ProfileFacts[],
  places: ProfilePlaces,
  options: CommonOptions,
  context: CliContext,
): void {
  const facts = book.find((profile) => profile.name === name);
  if (!facts) throw unknown(name, book);
  const found = profileTags(name, places, DRIVERS);
  if ('problems' in found) {
    warn(context, [formatProblems(found.problems)]);
    throw new Fault(`${facts.file}: not valid`, 'Mend what is listed above.', EXIT.configInvalid);
  }
  const tags = found.tags.map(
    ({ tag, unit, scale, min, max, writable, description }): ProfileTag => ({
      tag: tag.id.slice(tag.id.indexOf('/') + 1),
      address: addressOf(tag.address),
      ...(unit !== undefined && { unit }),
      scale,
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      writable: writable !== undefined,
      verified: !facts.unverified.includes(tag.name),
      ...(description !== undefined && { description }),
    }),
  );
  if (options.json) printJson(context, { ...facts, tags });
  else print(context, [...factLines(facts, context), ...warningLines(facts, context), '', ...tagLines(tags, context)]);
}

function addressOf(address: unknown): string {
  return DRIVERS.find(({ type }) => type === 'modbus-tcp')!.describeAddress(address);
}

function factLines(facts: ProfileFacts, context: CliContext): string[] {
  const { name, manufacturer, model, file, builtIn, serial, source, notes } = facts;
  const settings = Object.entries(serial ?? {}).map(([key, value]) => `${key} ${plain(String(value))}`);
  return [
    labelled('profile', `${name}${builtIn ? '' : `  ${file}`}`, context),
    labelled(
      'device',
      [manufacturer, model]
        .map((text) => plain(text ?? ''))
        .join(' ')
        .trim(),
      context,
    ),
    ...(settings.length > 0 ? [labelled('serial', settings.join(', '), context)] : []),
    ...(source === undefined ? [] : [labelled('source', plain(source), context)]),
    ...notes.map((note, index) => labelled(index === 0 ? 'notes' : '', plain(note), context)),
  ];
}

/** What to do about tags whose register could not be verified; nothing when there are none. */
function warningLines({ unverified, tags }: ProfileFacts, context: CliContext): string[] {
  if (unverified.length === 0) return [];
  const share = `${tags.length - unverified.length} of ${tags.length} tags`;
  const text = `${share}; compare the others, "not verified" below, with the display of the device before use`;
  return [labelled('verified', text, context)];
}

function tagLines(tags: readonly ProfileTag[], context: CliContext): string[] {
  const rows = tags.map(({ tag, address, unit, scale, min, max, writable, verified }) => [
    verified ? tag : { text: tag, paint: context.colors.yellow },
    address,
    plain(unit ?? ''),
    scale === 1 ? '' : `× ${scale}`,
    min === undefined && max === undefined ? '' : `${min ?? ''} … ${max ?? ''}`,
    [writable ? 'writable' : '', verified ? '' : 'not verified'].filter((word) => word !== '').join(', '),
  ]);
  const columns = [
    { title: 'tag', cut: 'end', minWidth: 16 },
    { title: 'address', cut: 'end', minWidth: 14 },
    { title: 'unit', drop: 1 },
    { title: 'scale', drop: 2 },
    { title: 'range', drop: 3 },
    { title: '', drop: 4 },
  ] as const;
  return renderTable(columns, rows, tableWidth(context), context.colors.dim);
}

function unknown(name: string, book: readonly ProfileFacts[]): Fault {
  const near = nearest(
    name,
    book.map((profile) => profile.name),
  );
  const remedy = near ? `Did you mean ${near}?` : 'millgate profiles lists them.';
  return new Fault(`no profile ${JSON.stringify(name.slice(0, 130))}`, `${remedy}`, EXIT.usage);
}

/** `schema`: the JSON Schema of the configuration file, for editors. */
export async function schema(context: CliContext): Promise<ExitCode> {
  const [{ generateSchema }, { DRIVERS }] = await Promise.all([
    import('../config/sections/schema.ts'),
    import('../../hal/registry.ts'),
  ]);
  printJson(context, generateSchema(DRIVERS));
  return EXIT.ok;
}

/** `version`: this program's version; with `--json` also what it runs on. */
export function version(options: CommonOptions, context: CliContext): ExitCode {
  const millgate = programVersion();
  if (!options.json) print(context, [`millgate ${millgate}`]);
  else printJson(context, { millgate, node: process.versions.node, platform: process.platform, arch: process.arch });
  return EXIT.ok;
}
