/** Serves the files of the page: few, small, out of memory, and nothing else of the disk. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { codeOf } from '../core/errors.ts';
import { type Answer, Refused } from './answer.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Only what comes from here: no script in the text of the page, no other host, no frame, no form elsewhere. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

interface PageFile {
  readonly type: string;
  readonly packed: Buffer;
  readonly tag: string;
}

/** What a browser says of what it takes and has. */
interface Taken {
  readonly encodings: string | undefined;
  readonly known: string | undefined;
}

/** Answers for the path of a file of the page; undefined for any other. */
export type PageFiles = (pathname: string, taken: Taken) => Answer | undefined;

/**
 * The files of one folder, read when one is first asked for. A path is looked up as a name and never joined to a folder,
 * so that no path leads out of it.
 *
 * @param folder where the build put them; without it the page says that it was not built
 */
export function createPageFiles(folder: string | undefined): PageFiles {
  let files: ReadonlyMap<string, PageFile> | undefined;
  return (pathname, { encodings, known }) => {
    files ??= filesOf(folder);
    const file = files.get(pathname === '/' ? '/index.html' : pathname);
    if (!file && pathname === '/')
      throw new Refused(
        404,
        'the page is not there',
        'This program was built without it; the API answers below /api/v1.',
      );
    if (!file) return undefined;
    const { type, packed, tag } = file;
    // Kept by the browser, and asked for each time whether it is still the same: an update is seen at once.
    const headers = {
      'Content-Security-Policy': PAGE_POLICY,
      'Cache-Control': 'no-cache',
      ETag: tag,
      Vary: 'Accept-Encoding',
    };
    if (known === tag) return { status: 304, body: '', textType: type, headers };
    const isPacked = /\bgzip\b/.test(encodings ?? '');
    return {
      status: 200,
      body: isPacked ? packed : gunzipSync(packed),
      textType: type,
      headers: isPacked ? { ...headers, 'Content-Encoding': 'gzip' } : headers,
    };
  };
}

function filesOf(folder: string | undefined): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const name of folder === undefined ? [] : namesIn(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const content = readFileSync(join(folder!, name));
    const tag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
    files.set(`/${name}`, { type, packed: gzipSync(content, { level: 9 }), tag });
  }
  return files;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
