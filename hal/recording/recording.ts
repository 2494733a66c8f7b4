/** The lines of a recording: its header, and what travelled on the channel when. */

/** What the first line of a recording says it is; the number grows when old programs could not read what is new. */
const SCHEMA = 'millgate/recording/';
const VERSION = 1;

/** What travels on a channel: Modbus RTU frames, Modbus TCP frames, or lines of text. */
const FRAMINGS = ['rtu', 'tcp', 'text'] as const;
export type RecordedFraming = (typeof FRAMINGS)[number];

/** What a recording keeps of a channel: enough to serve it again, and to read it without its configuration. */
export interface RecordedWire {
  readonly framing: RecordedFraming;
  /** Time of one character on the wire, ms; 0 where the wire is behind a network. */
  readonly characterMs: number;
  /** Keys of the channel as a configuration file has them. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/** A channel in the header of a recording. */
export interface RecordedChannel extends RecordedWire {
  readonly driver: string;
  /** What the driver knew of its devices when the recording began, in the driver's own form; absent: nothing. */
  readonly learned?: unknown;
}

/** The first line of a recording. */
export interface RecordingHeader {
  readonly gateway: string;
  /** Version of the program that recorded. */
  readonly program: string;
  readonly config: { readonly file: string; readonly hash: string };
  /** UTC ms at `us` 0, by the gateway's clock, and whether that clock was known to be right. */
  readonly wallMs: number;
  readonly clockKnown: boolean;
  readonly channels: Readonly<Record<string, RecordedChannel>>;
  /** Channels of the file that carry no bytes to record, with their drivers. */
  readonly notRecorded: Readonly<Record<string, string>>;
}

/** What happened on a line. `out` is what the gateway sent, `in` what came, both in the pieces they came in. */
export type LineEvent =
  | { readonly what: 'out' | 'in'; readonly bytes: Uint8Array }
  | { readonly what: 'connecting' | 'open' | 'closed' }
  /** `failed`: no connection could be made. `lost`: the other side, or the adapter, went away. */
  | { readonly what: 'failed' | 'lost'; readonly why: string };

/** An event with its channel and its time, whole µs since the recording began. */
export interface RecordedEvent {
  readonly us: number;
  readonly channel: string;
  readonly event: LineEvent;
}

/** One line of a recording. */
export type RecordingLine =
  | { readonly kind: 'header'; readonly header: RecordingHeader }
  | { readonly kind: 'event'; readonly recorded: RecordedEvent }
  | { readonly kind: 'end'; readonly why: string };

/** What a line turned out to be. */
type DecodedLine =
  | { readonly ok: true; readonly line: RecordingLine }
  /** `version`: a recording of another version, which is named. `damaged`: no line of a recording. */
  | { readonly ok: false; readonly why: 'damaged' }
  | { readonly ok: false; readonly why: 'version'; readonly version: string };

/** States of a connection, as `is` gives them. */
const PLAIN_STATES = ['connecting', 'open', 'closed'] as const;
const STATES_WITH_REASON = ['failed', 'lost'] as const;

/** One line of a recording as text, without its line end. */
export function encodeLine(line: RecordingLine): string {
  switch (line.kind) {
    case 'header':
      return JSON.stringify({ schema: `${SCHEMA}${VERSION}`, ...line.header });
    case 'end':
      return JSON.stringify({ end: line.why });
    case 'event': {
      const { us, channel, event } = line.recorded;
      if ('bytes' in event) return JSON.stringify({ us, channel, [event.what]: hexOf(event.bytes) });
      return JSON.stringify({ us, channel, is: event.what, ...('why' in event && { why: event.why }) });
    }
  }
}

/** Takes one line apart. Never throws: what is no line of a recording says so. */
export function decodeLine(text: string): DecodedLine {
  const members = parsed(text);
  if (!members) return DAMAGED;
  const { schema, end } = members;
  if (typeof schema === 'string') {
    if (!schema.startsWith(SCHEMA)) return DAMAGED;
    const version = schema.slice(SCHEMA.length);
    if (version !== String(VERSION)) return { ok: false, why: 'version', version: version.slice(0, 20) };
    const header = headerOf(members);
    return header ? { ok: true, line: { kind: 'header', header } } : DAMAGED;
  }
  if (typeof end === 'string') return { ok: true, line: { kind: 'end', why: end } };
  const { us, channel } = members;
  const event = eventOf(members);
  if (!event || !isTime(us) || typeof channel !== 'string') return DAMAGED;
  return { ok: true, line: { kind: 'event', recorded: { us, channel, event } } };
}

/** Bytes as hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

const DAMAGED: DecodedLine = { ok: false, why: 'damaged' };

type Members = Record<string, unknown>;

function parsed(text: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function eventOf({ out, in: came, is, why }: Members): LineEvent | undefined {
  const hex = out ?? came;
  if (hex !== undefined) {
    if (typeof hex !== 'string' || !/^(?:[0-9a-f]{2})+$/.test(hex)) return undefined;
    return { what: out === undefined ? 'in' : 'out', bytes: Buffer.from(hex, 'hex') };
  }
  const plain = PLAIN_STATES.find((state) => state === is);
  if (plain) return { what: plain };
  const told = STATES_WITH_REASON.find((state) => state === is);
  return told && typeof why === 'string' ? { what: told, why } : undefined;
}

function headerOf(members: Members): RecordingHeader | undefined {
  const { gateway, program, config, wallMs, clockKnown, channels, notRecorded } = members;
  if (typeof gateway !== 'string' || typeof program !== 'string' || !isTime(wallMs)) return undefined;
  if (!isMembers(config) || typeof config.file !== 'string' || typeof config.hash !== 'string') return undefined;
  if (!isMembers(channels) || !Object.values(channels).every(isChannel)) return undefined;
  if (!isMembers(notRecorded) || !Object.values(notRecorded).every((driver) => typeof driver === 'string'))
    return undefined;
  return {
    gateway,
    program,
    wallMs,
    clockKnown: clockKnown === true,
    config: { file: config.file, hash: config.hash },
    channels: channels as Record<string, RecordedChannel>,
    notRecorded: notRecorded as Record<string, string>,
  };
}

function isChannel(value: unknown): value is RecordedChannel {
  if (!isMembers(value) || typeof value.driver !== 'string' || !isMembers(value.settings)) return false;
  const { framing, characterMs, settings } = value;
  const isSettings = Object.values(settings).every((each) => typeof each === 'string' || typeof each === 'number');
  const isCharacter = typeof characterMs === 'number' && characterMs >= 0 && characterMs <= 1000;
  return isSettings && isCharacter && FRAMINGS.some((each) => each === framing);
}
