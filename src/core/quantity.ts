/** Units of a duration, in milliseconds. */
const DURATION_UNITS: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Units of a size, in bytes (decimal, as disks are sold). */
const SIZE_UNITS: Record<string, number> = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** Patterns of the texts below; the JSON Schema of the configuration uses them as they are. */
export const DURATION_PATTERN = /^(\d+(?:\.\d+)?)(us|ms|s|m|h|d)$/;
export const SIZE_PATTERN = /^(\d+(?:\.\d+)?)(B|kB|KB|MB|GB|TB)$/;
export const RATE_PATTERN = /^(\d+(?:\.\d+)?)\/(s|m|h)$/;
export const NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** `250ms` → 250; milliseconds, possibly with a fraction. Undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION_PATTERN.exec(text);
  return match ? Number(match[1]) * DURATION_UNITS[match[2]!]! : undefined;
}

/** What people call the units of a duration and of a size. */
const UNIT_WORDS: readonly (readonly [RegExp, string])[] = [
  [/^(us|µs|usecs?|microseconds?)$/, 'us'],
  [/^(ms|msecs?|milliseconds?)$/, 'ms'],
  [/^(s|secs?|seconds?)$/, 's'],
  [/^(m|mins?|minutes?)$/, 'm'],
  [/^(h|hrs?|hours?)$/, 'h'],
  [/^(d|days?)$/, 'd'],
];

/** `5 sec` → `5s`, `2 gb` → `2GB`: the quantity that a person most likely meant; undefined when it cannot be told. */
export function meantQuantity(text: string, kind: 'duration' | 'size'): string | undefined {
  const [, digits = '', word = ''] = /^\s*(\d+(?:[.,]\d+)?)\s*([a-zµ]+)\s*$/i.exec(text) ?? [];
  const unit =
    kind === 'duration'
      ? UNIT_WORDS.find(([pattern]) => pattern.test(word.toLowerCase()))?.[1]
      : Object.keys(SIZE_UNITS).find((each) => each.toLowerCase() === word.toLowerCase());
  return unit === undefined ? undefined : `${digits.replace(',', '.')}${unit}`;
}

/** `2GB` → 2000000000; bytes. Undefined when the text is no size. */
export function parseSize(text: string): number | undefined {
  const match = SIZE_PATTERN.exec(text);
  return match ? Math.round(Number(match[1]) * SIZE_UNITS[match[2]!]!) : undefined;
}

/** `500/s` → 500; events per second. Undefined when the text is no rate. */
export function parseRate(text: string): number | undefined {
  const match = RATE_PATTERN.exec(text);
  return match ? (Number(match[1]) * 1000) / DURATION_UNITS[match[2]!]! : undefined;
}

/** Milliseconds as a person writes them, with at most two units: `1.5 s` → `1.5s`, 90000 → `1m 30s`. */
export function formatDuration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)}us`;
  if (ms < 1000) return `${round(ms)}ms`;
  if (ms < 60_000) return `${round(ms / 1000)}s`;
  const units: [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ];
  const first = units.findIndex(([, size]) => ms >= size);
  const [unit, size] = units[first]!;
  const whole = Math.floor(ms / size);
  const next = units[first + 1];
  const rest = next ? Math.floor((ms - whole * size) / next[1]) : 0;
  return rest > 0 && next ? `${whole}${unit} ${rest}${next[0]}` : `${whole}${unit}`;
}

/** Bytes as a person writes them: 1_500_000 → `1.5 MB`. */
export function formatSize(bytes: number): string {
  for (const unit of ['TB', 'GB', 'MB', 'kB']) {
    const size = SIZE_UNITS[unit]!;
    if (bytes >= size) return `${round(bytes / size)} ${unit}`;
  }
  return `${Math.round(bytes)} B`;
}

function round(value: number): string {
  return String(Number(value.toPrecision(3)));
}
