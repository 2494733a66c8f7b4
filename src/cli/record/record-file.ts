/** Writes a recording to the disk, within the bounds of size and time. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { encodeLine } from '../../../hal/recording/recording.ts';
import { codeOf, EXIT, Fault, messageOf } from '../../core/errors.ts';
import { formatSize } from '../../core/quantity.ts';

/** A recording on its way to the disk. */
export interface RecordingFile {
  /** Bytes written so far. */
  readonly bytes: number;
  /** Writes whole lines as long as they fit; gives those that were written. Throws `Fault` when the disk takes no more. */
  append(lines: readonly string[]): readonly string[];
  /** Writes why it ended, where that is still possible, and closes. */
  close(why: string): void;
}

/** How a recording is written. */
interface RecordingFileOptions {
  readonly cwd: string;
  /** Whether a file that is there may be replaced. */
  readonly overwrite: boolean;
  readonly maxBytes: number;
}

/** Kept free below the largest size for the line that says why the recording ended. */
const END_BYTES = 200;

/** Makes the file of a recording. Throws `Fault` when it is there already, or cannot be made. */
export function openRecordingFile(path: string, { cwd, overwrite, maxBytes }: RecordingFileOptions): RecordingFile {
  const fd = opened(path, resolve(cwd, path), overwrite);
  let bytes = 0;
  const write = (text: string): void => {
    const all = Buffer.from(text);
    for (let done = 0; done < all.length; ) done += writeSync(fd, all, done);
    bytes += all.length;
  };
  return {
    get bytes() {
      return bytes;
    },
    append(lines) {
      let fitting = bytes;
      const count = lines.findIndex((line) => {
        fitting += Buffer.byteLength(line) + 1;
        return fitting > maxBytes - END_BYTES;
      });
      const written = count === -1 ? lines : lines.slice(0, count);
      try {
        if (written.length > 0) write(`${written.join('\n')}\n`);
      } catch (error) {
        throw new Fault(
          `${path}: ${causeOf(error)} after ${formatSize(bytes)}; what was recorded until then is good. ` +
            'Make room, or record to another disk or fewer channels (--channel NAME).',
          EXIT.failed,
          { cause: error },
        );
      }
      return written;
    },
    close(why) {
      try {
        write(`${encodeLine({ kind: 'end', why })}\n`);
        fsyncSync(fd);
      } catch {
        // A full disk has been told of already; a recording without this line is read all the same.
      } finally {
        closeSync(fd);
      }
    },
  };
}

function causeOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full';
  return code === 'EFBIG' ? 'the file may not grow further' : `writing failed (${messageOf(error)})`;
}

function opened(path: string, absolute: string, overwrite: boolean): number {
  try {
    return openSync(absolute, overwrite ? 'w' : 'wx', 0o640);
  } catch (error) {
    const code = codeOf(error);
    const fault = (text: string, exitCode: 1 | 2 | 77) => new Fault(`${path}: ${text}`, exitCode, { cause: error });
    if (code === 'EEXIST') throw fault('is there already. Choose another name, or add --overwrite.', EXIT.usage);
    if (code === 'ENOENT') throw fault('its folder is missing. Make it, or choose another.', EXIT.usage);
    if (code === 'EISDIR') throw fault('is a folder. Name a file in it.', EXIT.usage);
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
      throw fault('may not be written by this user. Choose a folder of your own, such as /tmp.', EXIT.permission);
    throw fault(`cannot be made: ${messageOf(error)}. Choose another place.`, EXIT.failed);
  }
}
