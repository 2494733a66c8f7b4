/** Reads a recording from the disk, and names the line of whatever is wrong in it. */
import { createReadStream, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { decodeLine, type RecordingHeader } from '../../../hal/recording/recording.ts';
import { LineBuilder, type RecordedLine } from '../../../hal/recording/recording-exchanges.ts';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import { formatSize } from '../../core/quantity.ts';

/** The largest file that is taken into memory, bytes. */
const MAX_BYTES = 100_000_000;

/** A recording, read. */
export interface Recording {
  readonly header: RecordingHeader;
  readonly lines: readonly RecordedLine[];
  /** Why it ended; undefined: it was cut off. */
  readonly end: string | undefined;
  /** Lines that could not be read and were left out, and the number of the first of them. */
  readonly damaged: { readonly count: number; readonly first: number } | undefined;
  readonly lastUs: number;
}

/**
 * Reads a recording. A torn end and damaged lines cost no more than themselves.
 *
 * @throws Fault for what is no recording, one of another version, an empty or too large one, and a file that cannot be read
 */
export async function readRecording(path: string, cwd: string): Promise<Recording> {
  const absolute = resolve(cwd, path);
  let header: RecordingHeader | undefined;
  const builders = new Map<string, LineBuilder>();
  let damaged: { count: number; first: number } | undefined;
  let end: string | undefined;
  let number = 0;
  let lastUs = 0;
  try {
    checkSize(path, absolute);
    for await (const text of createInterface({
      input: createReadStream(absolute),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      number++;
      const decoded = decodeLine(text);
      if (!decoded.ok && decoded.why === 'version') throw otherVersion(path, decoded.version);
      if (!header) {
        if (!decoded.ok || decoded.line.kind !== 'header') throw noRecording(path);
        header = decoded.line.header;
        for (const [name, channel] of Object.entries(header.channels))
          builders.set(name, new LineBuilder(name, channel));
        continue;
      }
      const recorded = decoded.ok && decoded.line.kind === 'event' ? decoded.line.recorded : undefined;
      const builder = recorded && builders.get(recorded.channel);
      if (recorded && builder && recorded.us >= lastUs) {
        builder.add(recorded);
        lastUs = recorded.us;
      } else if (decoded.ok && decoded.line.kind === 'end') end = decoded.line.why;
      else damaged = { count: (damaged?.count ?? 0) + 1, first: damaged?.first ?? number };
    }
  } catch (error) {
    throw error instanceof Fault ? error : unreadable(path, error);
  }
  if (!header) throw new Fault(`${path}: is empty. Record anew: millgate record ${path} --overwrite.`);
  return { header, lines: [...builders.values()].map((builder) => builder.line()), end, damaged, lastUs };
}

function checkSize(path: string, absolute: string): void {
  const { size } = statSync(absolute);
  if (size <= MAX_BYTES) return;
  throw new Fault(
    `${path}: ${formatSize(size)} are more than can be replayed (${formatSize(MAX_BYTES)}). ` +
      `Cut the beginning out, it is lines of text: head -n 500000 ${path} > part.jsonl.`,
  );
}

function otherVersion(path: string, version: string): Fault {
  return new Fault(`${path}: a recording of version ${version}; this program reads version 1. Update this program.`);
}

function noRecording(path: string): Fault {
  return new Fault(`${path}: is no recording of bus traffic. Make one: millgate record FILE.`);
}

function unreadable(path: string, error: unknown): Fault {
  const code = codeOf(error);
  if (code === 'ENOENT') return new Fault(`${path}: no such file. Check its name.`, EXIT.usage, { cause: error });
  if (code === 'EISDIR') return new Fault(`${path}: is a folder. Name a file in it.`, EXIT.usage, { cause: error });
  if (code === 'EACCES' || code === 'EPERM')
    return new Fault(`${path}: may not be read by this user. Copy it, or: sudo chmod a+r.`, EXIT.permission, {
      cause: error,
    });
  return new Fault(`${path}: cannot be read: ${messageOf(error)}. Check the disk.`, EXIT.failed, { cause: error });
}
