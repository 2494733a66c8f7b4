// Writes into the README of each folder the table of its files, from the sentence each file opens with; run it after a
// file came, went or changed its purpose. With --check it changes nothing and fails where a table is not what the files say.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BEGIN = '<!-- files: written by scripts/folder-maps.mjs -->';
const END = '<!-- end of files -->';

/** The sentence a file opens with. */
function purposeOf(path) {
  const opening = /^(?:#!.*\n)?(?:\/\*\*([\s\S]*?)\*\/|((?:\/\/.*\n)+))/.exec(readFileSync(path, 'utf8'));
  const words = (opening?.[1] ?? opening?.[2] ?? '')
    .replaceAll(/^\s*(?:\*|\/\/)/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return words.split(/(?<=\.) (?=[A-Z`])/)[0].replaceAll('|', '\\|');
}

/** The table of the files of a folder, and of its folders. */
function tableOf(folder) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = entries.flatMap((entry) => {
    if (entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
      return [`| [${entry.name}](${entry.name}) | ${purposeOf(join(folder, entry.name))} |`];
    return [];
  });
  return [BEGIN, '| file | what it is for |', '|---|---|', ...rows, END].join('\n');
}

const stale = [];
for (const wing of ['src', 'hal'])
  for (const entry of readdirSync(join(ROOT, wing), { recursive: true, withFileTypes: true })) {
    if (entry.name !== 'README.md') continue;
    const path = join(entry.parentPath, entry.name);
    const text = readFileSync(path, 'utf8');
    const from = text.indexOf(BEGIN);
    const to = text.indexOf(END);
    if (from < 0 || to < 0 || !existsSync(path)) continue;
    const written = text.slice(0, from) + tableOf(dirname(path)) + text.slice(to + END.length);
    if (written === text) continue;
    stale.push(path.slice(ROOT.length));
    if (!process.argv.includes('--check')) writeFileSync(path, written);
  }
for (const path of stale)
  console.log(process.argv.includes('--check') ? `not what the files say: ${path}` : `written: ${path}`);
if (process.argv.includes('--check') && stale.length > 0) process.exit(1);
