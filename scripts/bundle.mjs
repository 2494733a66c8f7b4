// Puts the compiled program and its libraries into few files, so that a slow board starts it in half the time. CommonJS, as
// Node's loader of ES modules takes longer, and takes every part of Node's own libraries whether it is used or not. Not
// minified: a stack trace names the function, and the file says above each part which source it is.
import { chmodSync } from 'node:fs';
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
 * Bundles what was compiled to `folder`/dist into a folder of it: `program` is what a package carries, `checkout` what runs
 * beside its node_modules. Throws where a library was not found.
 */
export async function bundle(folder, into) {
  const isCheckout = into === 'checkout';
  const external = isCheckout ? [...outside, ...hardware] : outside;
  const bundled = await rolldown({
    cwd: folder,
    input: {
      main: 'dist/src/cli.js',
      worker: 'dist/src/store/thread/worker.js',
      'load-worker': 'dist/src/config/load-worker.js',
    },
    platform: 'node',
    external,
    plugins: [bindings],
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
  chmodSync(join(folder, `dist/${into}/main.cjs`), 0o755);
  // What was left outside must be there to be loaded.
  const known = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`), ...external]);
  const own = new Set(output.map(({ fileName }) => fileName));
  const left = output.flatMap(({ imports = [], dynamicImports = [] }) => [...imports, ...dynamicImports]);
  const unknown = [...new Set(left)].filter((name) => !known.has(name) && !own.has(name));
  if (unknown.length > 0)
    throw new Error(`bundle: these were not found and would be missed on the plant: ${unknown.join(', ')}`);
}
