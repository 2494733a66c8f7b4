import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { installed } from '../../src/core/file-system.ts';
import { ask } from '../double/ask.ts';
import { serve } from '../double/command-line.ts';
import { fakeGateway } from '../double/fake-gateway.ts';

/** What the build made; it runs before all tests. */
const FOLDER = installed('dist/web');
const FILES = readdirSync(FOLDER).map((name) => ({ name, content: readFileSync(join(FOLDER, name)) }));

/** All of it as a browser loads it, bytes. */
const MOST_BYTES = 100_000;

describe('the files of the page', () => {
  it('are light: all of them compressed at most 100 KB', () => {
    // The hash keeps a page that is open from getting the views of another version.
    expect(FILES.map(({ name }) => name.replace(/-[\w-]{8}\.js$/, '-HASH.js')).sort()).toEqual([
      'icon.svg',
      'index.html',
      'others-HASH.js',
      'page.css',
      'page.js',
      'stream-worker.js',
    ]);
    const bytes = FILES.reduce((sum, { content }) => sum + gzipSync(content, { level: 9 }).length, 0);
    expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  it('need little for the first values: no chart library, and none of the other views', () => {
    const first = FILES.filter(({ name }) => ['index.html', 'page.css', 'page.js'].includes(name));
    const bytes = first.reduce((sum, { content }) => sum + gzipSync(content, { level: 9 }).length, 0);
    expect(bytes).toBeLessThanOrEqual(20_000);
  });

  it('name no other host, and run no text as a script', () => {
    for (const { name, content } of FILES) {
      const text = content.toString('utf8');
      // Names of XML vocabularies are no addresses that anything is asked of.
      const urls = (text.match(/\b(?:https?|wss?):\/\/[^\s"'`)]+/g) ?? []).filter(
        (url) => !url.startsWith('http://www.w3.org/'),
      );
      expect([name, urls]).toEqual([name, []]);
      expect([name, /\beval\(|new Function\(|dangerouslySetInnerHTML\s*=/.test(text)]).toEqual([name, false]);
    }
  });

  it('are served with a strict policy, compressed where that is taken, and not again when they are the same', async () => {
    const { api } = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port: 0 }, pageFolder: FOLDER });
    const where = { port: api.port()! };
    const page = await ask(where, '/');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.body).toContain('/page.js');
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
    const script = await ask(where, '/page.js', { headers: { 'Accept-Encoding': 'gzip' } });
    expect(script.headers['content-encoding']).toBe('gzip');
    expect(Number(script.headers['content-length'])).toBeLessThan(MOST_BYTES);
    const again = await ask(where, '/page.js', { headers: { 'If-None-Match': String(script.headers.etag) } });
    expect([again.status, again.body]).toEqual([304, '']);
  });

  it.each([
    '/../package.json',
    '/..%2fpackage.json',
    '/%2e%2e/package.json',
    '/page.js/',
    '/page.js%00',
    '//page.js',
    '/web/page.js',
    '/tokens.json',
    '/PAGE.JS',
    '/\\page.js',
  ])('are nothing but themselves: %s is not there', async (path) => {
    const { api } = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port: 0 }, pageFolder: FOLDER });
    expect((await ask({ port: api.port()! }, path)).status).toBe(404);
  });

  it('are told to be missing where the program was built without them', async () => {
    const { api } = await serve(fakeGateway(), { listen: { host: '127.0.0.1', port: 0 } });
    expect(await ask({ port: api.port()! }, '/')).toMatchObject({
      status: 404,
      body: { detail: 'the page is not there' },
    });
  });
});
