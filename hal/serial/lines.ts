/** Cuts a stream of bytes into lines. */
import { type Checksum, withoutChecksum } from './checksum.ts';

/** How bytes become lines. */
export interface LineSettings {
  /** What ends a line, each 1 to 8 bytes: any of them; none where `length` says how long a frame is. */
  readonly delimiters: readonly Uint8Array[];
  /** What begins a line, such as STX; bytes before it are noise. None: a line begins where the last one ended. */
  readonly start: number | undefined;
  /** A frame of so many bytes, without a delimiter; undefined: lines end with the delimiter. */
  readonly length: number | undefined;
  /** Longest line without its delimiter, bytes; longer ones are dropped whole. */
  readonly maxLine: number;
  readonly encoding: 'ascii' | 'latin1' | 'utf8';
  readonly checksum: Checksum;
  /** A line that pauses longer than this is not continued but dropped, or whole where `endsByPause`, ms. */
  readonly idleMs: number;
  /** Nothing else ends a line. */
  readonly endsByPause: boolean;
}

/** What was heard: a whole line, or something that is none. */
export type Heard =
  | { readonly kind: 'line'; readonly text: string; readonly bytes: number }
  | { readonly kind: 'garbled'; readonly detail: string; readonly bytes: number };

/** Control characters that devices put into lines on purpose: STX, ETX, EOT, tab, and the separators of GS1 codes. */
const USUAL_CONTROLS = [0x02, 0x03, 0x04, 0x09, 0x1c, 0x1d, 0x1e, 0x1f];

/**
 * What may be left over of the end of the last line, and is dropped at the beginning of the next: NUL, ETX, EOT, LF, CR,
 * DC1 to DC4. Readers send CR LF where the file says CR, or two DC3, or CR LF ETX.
 */
const LEFT_OVER = [0x00, 0x03, 0x04, 0x0a, 0x0d, 0x11, 0x12, 0x13, 0x14];

const HALF = 'half a line, and then nothing';
const UNENDED = `${HALF}: if nothing ends its lines but a pause, write delimiter: idle`;

/**
 * Cuts a stream of bytes into lines. Keeps at most one line; never joins what did not come together:
 * a half line is dropped after a pause, because its continuation may be another line and the sum of both a wrong value.
 * What comes within a pause of the start may be the tail of a line, and is dropped up to its delimiter.
 */
export class LineReader {
  private readonly settings: LineSettings;
  private readonly held: Uint8Array;
  /** Bytes of the longest delimiter; one at least. */
  private readonly longest: number;
  private count = 0;
  private skipping: string | undefined;
  private isFresh = true;
  private skipped = 0;
  private lastByteMs: number;

  /** @param nowMs when the line was opened, on the monotonic clock */
  constructor(settings: LineSettings, nowMs: number) {
    this.settings = settings;
    this.longest = Math.max(1, ...settings.delimiters.map(({ length }) => length));
    this.held = new Uint8Array(settings.maxLine + this.longest);
    this.lastByteMs = nowMs;
  }

  /** Whether a part of a line is held, or skipped. */
  get isInLine(): boolean {
    return this.count > 0 || this.skipping !== undefined;
  }

  /** Takes bytes that came at `nowMs`, and gives what they complete. */
  push(bytes: Uint8Array, nowMs: number): Heard[] {
    const heard: Heard[] = this.expire(nowMs);
    if (bytes.length === 0) return heard;
    if (this.isFresh && nowMs - this.lastByteMs < this.settings.idleMs)
      this.skipping = 'the line had begun before the port was opened';
    this.isFresh = false;
    this.lastByteMs = nowMs;
    for (const byte of bytes) {
      const ended = this.take(byte);
      if (ended) heard.push(ended);
    }
    return heard;
  }

  /** Gives up a half line that paused too long, or takes it for whole where the pause is what ends lines. */
  expire(nowMs: number): Heard[] {
    if (!this.isInLine || nowMs - this.lastByteMs < this.settings.idleMs) return [];
    if (this.settings.endsByPause && this.skipping === undefined) {
      let end = this.count;
      while (end > 0 && LEFT_OVER.includes(this.held[end - 1]!)) end--;
      this.count = 0;
      const whole = end === 0 ? undefined : this.judged(this.held.subarray(0, end));
      return whole ? [whole] : [];
    }
    const detail = this.skipping ?? this.halfALine();
    return [this.dropped(detail)];
  }

