// Compiles src/ and hal/ to dist/, bundles the page, and bundles the program with its libraries: into dist/program/ for a
// package, and into dist/checkout/, which the binary dist/src/cli.js loads. 250 files of ES modules take a second of
// processor time to load, and few files a third of it.
// The result is made beside dist/ and put in its place at the end, so that a program which starts meanwhile finds all of
// the old one or all of the new one, and a build that fails leaves the old one as it was.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.mjs';
import { bundle } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const made = `.dist-${process.pid}`;
const old = `${made}-old`;
const remove = (folder) => rmSync(folder, { recursive: true, force: true });
process.on('exit', () => [made, old].map(remove));

const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
const built = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', `${made}/dist`], {
  stdio: 'inherit',
});
if (built.status !== 0) process.exit(built.status ?? 1);
await buildPage(`${made}/dist/web`);
for (const into of ['program', 'checkout']) await bundle(join(root, made), into);
const binary = `${made}/dist/src/cli.js`;
writeFileSync(
  binary,
  `#!/usr/bin/env node
import { createRequire } from 'node:module';

createRequire(import.meta.url)('../checkout/main.cjs');
`,
);
chmodSync(binary, 0o755);
if (existsSync('dist')) renameSync('dist', old);
renameSync(`${made}/dist`, 'dist');
