/** Reads the secret that a reference stands for. */
import { readFileSync, statSync } from 'node:fs';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import type { SecretRef } from '../config.ts';

/** What reading a secret needs of the world. */
interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile?: (path: string) => string;
  /** Permission bits of a file. */
  readonly modeOf?: (path: string) => number;
  /** Is told when the secret works but is not kept well. Never gets the secret. */
  readonly warn?: (message: string) => void;
}

/** Permission bit: anyone may read. */
const OTHERS_READ = 0o004;

/**
 * The secret a reference stands for: a variable, or the text of a file without its last line end.
 *
 * @throws Fault that names the file or variable and what to do; it never holds the secret
 */
export function readSecret(ref: SecretRef, sources: SecretSources): string {
  if ('env' in ref) {
    const value = sources.env[ref.env];
    if (value === undefined || value === '')
      throw new Fault(
        `secret: the environment variable ${ref.env} is ${value === '' ? 'empty' : 'not set'}. Set it for the service, or use {file: PATH}.`,
        EXIT.configInvalid,
      );
    return value;
  }
  const { file } = ref;
  const text = readText(file, sources.readFile ?? ((path) => readFileSync(path, 'utf8')));
  const secret = text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '');
  if (secret.trim() === '')
    throw new Fault(`secret: ${file} is empty. Write the secret into its first line.`, EXIT.configInvalid);
  if (/[\r\n]/.test(secret))
    throw new Fault(`secret: ${file} has more than one line. Keep only the secret in it.`, EXIT.configInvalid);
  const mode = (sources.modeOf ?? ((path) => statSync(path).mode))(file);
  if ((mode & OTHERS_READ) !== 0) sources.warn?.(`secret: any user may read ${file}. Run: chmod o-rwx ${file}`);
  return secret;
}

function readText(file: string, readFile: (path: string) => string): string {
  try {
    return readFile(file);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT')
      throw new Fault(
        `secret: there is no file ${file}. Create it, readable by the millgate user only.`,
        EXIT.configInvalid,
      );
    if (code === 'EACCES' || code === 'EPERM')
      throw new Fault(
        `secret: ${file} may not be read. Give it to the millgate user: chown millgate ${file}`,
        EXIT.permission,
      );
    throw new Fault(`secret: ${file} cannot be read: ${messageOf(error)}. Check the path.`, EXIT.configInvalid);
  }
}