  /** What is said of a line that paused: how it ended, where that is how lines of other devices end. */
  private halfALine(): string {
    const last = this.count > 0 ? this.held[this.count - 1]! : undefined;
    if (last === undefined || !LEFT_OVER.includes(last)) return this.settings.length === undefined ? UNENDED : HALF;
    return `a line that ends with byte 0x${hex(last)}, and not with the delimiter: is that what ends its lines?`;
  }

  /** Gives up a line that is under way: what is still to come of it is dropped too, up to its delimiter. */
  cut(): void {
    this.isFresh = false;
    if (this.isInLine) this.skipping ??= 'a line was cut off by a request';
  }

  private take(byte: number): Heard | undefined {
    const { maxLine, start, length } = this.settings;
    if (this.skipping === undefined && this.count === 0) {
      if (start !== undefined ? byte !== start : length === undefined && LEFT_OVER.includes(byte)) return undefined;
    } else if (start !== undefined && byte === start && length === undefined) {
      // A new beginning before the end: what came until now lost its end.
      const lost = this.dropped(this.skipping ?? 'a line without its end');
      this.held[this.count++] = byte;
      return lost;
    }
    if (length !== undefined && this.skipping === undefined) return this.takeOfFrame(byte, length);
    if (this.count === this.held.length) {
      this.skipping ??= `no delimiter in ${maxLine} bytes`;
      // Only the end matters from here on: it may be the beginning of the delimiter.
      this.held.copyWithin(0, this.count - this.longest + 1);
      this.skipped += this.count - this.longest + 1;
      this.count = this.longest - 1;
    }
    this.held[this.count++] = byte;
    const delimiter = this.delimiterAtEnd();
    if (!delimiter) return undefined;
    if (this.skipping !== undefined) return this.dropped(this.skipping);
    const withReturn = delimiter.length === 1 && delimiter[0] === 0x0a && this.held[this.count - 2] === 0x0d;
    const line = this.held.subarray(0, Math.max(0, this.count - delimiter.length - (withReturn ? 1 : 0)));
    this.count = 0;
    return line.length === 0 ? undefined : this.judged(line);
  }

  private takeOfFrame(byte: number, length: number): Heard | undefined {
    this.held[this.count++] = byte;
    if (this.count < length) return undefined;
    const frame = this.held.subarray(0, length);
    this.count = 0;
    return this.judged(frame);
  }

  private delimiterAtEnd(): Uint8Array | undefined {
    return this.settings.delimiters.find((delimiter) => {
      const from = this.count - delimiter.length;
      return from >= 0 && delimiter.every((byte, index) => this.held[from + index] === byte);
    });
  }

  private dropped(detail: string): Heard {
    const bytes = this.count + this.skipped;
    this.count = 0;
    this.skipped = 0;
    this.skipping = undefined;
    return { kind: 'garbled', detail, bytes };
  }

  private judged(line: Uint8Array): Heard | undefined {
    const { encoding, checksum, start } = this.settings;
    const bytes = line.length;
    const content = line.subarray(start === undefined ? 0 : 1);
    if (content.length === 0) return undefined;
    const strange = content.find((byte) => isStrange(byte, encoding));
    if (strange !== undefined) return { kind: 'garbled', detail: `byte 0x${hex(strange)} in a line of text`, bytes };
    const checked = withoutChecksum(Buffer.from(content).toString('latin1'), checksum);
    if (checked === undefined) return { kind: 'garbled', detail: 'wrong checksum', bytes };
    const text = encoding === 'utf8' ? utf8Of(checked) : checked;
    return text === undefined ? { kind: 'garbled', detail: 'not UTF-8', bytes } : { kind: 'line', text, bytes };
  }
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function isStrange(byte: number, encoding: LineSettings['encoding']): boolean {
  if (byte >= 0x80) return encoding === 'ascii';
  return byte === 0x7f || (byte < 0x20 && !USUAL_CONTROLS.includes(byte));
}

function utf8Of(latin1: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return undefined;
  }
}
