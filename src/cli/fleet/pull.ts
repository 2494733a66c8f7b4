/** The command `pull`: fetches the signed configuration of this gateway, and has it tried. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { get } from 'node:https';
import { basename, join, resolve } from 'node:path';
import { MOST_BUNDLE_LENGTH } from '../../config/apply/bundle.ts';
import type { FleetConfig } from '../../config/config.ts';
import { formatProblems } from '../../config/file/problems.ts';
import { readSecret } from '../../config/file/secrets.ts';
import type { BundleAnswer } from '../../core/configuration.ts';
import { codeOf, EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import { operator } from '../alarms.ts';
import { changeLines } from '../apply/apply.ts';
import { followTrial, leftLine } from '../apply/trial.ts';
import { findGateway, type GatewayClient, LONG_DEADLINE_MS } from '../client.ts';
import { load } from '../configuration.ts';
import { type CliContext, type CommonOptions, configFile, print, printJson, warn } from '../terminal/context.ts';
import { plain } from '../terminal/format.ts';

/** Options of `pull`. */
interface PullOptions extends CommonOptions {
  /** Public key in place of the one of the file. */
  readonly key?: string;
}

/** How long a server or git may take, ms. */
const FETCH_MS = 60_000;

/**
 * `pull [SOURCE]`: exit 0 when the bundle is in force or was already, 1 when it was refused or rolled back, 69 when it
 * could not be fetched or no gateway runs, 78 when its configuration is not valid.
 */
export async function pull(given: string | undefined, options: PullOptions, context: CliContext): Promise<ExitCode> {
  if (options.key !== undefined && !/^[0-9a-f]{64}$/.test(options.key))
    throw new Fault(
      '--key is not a public key',
      'Give the 64 hexadecimal digits that millgate bundle prints.',
      EXIT.usage,
    );
  const { source, fleet, id } = await sourceOf(given, options, context);
  const gateway = await findGateway(options, context);
  const bundle = source.startsWith('https://')
    ? await download(source, fleet, context)
    : await fromFolder(source, `${id}.bundle`, context);
  const answer = await gateway.post<BundleAnswer>(
    '/api/v1/bundle',
    { bundle, key: options.key, by: operator(context) },
    LONG_DEADLINE_MS,
  );
  return answer.ok ? taken(answer, gateway, options, context) : refused(answer, options, context);
}

/** Where the bundle is: as given, else as the file says. */
async function sourceOf(given: string | undefined, options: CommonOptions, context: CliContext) {
  const { file } = configFile(options, context);
  const loaded = await load(file, context);
  const fleet = loaded.ok ? loaded.config.fleet : undefined;
  const id = loaded.ok ? loaded.config.gateway.id : context.hostname;
  if (given !== undefined) {
    const filled = given.replaceAll('{id}', id);
    const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(filled);
    if (isUrl && !(URL.canParse(filled) && filled.startsWith('https://')))
      throw new Fault(
        `${given}: neither https:// nor a folder`,
        'Write an https URL, a file or a git folder.',
        EXIT.usage,
      );
    return { source: isUrl ? filled : resolve(context.cwd, filled), fleet, id };
  }
  if (fleet?.source !== undefined) return { source: fleet.source, fleet, id };
  throw new Fault(
    'where from?',
    `Write millgate pull SOURCE, or into ${file}: fleet: {source: "https://…/{id}.bundle", key: "…"}.`,
    EXIT.usage,
  );
}

/** The text at an https URL. Nothing is followed: where the bundle is, is what the file says. */
function download(url: string, fleet: FleetConfig | undefined, context: CliContext): Promise<string> {
  const unavailable = (what: string, remedy: string) => new Fault(`${url}: ${what}`, remedy, EXIT.unavailable);
  // The token of the file is for the server of the file.
  const isOwn = fleet?.source === undefined || new URL(fleet.source).host === new URL(url).host;
  const token = fleet?.token && isOwn ? readSecret(fleet.token, { env: context.env }) : undefined;
  const ca = fleet?.ca === undefined ? undefined : authorityOf(fleet.ca);
  return new Promise((done, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const request = get(url, { headers, agent: false, timeout: FETCH_MS, ...(ca && { ca }) }, (response) => {
      const { statusCode } = response;
      if (statusCode !== 200) {
        response.destroy();
        reject(unavailable(`the server answers ${statusCode}`, 'Check the address, and that the bundle is there.'));
        return;
      }
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MOST_BUNDLE_LENGTH) request.destroy(new Error('what came is too large for a bundle'));
      });
      response.on('end', () => done(text));
      response.on('error', () =>
        reject(unavailable('the server hung up in the midst of the bundle', 'Try again; what runs goes on.')),
      );
    });
    const cancel = context.clock.after(FETCH_MS, () => request.destroy(new Error('no whole answer within a minute')));
    const end = () => request.destroy(new Error('cancelled'));
    context.signal.addEventListener('abort', end, { once: true });
    request.on('close', () => {
      cancel();
      context.signal.removeEventListener('abort', end);
    });
    request.on('error', (error) =>
      reject(unavailable(messageOf(error), 'Check the address, the network and fleet.ca; what runs goes on.')),
    );
  });
}

