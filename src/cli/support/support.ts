/** The command `support`: one archive that tells what is wrong, without secrets. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Config } from '../../config/config.ts';
import { codeOf, EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import { programVersion, writeWhole } from '../../core/file-system.ts';
import { formatSize } from '../../core/quantity.ts';
import { type GatewayClient, runningGateway } from '../client.ts';
import { load } from '../configuration.ts';
import { type Machine, machineAt } from '../doctor/read-machine.ts';
import { type CliContext, type CommonOptions, configFile, print, printJson, warn } from '../terminal/context.ts';
import { formatCount, formatTime } from '../terminal/format.ts';
import { REDACTED, redact } from './redact.ts';
import {
  commandParts,
  configurationParts,
  eventsPart,
  logParts,
  type Part,
  systemPart,
  tagsPart,
} from './support-parts.ts';

/** All contents together, before they are compressed, bytes: the archive fits into a mail whatever the logs hold. */
const MAX_BYTES = 10_000_000;

/** The folder in the archive. */
const FOLDER = 'millgate-support';

/** The largest file that is taken for a secret, bytes. */
const LONGEST_SECRET = 4096;

/** Options of `support`. */
interface SupportOptions extends CommonOptions {
  readonly output?: string;
}

/** What became of one part. */
interface Packed {
  readonly name: string;
  readonly bytes: number;
  /** Bytes that were left out because they are too many. */
  readonly cutBytes: number;
  readonly redacted: Readonly<Record<string, number>>;
  readonly content: Buffer;
}

/**
 * `support`: one archive with everything that tells what is wrong, and no secrets: configuration, check, doctor, status
 * with its statistics, ledger, events of a day, logs, versions. Says on standard error what is in it and what was taken
 * out; the path on standard output.
 */
export async function support(
  options: SupportOptions,
  context: CliContext,
  machine: Machine = machineAt('/', context),
): Promise<ExitCode> {
  const path = resolve(context.cwd, options.output ?? defaultName(context));
  if (existsSync(path)) throw new Fault(`${path}: it is there already`, 'Name another file with --output.', EXIT.usage);
  const gateway = await runningGateway(options, context).catch(withoutGateway);
  const { absolute } = configFile(options, context);
  const file = gateway && !configFile(options, context).named ? await fileOf(gateway, absolute) : absolute;
  const asked = { ...options, config: file };
  const loaded = await load(file, context);
  const parts = await gather(asked, file, loaded.ok ? loaded.config : undefined, gateway, context, machine);
  const known = knownSecrets(parts, dirname(file), context);
  const { packed, missing } = pack(parts, known);
  const manifest = manifestText(packed, missing, context);
  const files: ArchiveFile[] = [{ name: 'README.txt', content: Buffer.from(manifest) }, ...packed].map(
    ({ name, content }) => ({ name: `${FOLDER}/${name}`, content }),
  );
  const archive = gzipSync(tar(files, context.clock.wallMs()), { level: 9 });
  writeArchive(path, archive);
  warn(context, [manifest.trimEnd()]);
  if (options.json)
    printJson(context, {
      file: path,
      bytes: archive.length,
      parts: packed.map(({ name, bytes, cutBytes, redacted }) => ({ name, bytes, cutBytes, redacted })),
      missing,
    });
  else print(context, [path]);
  return EXIT.ok;
}

/** Whatever keeps this user from the gateway, the rest can still be packed. */
function withoutGateway(error: unknown): undefined {
  if (error instanceof Fault) return undefined;
  throw error;
}

/** The file that a gateway runs when none was named. */
async function fileOf(gateway: GatewayClient, otherwise: string): Promise<string> {
  const { config } = await gateway.get<{ config?: { file?: string } }>('/api/v1/status');
  return config?.file ?? otherwise;
}

function defaultName({ hostname, clock }: CliContext): string {
  const stamp = formatTime(clock.wallMs(), {}).slice(0, 16).replaceAll(/[-:]/g, '').replace('T', '-');
  return `millgate-support-${hostname.replaceAll(/[^A-Za-z0-9-]/g, '')}-${stamp}.tar.gz`;
}

/** The parts by how much they tell: when there is too much, the last ones are cut. */
async function gather(
  options: CommonOptions,
  file: string,
  config: Config | undefined,
  gateway: GatewayClient | undefined,
  context: CliContext,
  machine: Machine,
): Promise<Part[]> {
  const logs = logParts(machine);
  return [
    ...(await commandParts(options, context, machine)),
    systemPart(machine),
    ...configurationParts(file),
    await eventsPart(gateway, config, context),
    await tagsPart(gateway),
    ...(await logs),
  ];
}

/**
 * The secrets that the configuration refers to, so that they are found wherever they stand, be the file valid or not;
 * and those in variables whose names say so.
 */
