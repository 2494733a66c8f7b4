/** What stands where a secret stood. */
export const REDACTED = '[redacted]';

/** A text without its secrets, and how many of each kind were taken out. */
interface Redacted {
  readonly text: string;
  readonly counts: Readonly<Record<string, number>>;
}

/** Words that name a secret, as a key of a file, of JSON, of a variable or of a header. */
const SECRET_WORD =
  '(?:pass(?:word|wd|phrase)|pwd|passwort|kennwort|secret|token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key|signing[-_ ]?key|credentials?|authorization|auth|cookie|psk|jwt)';

/** Such a word at the end of a key (`mqtt_password`), in quotes or not, and what divides it from its value. */
const SECRET_KEY = new RegExp(`(["']?)((?:[\\w.-]*[_.-])?${SECRET_WORD}(?:[_-]?\\d+)?)\\1(\\s*[:=]\\s*)`, 'gi');

/** Values that say where a secret is, not what it is; and words that are none. */
const NO_SECRET = /^(?:\{\s*["']?(?:file|env)["']?\s*:|(?:true|false|null|none|undefined|~)\s*(?:[,}\]#]|$))/i;

const PEM = /-----BEGIN ([A-Z0-9 ]+)-----(?:[\s\S]*?-----END [A-Z0-9 ]+-----|[A-Za-z0-9+/=\s\\n]*)/g;
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"'<>]+@/gi;
const OPTION = /(--?(?:password|passwd|token|secret|api-key)[= ])[^\s]+/gi;
const BEARER = /\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi;
const JSON_WEB_TOKEN = /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g;
const KNOWN_TOKEN = /\b(?:gh[pousr]_|glpat-|xox[abprs]-|sk-|sk_live_|AKIA|ASIA|mgt?_)[A-Za-z0-9_-]{12,}/g;

/** Runs of characters that could be a key. */
const LONG_RUN = /[A-Za-z0-9+/=_-]{24,}/g;
const HEX_KEY = /^[0-9a-fA-F]{32,}$/;
const UUID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

/** Random letters and digits change their class more often than this from one to the next; words do not. */
const RANDOM_CHANGES = 0.4;

/** Shorter secrets would take every second word out of a text with them. */
const SHORTEST_SECRET = 4;

/**
 * Takes secrets out of any text, be it YAML, JSON, a log or broken: rather too much than too little.
 *
 * @param known secrets by value; they go wherever they stand, plain, in a URL or in Base64
 */
export function redact(text: string, known: readonly string[] = []): Redacted {
  const counts: Record<string, number> = {};
  const replaced = (kind: string, by: string): string => {
    counts[kind] = (counts[kind] ?? 0) + 1;
    return by;
  };
  let result = text;
  for (const form of known.flatMap(formsOf))
    result = result.replaceAll(form, () => replaced('value of a configured secret', REDACTED));
  result = result
    .replace(PEM, (_all, kind: string) => replaced('PEM block', `[redacted PEM: ${kind}]`))
    .replace(USER_INFO, (_all, scheme: string) => replaced('user in a URL', `${scheme}${REDACTED}@`));
  result = redactKeys(result, replaced)
    .replace(OPTION, (_all, option: string) => replaced('token', `${option}${REDACTED}`))
    .replace(BEARER, (_all, scheme: string) => replaced('token', `${scheme} ${REDACTED}`))
    .replace(JSON_WEB_TOKEN, () => replaced('token', REDACTED))
    .replace(KNOWN_TOKEN, () => replaced('token', REDACTED))
    .replace(LONG_RUN, (run) => (looksRandom(run) ? replaced('text that looks like a key', REDACTED) : run));
  return { text: result, counts };
}

/** The ways in which a secret can be written. */
function formsOf(secret: string): string[] {
  if (secret.length < SHORTEST_SECRET) return [];
  const json = JSON.stringify(secret).slice(1, -1);
  const forms = [secret, json, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')];
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}

/** Values of keys that name a secret, line by line, with what is indented below such a key. */
function redactKeys(text: string, replaced: (kind: string, by: string) => string): string {
  /** Indentation of the key whose value goes on in the next lines; undefined: none does. */
  let below: number | undefined;
  return text
    .split('\n')
    .map((line) => {
      const indent = /^[\s-]*/.exec(line)![0].length;
      if (below !== undefined && (line.trim() === '' || indent > below)) {
        if (line.trim() === '' || /^\s*["']?(?:file|env)["']?\s*:/.test(line)) return line;
        return `${' '.repeat(indent)}${replaced('value of a secret key', REDACTED)}`;
      }
      below = undefined;
      const [redactedLine, goesOn] = redactLine(line, replaced);
      if (goesOn) below = indent;
      return redactedLine;
    })
    .join('\n');
}

/** One line, and whether the value of its last key goes on, indented, in the next ones. */
function redactLine(line: string, replaced: (kind: string, by: string) => string): [string, boolean] {
  let done = '';
  let rest = line;
  for (;;) {
    SECRET_KEY.lastIndex = 0;
    const match = SECRET_KEY.exec(rest);
    if (!match) return [done + rest, false];
    const keyEnd = match.index + match[0].length;
    const before = done + rest.slice(0, keyEnd);
    const value = rest.slice(keyEnd);
    done = before;
    rest = value;
    if (isPartOfWord(before, before.length - match[0].length)) continue;
    const isBlockKey = /^[\s-]*$/.test(before.slice(0, before.length - match[0].length));
    if (isBlockKey && /^\s*(?:[|>][-+\d]*\s*(?:#.*)?|[{[])?\s*$/.test(value)) return [before + value, true];
    if (value.trim() === '' || NO_SECRET.test(value)) continue;
    const { length, isQuoted } = valueAt(value, before, isBlockKey);
    const quote = isQuoted ? value[0]! : '';
    done = before + replaced('value of a secret key', `${quote}${REDACTED}${quote}`);
    rest = value.slice(length);
    if (isBlockKey && !isQuoted && rest === '') return [done, true];
  }
}

/** Whether the word is the end of another one, such as `compass:`. */
function isPartOfWord(text: string, index: number): boolean {
  return index > 0 && /[A-Za-z0-9]/.test(text[index - 1]!);
}

/** How far a value goes: its quotes, or in braces to the next comma or brace, or to the end of the line. */
function valueAt(value: string, before: string, isBlockKey: boolean): { length: number; isQuoted: boolean } {
  const quoted = /^"(?:[^"\\]|\\.)*"|^'(?:[^']|'')*'/.exec(value);
  if (quoted) return { length: quoted[0].length, isQuoted: true };
  const isNested = (before.match(/[{[]/g)?.length ?? 0) > (before.match(/[}\]]/g)?.length ?? 0);
  const pattern = isBlockKey
    ? /^.*/
    : isNested && !/^[{[]/.test(value)
      ? /^[^,}\]]*/
      : before.endsWith('=')
        ? /^[^\s&]*/
        : /^.*/;
  return { length: pattern.exec(value)![0].length, isQuoted: false };
}

/** Whether a run is a key rather than a name, a path or an identifier. */
function looksRandom(run: string): boolean {
  if (UUID.test(run)) return false;
  if (HEX_KEY.test(run)) return true;
  const kinds = [...run].map((letter) =>
    /[a-z]/.test(letter) ? 'a' : /[A-Z]/.test(letter) ? 'A' : /\d/.test(letter) ? '0' : '',
  );
  const letters = kinds.filter((kind) => kind !== '');
  if (new Set(letters).size < 2 || !letters.includes('0')) return false;
  const changes = letters.slice(1).filter((kind, index) => kind !== letters[index]).length;
  return changes / letters.length > RANDOM_CHANGES;
}
