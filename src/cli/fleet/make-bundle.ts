/** The command `bundle`: makes the key of a fleet, and signs a configuration for a gateway. */
import { generateKeyPairSync } from 'node:crypto';
import { resolve } from 'node:path';
import { MOST_BUNDLE_LENGTH, publicKeyOf, sealBundle } from '../../config/apply/bundle.ts';
import { formatProblems } from '../../config/file/problems.ts';
import { codeOf, EXIT, type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import { writeWhole } from '../../core/file-system.ts';
import { readText } from '../apply/apply.ts';
import { loadText } from '../configuration.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';

/** Options of `bundle`. */
interface BundleOptions extends CommonOptions {
  readonly key?: string;
  readonly newKey?: string;
  readonly gateway?: string;
  readonly number?: string;
  readonly out?: string;
}

/** `bundle FILE --key KEY`, or `bundle --new-key KEY`: exit 78 when the configuration is not valid. */
export async function bundle(
  given: string | undefined,
  options: BundleOptions,
  context: CliContext,
): Promise<ExitCode> {
  if (options.newKey !== undefined) return newKey(options.newKey, options, context);
  const { key } = options;
  if (given === undefined || key === undefined)
    throw new Fault('which file, and which key?', 'Write millgate bundle FILE --key fleet.key.', EXIT.usage);
  const text = readText(given, context);
  const loaded = await loadText(given, text, context);
  const problems = loaded.ok ? loaded.warnings : loaded.problems;
  if (problems.length > 0) warn(context, [formatProblems(problems)]);
  if (!loaded.ok) return EXIT.configInvalid;
  const gateway = options.gateway ?? loaded.config.gateway.id;
  const number = numberOf(options.number, context);
  const privatePem = readText(key, context);
  const madeMs = Math.round(context.clock.wallMs());
  const sealed = signedBy(() => sealBundle({ gateway, number, madeMs, text }, privatePem), key);
  if (sealed.length > MOST_BUNDLE_LENGTH)
    throw new Fault(`${given}: too long for a bundle`, `A bundle has at most ${MOST_BUNDLE_LENGTH} characters.`);
  const out = options.out ?? `${gateway.replaceAll('*', 'all')}.bundle`;
  written(() => writeWhole(resolve(context.cwd, out), sealed, { mode: 0o644 }), out);
  const publicKey = publicKeyOf(privatePem);
  if (options.json) printJson(context, { file: out, gateway, number, config: loaded.config.hash, key: publicKey });
  else print(context, [`${out}: bundle ${number} for ${gateway}, signed by ${publicKey}.`]);
  return EXIT.ok;
}

/** The private key stays where bundles are made; the public one goes into the files of the gateways. */
function newKey(file: string, options: BundleOptions, context: CliContext): ExitCode {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  written(() => writeWhole(resolve(context.cwd, file), pem, { mode: 0o600, replace: false }), file);
  const publicKey = publicKeyOf(pem);
  if (options.json) printJson(context, { file, key: publicKey });
  else
    print(context, [
      `${file}: the private key; keep it off the gateways. For their files:`,
      `fleet: {key: "${publicKey}"}`,
    ]);
  return EXIT.ok;
}

/** Unless it is given, the time in seconds: it rises by itself. */
function numberOf(text: string | undefined, { clock }: CliContext): number {
  if (text === undefined) return Math.floor(clock.wallMs() / 1000);
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new Fault(`--number ${text}: not a whole number above 0`, 'Leave it out, and it is the time.', EXIT.usage);
}

function signedBy(seal: () => string, key: string): string {
  try {
    return seal();
  } catch (error) {
    throw new Fault(
      `${key}: not a private key of Ed25519 in PEM form (${messageOf(error)})`,
      'Make one: millgate bundle --new-key fleet.key.',
      EXIT.usage,
    );
  }
}

function written(write: () => void, file: string): void {
  try {
    write();
  } catch (error) {
    const why =
      codeOf(error) === 'EEXIST' ? 'is there already, and is not replaced' : `cannot be written: ${messageOf(error)}`;
    throw new Fault(`${file}: ${why}`, 'Name another file.');
  }
}
