// Bundles the page of src/web into few files that need nothing from anywhere else. Called by build.mjs.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const source = fileURLToPath(new URL('../src/web/', import.meta.url));

/**
 * Writes index.html, page.css, icon.svg and the scripts into a folder. Throws where something is missing. The views that
 * page.js loads later are in a file with its hash in the name: a page that is open while another version of the gateway
 * comes must not get views of that one.
 */
export async function buildPage(folder) {
  mkdirSync(folder, { recursive: true });
  // One bundle each, so that the worker does not load the views.
  for (const [name, entry] of [
    ['page', 'page.tsx'],
    ['stream-worker', 'stream-worker.ts'],
  ]) {
    const bundle = await rolldown({
      input: join(source, entry),
      platform: 'browser',
      tsconfig: join(source, 'tsconfig.json'),
    });
    await bundle.write({
      dir: folder,
      entryFileNames: `${name}.js`,
      chunkFileNames: '[name]-[hash].js',
      format: 'esm',
      minify: true,
      comments: false,
    });
    await bundle.close();
  }
  const chart = readFileSync(fileURLToPath(import.meta.resolve('uplot/dist/uPlot.min.css')), 'utf8');
  const own = readFileSync(join(source, 'page.css'), 'utf8')
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ');
  writeFileSync(join(folder, 'page.css'), `${chart}\n${own}\n`);
  for (const name of ['index.html', 'icon.svg']) copyFileSync(join(source, name), join(folder, name));
}