function knownSecrets(parts: readonly Part[], folder: string, { env }: CliContext): string[] {
  const texts = parts.flatMap((part) => (part.name.startsWith('config/') && 'content' in part ? [part.content] : []));
  const references = texts.flatMap((text) => [...text.matchAll(/\b(file|env)["']?\s*:\s*["']?([^\s"'},]+)/g)]);
  const found = references.map(([, kind, name]) => (kind === 'env' ? env[name!] : lineOf(resolve(folder, name!))));
  const named = Object.entries(env).flatMap(([name, value]) =>
    /PASSW|SECRET|TOKEN|API_?KEY/i.test(name) ? [value] : [],
  );
  return [...found, ...named].flatMap((secret) => (secret === undefined || secret === '' ? [] : [secret]));
}

/** The one line of a file; undefined when it has more, is long, or cannot be read. */
function lineOf(path: string): string | undefined {
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > LONGEST_SECRET) return undefined;
    const text = readFileSync(path, 'utf8').trim();
    return text.includes('\n') ? undefined : text;
  } catch {
    return undefined;
  }
}

function pack(
  parts: readonly Part[],
  known: readonly string[],
): { packed: Packed[]; missing: { name: string; why: string }[] } {
  const packed: Packed[] = [];
  const missing: { name: string; why: string }[] = [];
  let left = MAX_BYTES;
  for (const part of parts) {
    if ('missing' in part) {
      missing.push({ name: part.name, why: redact(part.missing, known).text });
      continue;
    }
    const { text, counts } = redact(part.content, known);
    const whole = Buffer.from(text);
    const most = Math.min(part.maxBytes, left);
    const content = part.keep === 'tail' ? whole.subarray(Math.max(0, whole.length - most)) : whole.subarray(0, most);
    left -= content.length;
    const cutBytes = whole.length - content.length;
    packed.push({ name: part.name, bytes: content.length, cutBytes, redacted: counts, content });
  }
  return { packed, missing };
}

/** What is in the archive, what is not, and what was taken out. */
function manifestText(
  packed: readonly Packed[],
  missing: readonly { name: string; why: string }[],
  context: CliContext,
): string {
  const kinds = new Map<string, number>();
  for (const { redacted } of packed)
    for (const [kind, count] of Object.entries(redacted)) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  const rows = packed.map(({ name, bytes, cutBytes }) => {
    const cut = cutBytes > 0 ? `, ${formatSize(cutBytes)} more were left out` : '';
    return `  ${name.padEnd(28)} ${formatSize(bytes)}${cut}`;
  });
  const taken = [...kinds].map(([kind, count]) => `  ${formatCount(count)} × ${kind}`);
  return [
    `millgate ${programVersion()} support archive, ${formatTime(context.clock.wallMs(), context)}`,
    '',
    'In it:',
    ...rows,
    ...(missing.length > 0 ? ['', 'Not in it:', ...missing.map(({ name, why }) => `  ${name}: ${why}`)] : []),
    '',
    `Taken out, and replaced by ${REDACTED}:`,
    ...(taken.length > 0 ? taken : ['  nothing was found that looks like a secret']),
    '',
    'Look through it before you send it: names of machines, tags and brokers are in it.',
    '',
  ].join('\n');
}

/** Writes the archive, whole or not at all; only its owner may read it. */
function writeArchive(path: string, content: Buffer): void {
  try {
    writeWhole(path, content, { mode: 0o600 });
  } catch (error) {
    const code = codeOf(error);
    const isDenied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new Fault(`${path}: there is no folder ${dirname(path)}`, 'Make it, or name another file with --output.');
    const why = isDenied ? 'may not be written by this user' : `cannot be written: ${messageOf(error)}`;
    throw new Fault(
      `${path}: ${why}`,
      'Name a file in a folder that is there and may be written, with --output.',
      isDenied ? EXIT.permission : EXIT.failed,
      { cause: error },
    );
  }
}

/** A file of an archive. */
interface ArchiveFile {
  /** Relative path, with `/`, at most 100 bytes. */
  readonly name: string;
  readonly content: Buffer;
}

const BLOCK = 512;

/**
 * Files as a tar archive of the POSIX form (ustar, IEEE Std 1003.1-1988): header blocks of 512 bytes, contents padded to
 * whole blocks, two empty blocks at the end.
 *
 * @param wallMs time of the files, UTC ms
 */
export function tar(files: readonly ArchiveFile[], wallMs: number): Buffer {
  const parts = files.flatMap(({ name, content }) => {
    const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
    return [header(name, content.length, wallMs), content, padding];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header(name: string, size: number, wallMs: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new RangeError(`the name is too long for an archive: ${name}`);
  block.write(name, 0, 'utf8');
  octal(block, 100, 8, 0o600);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  octal(block, 124, 12, size);
  octal(block, 136, 12, Math.max(0, Math.floor(wallMs / 1000)));
  block.fill(' ', 148, 156);
  block.write('0', 156);
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return block;
}

/** A number in octal digits, filled with zeros and ended by a zero byte. */
function octal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\u0000`, offset, 'latin1');
}
