/** The command `import`: makes the tags of a device out of a register list, and says what it guessed and left out. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { diskFault, realDisk, writeAtomically } from '../../config/apply/durable.ts';
import { codeOf, EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import { loadText } from '../configuration.ts';
import { onLine } from '../probe/probe-line.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';
import type { Choices, Guess } from './addressing.ts';
import { bestSheet, type LeftOut, type RegisterList, registerList } from './register-list.ts';
import { sheetsOf } from './sheet.ts';
import { deviceLines, withDevice } from './tags-yaml.ts';
import { type Verified, verifyList } from './verify-list.ts';

interface ImportOptions extends CommonOptions {
  readonly verify?: readonly string[];
  readonly base?: '0' | '1';
  readonly order?: Choices['order'];
  readonly table?: Choices['table'];
  readonly scale?: Choices['scale'];
  readonly device?: string;
  readonly channel?: string;
  readonly unit?: string;
  readonly append?: string;
}

const WANTED = 'It takes a row of headings with an address, and a name, a type or a unit beside it.';

/**
 * `import FILE`: prints a device with the tags of a register list. Exit 0 when every row is a tag, 1 when rows were left
 * out or nothing was found, 69 when `--verify` reaches no device, 78 when the file of `--append` would not be valid.
 */
export async function importList(
  file: string | undefined,
  options: ImportOptions,
  context: CliContext,
): Promise<ExitCode> {
  const [channel, unitText, late] = options.verify ?? [];
  const path = file ?? late;
  if (path === undefined) throw new Fault('no register list is named', 'Write its file, or - to paste it.', EXIT.usage);
  if (options.verify && unitText === undefined)
    throw new Fault('--verify takes a channel and a unit', 'Write for example --verify line-a 3.', EXIT.usage);
  const best = bestSheet(sheetsOf(await bytesOf(path, context), path));
  if (!best) throw new Fault(`${path}: no headings of a register list are found`, WANTED);
  const listOf = (choices: Choices) => registerList(best.sheet, best.headings, choices);
  const given = choicesOf(options);
  let list = listOf(given);
  let verified: Verified | undefined;
  if (channel !== undefined && unitText !== undefined) {
    const unit = unitOf(unitText);
    verified = await onLine(channel, unit, options, context, (ask) => verifyList(list, listOf, given, ask));
    if (verified.read === 0)
      throw new Fault(
        `unit ${unit} on ${channel} has none of these registers`,
        'Check channel and unit.',
        EXIT.unavailable,
      );
    if (verified.isSettled) list = verified.list;
  }
  const plan = {
    device: deviceName(options, path),
    channel: options.channel ?? (channel !== undefined && NAME_PATTERN.test(channel) ? channel : 'line-a'),
    unit: unitOf(options.unit ?? unitText ?? '1'),
  };
  if (list.tags.length > 0 && options.append !== undefined) await append(options.append, list, plan, context);
  report(list, plan, verified, options, context);
  return list.tags.length > 0 && list.leftOut.length === 0 ? EXIT.ok : EXIT.failed;
}

async function bytesOf(path: string, context: CliContext): Promise<Uint8Array> {
  if (path === '-') {
    const chunks: Uint8Array[] = [];
    for await (const chunk of context.input ?? process.stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  }
  try {
    return await readFile(resolve(context.cwd, path));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new Fault(`${path}: there is no such file`, 'Check its name.', EXIT.failed);
    const code = codeOf(error) === 'EACCES' ? EXIT.permission : EXIT.failed;
    throw new Fault(`${path}: ${messageOf(error)}`, '', code, { cause: error });
  }
}

function choicesOf({ base, order, table, scale }: ImportOptions): Choices {
  return {
    ...(base !== undefined && { base: base === '0' ? 0 : 1 }),
    ...(order !== undefined && { order }),
    ...(table !== undefined && { table }),
    ...(scale !== undefined && { scale }),
  };
}

function unitOf(text: string): number {
  const unit = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (unit <= 255) return unit;
  throw new Fault(`unit ${text}: unit ids go from 0 to 255`, 'Write the one that is set on the device.', EXIT.usage);
}

/** The device by its option, else by the name of the file. */
function deviceName({ device }: ImportOptions, path: string): string {
  if (device !== undefined && !NAME_PATTERN.test(device))
    throw new Fault(`--device ${device}: no valid name`, 'Write small letters, digits and hyphens.', EXIT.usage);
  const stem = (path.split('/').at(-1) ?? '')
    .replace(/\.\w+$/, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-');
  const name = stem.replaceAll(/^-+|-+$/g, '').slice(0, 63);
  return device ?? (NAME_PATTERN.test(name) ? name : 'device');
}

async function append(
  file: string,
  list: RegisterList,
  plan: Parameters<typeof deviceLines>[1],
  context: CliContext,
): Promise<void> {
  const path = resolve(context.cwd, file);
  let before: string;
  try {
    before = await readFile(path, 'utf8');
  } catch (error) {
    throw new Fault(`${file}: ${messageOf(error)}`, 'Write one first: millgate init.', EXIT.failed, { cause: error });
  }
  const text = withDevice(before, deviceLines(list, plan), plan.device, file);
  const checked = await loadText(path, text, context, true);
  if (!checked.ok) {
    const problem = checked.problems[0];
    throw new Fault(
      `${file} with these tags would not be valid: ${problem?.message ?? ''}`,
      'Nothing is written.',
      EXIT.configInvalid,
    );
  }
  await writeAtomically(realDisk, path, text).catch((error: unknown) => {
    throw diskFault(file, error);
  });
}

function report(
  list: RegisterList,
  plan: Parameters<typeof deviceLines>[1],
  verified: Verified | undefined,
  options: ImportOptions,
  context: CliContext,
): void {
  const lines = deviceLines(list, plan);
  if (options.json) {
    const { tags, guesses, leftOut, order } = list;
    const seen = verified && { settled: verified.isSettled, read: verified.read, plausible: verified.plausible };
    printJson(context, {
      ...plan,
      order: order ?? null,
      tags,
      guesses,
      leftOut,
      verified: seen ?? null,
      yaml: lines.join('\n'),
    });
    return;
  }
  if (options.append === undefined && list.tags.length > 0) print(context, ['devices:', ...lines]);
  const added = options.append === undefined ? '' : `, added to ${options.append} as ${plan.device}`;
  warn(context, [
    `${list.tags.length} tags${added}, ${list.guesses.length} guesses, ${list.leftOut.length} rows left out.`,
    ...list.guesses.map(guessLine),
    ...list.leftOut.map(leftOutLine),
    ...(verified ? [verifiedLine(verified)] : []),
  ]);
}

function guessLine({ what, remedy, lines }: Guess): string {
  return `guessed: ${what}${lines ? ` (line ${shortened(lines)})` : ''}. ${remedy}`;
}

function shortened(lines: readonly number[]): string {
  return lines.length > 12 ? `${lines.slice(0, 12).join(', ')} and ${lines.length - 12} more` : lines.join(', ');
}

function leftOutLine({ line, text, reason }: LeftOut): string {
  return `left out: line ${line}, ${reason}: ${text}`;
}

function verifiedLine({ isSettled, read, plausible, list, choices }: Verified): string {
  const found = `${read} of ${list.tags.length} values were read, ${plausible} of them plausible`;
  if (!isSettled) return `verified: ${found}; the device does not settle what the list leaves open.`;
  const settled = [choices.addressing && `addressing ${choices.addressing}`, choices.order && `order ${choices.order}`];
  return `verified: ${found}; ${settled.filter(Boolean).join(', ') || 'nothing was open'}.`;
}
