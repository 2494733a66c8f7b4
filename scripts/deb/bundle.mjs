// Puts the compiled program (dist/) and its libraries into few files, so that a slow board starts it in half the time:
//   bundle.mjs FOLDER       writes FOLDER/dist/program/*.js and FOLDER/package.json; run in the root of a built checkout
// CommonJS, as Node's loader of ES modules takes longer, and takes every part of Node's own libraries whether it is used or
// not. Not minified: a stack trace names the function, and the file says above each part which source it is.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const folder = process.argv[2];
const place = 'dist/program';

// Native modules stay where they are. "bindings" would look for them in a dozen places.
const external = ['koffi', '@serialport/bindings-cpp'];
const native = { 'better_sqlite3.node': 'better-sqlite3', 'i2c.node': 'i2c-bus', 'epoll.node': 'epoll' };
const paths = Object.entries(native).map(([file, name]) => [file, `../../node_modules/${name}/build/Release/${file}`]);
const bindings = {
  name: 'bindings',
  resolveId: (id) => (id === 'bindings' ? 'native:bindings' : undefined),
  load: (id) =>
    id === 'native:bindings'
      ? `const PATHS = ${JSON.stringify(Object.fromEntries(paths))};\nmodule.exports = (name) => require(PATHS[name]);\n`
      : undefined,
};

const bundle = await rolldown({
  input: {
    main: 'dist/src/cli.js',
    worker: 'dist/src/store/thread/worker.js',
    'load-worker': 'dist/src/config/load-worker.js',
  },
  platform: 'node',
  external,
  plugins: [bindings],
});
const { output } = await bundle.write({
  dir: join(folder, place),
  format: 'cjs',
  dynamicImportInCjs: false,
  comments: { legal: true, annotation: false, jsdoc: false },
});
await bundle.close();
chmodSync(join(folder, place, 'main.js'), 0o755);

// What was left outside must be there to be loaded.
const { builtinModules } = await import('node:module');
const known = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`), ...external]);
const own = new Set(output.map(({ fileName }) => fileName));
const left = output.flatMap(({ imports = [], dynamicImports = [] }) => [...imports, ...dynamicImports]);
const unknown = [...new Set(left)].filter((name) => !known.has(name) && !own.has(name));
if (unknown.length > 0) {
  console.error(`bundle: these were not found and would be missed on the plant: ${unknown.join(', ')}`);
  process.exit(1);
}

const { type, ...described } = JSON.parse(readFileSync('package.json', 'utf8'));
described.bin = { millgate: `${place}/main.js` };
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(described, undefined, 2)}\n`);
