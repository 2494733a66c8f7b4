// Compiles src/ and hal/ to dist/, gives the binary its run bit, and bundles the page. No bundler for the program: what runs
// is what is read.
// The result is made beside dist/ and put in its place at the end, so that a program which starts meanwhile finds all of
// the old one or all of the new one, and a build that fails leaves the old one as it was.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const made = `.dist-${process.pid}`;
const old = `${made}-old`;
const remove = (folder) => rmSync(folder, { recursive: true, force: true });
process.on('exit', () => [made, old].map(remove));

const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
const built = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', made], { stdio: 'inherit' });
if (built.status !== 0) process.exit(built.status ?? 1);
const binary = `${made}/src/cli.js`;
if (existsSync(binary)) chmodSync(binary, 0o755);
await buildPage(`${made}/web`);
if (existsSync('dist')) renameSync('dist', old);
renameSync(made, 'dist');
