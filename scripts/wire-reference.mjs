// Writes the lists of quality words into docs/wire.md from the code; run it after a build when a word came or changed.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DOUBTS, FAILURES } from '../dist/src/core/quality.js';

const file = fileURLToPath(new URL('../docs/wire.md', import.meta.url));
const text = readFileSync(file, 'utf8');

function tableOf(words) {
  const rows = Object.entries(words).map(([word, { code, opcUa, means }]) => {
    const hex = `0x${code.toString(16).toUpperCase().padStart(8, '0')}`;
    return `| \`${word}\` | \`${hex}\` | ${opcUa} | ${means} |`;
  });
  return ['| word | OPC UA code | name of the code | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

const begin = text.indexOf('### `uncertain`');
const lists = [
  `### \`uncertain\`: there is a value, and it is doubtful\n\n${tableOf(DOUBTS)}`,
  `### \`bad\`: there is no value\n\n${tableOf(FAILURES)}\n`,
];
const written = text.slice(0, begin) + lists.join('\n\n');
if (written !== text) {
  writeFileSync(file, written);
  console.log(`written: ${file}`);
}