/** The authority that the file names. */
function authorityOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Fault(`fleet.ca: ${path} cannot be read: ${messageOf(error)}`, 'Check the path.', EXIT.unavailable);
  }
}

/** The text of a file; of a folder the file of this gateway, brought up to date first where it is one of git. */
async function fromFolder(path: string, name: string, context: CliContext): Promise<string> {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  if (isFolder && existsSync(join(path, '.git'))) await gitPull(path, context);
  const file = isFolder ? join(path, name) : path;
  try {
    if (statSync(file).size > MOST_BUNDLE_LENGTH * 4)
      throw new Fault(`${file}: too large for a bundle`, 'Make it with millgate bundle.');
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Fault) throw error;
    const what = codeOf(error) === 'ENOENT' ? 'there is no such bundle' : messageOf(error);
    throw new Fault(`${file}: ${what}`, `Put it there as ${basename(file)}.`, EXIT.unavailable);
  }
}

/** Without the network what is there already is still good. */
function gitPull(folder: string, context: CliContext): Promise<void> {
  const args = ['-C', folder, 'pull', '--quiet', '--ff-only'];
  const environment = { ...context.env, GIT_TERMINAL_PROMPT: '0' };
  return new Promise((done) => {
    execFile('git', args, { timeout: FETCH_MS, env: environment, signal: context.signal }, (error, _out, told) => {
      if (error)
        warn(context, [`millgate: warning: git pull in ${folder} failed: ${plain((told || error.message).trim())}`]);
      done();
    });
  });
}

async function taken(
  answer: Extract<BundleAnswer, { ok: true }>,
  gateway: GatewayClient,
  options: PullOptions,
  context: CliContext,
): Promise<ExitCode> {
  const { number, hash, changes, outcome } = answer;
  if (!options.json) print(context, changeLines(changes, context));
  if (outcome !== 'on-trial') {
    if (options.json) printJson(context, { ok: true, number, hash, changes, outcome });
    else print(context, [`Nothing new: bundle ${number} is in force as it is (${hash}).`]);
    return EXIT.ok;
  }
  const end = await followTrial(hash, gateway, context);
  if ('left' in end) {
    warn(context, [leftLine(end.left, context)]);
    if (options.json) printJson(context, { ok: true, number, hash, changes, outcome });
    return EXIT.ok;
  }
  const isKept = end.entry.outcome === 'kept';
  const { why } = end.entry;
  if (options.json) printJson(context, { ok: isKept, number, hash, changes, outcome: end.entry.outcome, why });
  else if (isKept) print(context, [context.colors.green(`Kept: bundle ${number} is in force (${hash}).`)]);
  else warn(context, [context.colors.red(`Rolled back: ${why ?? end.entry.outcome}. What ran before runs again.`)]);
  return isKept ? EXIT.ok : EXIT.failed;
}

function refused(answer: Extract<BundleAnswer, { ok: false }>, options: PullOptions, context: CliContext): ExitCode {
  const { number, why, remedy, problems } = answer;
  if (options.json) printJson(context, answer);
  else {
    if (problems.length > 0) warn(context, [formatProblems(problems)]);
    warn(context, [
      context.colors.red(
        `Refused: ${number === undefined ? 'the bundle' : `bundle ${number}`}: ${plain(why)}. ${remedy}`,
      ),
      'What ran before goes on.',
    ]);
  }
  return problems.length > 0 ? EXIT.configInvalid : EXIT.failed;
}
