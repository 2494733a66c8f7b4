// Writes docs/cli.md and docs/millgate.1 from the command tree; run it after a change of a command.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../dist/src/cli.js', import.meta.url));
mkdirSync(fileURLToPath(new URL('../docs', import.meta.url)), { recursive: true });
for (const [form, name] of [
  ['markdown', 'cli.md'],
  ['manual', 'millgate.1'],
]) {
  const file = fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
  writeFileSync(file, execFileSync(process.execPath, [program, '__reference', form]));
  console.log(`written: ${file}`);
}
