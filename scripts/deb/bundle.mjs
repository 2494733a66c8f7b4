// Lays the bundled program of a built checkout out as it is installed:
//   bundle.mjs FOLDER       writes FOLDER/dist/program/*.cjs and FOLDER/package.json; run in the root of the checkout
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
cpSync('dist/program', join(folder, 'dist/program'), { recursive: true });
const { type, ...described } = JSON.parse(readFileSync('package.json', 'utf8'));
described.bin = { millgate: 'dist/program/main.cjs' };
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(described, undefined, 2)}\n`);
