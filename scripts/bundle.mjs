// Puts the compiled program and its libraries into few files, so that a slow board starts it in half the time. CommonJS, as
// Node's loader of ES modules takes longer, and takes every part of Node's own libraries whether it is used or not. Not
// minified: a stack trace names the function, and the file says above each part which source it is.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

// Native modules stay where they are. "bindings" would look for them in a dozen places.
const outside = ['koffi', '@serialport/bindings-cpp'];
// What speaks to hardware. A checkout loads it as Node does any package, so that it can be exchanged or mended in
// node_modules; the package to be installed has it inside, and carries of node_modules what is native only.
const hardware = ['i2c-bus', 'onoff', 'serialport'];
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

/**
 * The streams of Node in the place of their copy, which MQTT libraries take for the sake of browsers and of old versions; it
 * gives way by itself where `READABLE_STREAM=disable` is set. What the sockets use is loaded anyway.
 */
const nodeStreams = {
  name: 'node-streams',
  resolveId: (id) => (id === 'readable-stream' ? { id: 'node:stream', external: true } : undefined),
};

/**
 * What a shell and a thread are started with: both go on with the loader, which knows what was compiled before. After five
 * seconds, a start is over.
 */
const startOf = (entry, thread) => `require('./loader.cjs').load({
  folder: __dirname,
  entry: '${entry}',
  thread: '${thread}',
  env: process.env,
  importOutside: (name) => import(name),
  later: (keep) => setTimeout(keep, 5000).unref(),
});
`;
const STARTS = {
  'main.cjs': `#!/usr/bin/env node\n${startOf('cli.cjs', 'main')}`,
  'worker.cjs': startOf('store-worker.cjs', 'store'),
};

/**
 * What is not in the bundle is imported by the file that starts the program: code that was compiled before has no import of
 * its own. Through `import`, and not `require`, whoever tests the program can put a double in the place of a package.
 */
const importing = (text) =>
  text.replace(/\bimport\(("[^"]+")\)/g, '(require.importOutside ?? ((name) => import(name)))($1)');

/**
 * Writes a file of the program in ASCII alone, other characters as escapes: the engine reads it at once and holds it in half of
 * the memory. Literals mean the same; a raw template would not, so none may hold such a character.
 */
function inAscii(path) {
  const text = readFileSync(path, 'utf8');
  if (/String\.raw`[^`]*[^\0-\x7f]/.test(text)) throw new Error(`bundle: ${path} has a raw template that is not ASCII`);
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  writeFileSync(path, importing(text).replace(/[^\0-\x7f]/g, escaped));
}

/**
 * Bundles what was compiled to `folder`/dist into a folder of it: `program` is what a package carries, `checkout` what runs
 * beside its node_modules. Throws where a library was not found.
 */
export async function bundle(folder, into) {
  const isCheckout = into === 'checkout';
  const external = isCheckout ? [...outside, ...hardware] : outside;
  const bundled = await rolldown({
    cwd: folder,
    input: {
      loader: 'dist/src/loader.js',
      cli: 'dist/src/cli.js',
      'store-worker': 'dist/src/store/thread/worker.js',
      'load-worker': 'dist/src/config/load-worker.js',
    },
    platform: 'node',
    external,
    plugins: [bindings, nodeStreams],
    onLog: (level, log, tell) => log.code !== 'INEFFECTIVE_DYNAMIC_IMPORT' && tell(level, log),
  });
  const { output } = await bundled.write({
    dir: `dist/${into}`,
    format: 'cjs',
    // In a checkout, whose package.json says that .js is an ES module.
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
    dynamicImportInCjs: isCheckout,
    comments: { legal: true, annotation: false, jsdoc: false },
  });
  await bundled.close();
  for (const { fileName } of output) inAscii(join(folder, `dist/${into}/${fileName}`));
  for (const [name, text] of Object.entries(STARTS)) {
    writeFileSync(join(folder, `dist/${into}/${name}`), text);
    chmodSync(join(folder, `dist/${into}/${name}`), 0o755);
  }
  // What was left outside must be there to be loaded.
  const known = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`), ...external]);
  const own = new Set(output.map(({ fileName }) => fileName));
  const left = output.flatMap(({ imports = [], dynamicImports = [] }) => [...imports, ...dynamicImports]);
  const unknown = [...new Set(left)].filter((name) => !known.has(name) && !own.has(name));
  if (unknown.length > 0)
    throw new Error(`bundle: these were not found and would be missed on the plant: ${unknown.join(', ')}`);
}
