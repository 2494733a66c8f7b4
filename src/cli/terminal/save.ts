/** Writes what a command made to the file that a person named. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { EXIT, Fault, messageOf } from '../../core/errors.ts';
import type { CliContext } from './context.ts';

/** Writes a file, below the folder of the command. @throws Fault with what the disk says */
export function saveFile(name: string, content: string | Uint8Array, { cwd }: Pick<CliContext, 'cwd'>): void {
  try {
    writeFileSync(resolve(cwd, name), content);
  } catch (cause) {
    const remedy = 'Check the folder and its rights.';
    throw new Fault(`${name}: cannot be written: ${messageOf(cause)}`, remedy, EXIT.usage, { cause });
  }
}
