import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** Sources below a folder, as paths from the root. */
function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

const PRODUCT = [...sources('src'), ...sources('hal')];

/** What a file imports of ours: the path, and whether only types are taken. */
function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found: { target: string; typeOnly: boolean }[] = [];
  for (const match of text.matchAll(/(?:import|export)\s+(type\s+)?(?:[^'"();]*?\sfrom\s+)?['"](\.[^'"]+)['"]/g)) {
    found.push({ target: relative(ROOT, resolve(ROOT, dirname(file), match[2]!)), typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/import\(\s*['"](\.[^'"]+)['"]/g)) {
    found.push({ target: relative(ROOT, resolve(ROOT, dirname(file), match[1]!)), typeOnly: false });
  }
  return found;
}

/** What every driver may use: the contract, and what carries, records or counts bytes whatever they mean. */
const HAL_COMMON = /^hal\/(driver|transport|recorder|recording(-\w+)?|statistics|utilisation)\.ts$/;

/** Who may import whom: the first rule whose `from` fits decides. `types` may be imported for their types only. */
const RULES: { from: RegExp; may: RegExp[]; types?: RegExp[] }[] = [
  { from: /^src\/core\//, may: [/^src\/core\//] },
  { from: /^hal\/(registry|scan)\.ts$/, may: [/^hal\//, /^src\/core\//] },
  { from: /^hal\/mock\//, may: [/^hal\/mock\//, HAL_COMMON, /^hal\/modbus\//, /^src\/core\//] },
  { from: /^hal\/modbus\//, may: [/^hal\/modbus\//, /^hal\/serial\/(port|settings)\.ts$/, HAL_COMMON, /^src\/core\//] },
  { from: /^hal\/gpio\//, may: [/^hal\/gpio\//, HAL_COMMON, /^src\/core\//] },
  { from: /^hal\/i2c\//, may: [/^hal\/i2c\//, HAL_COMMON, /^src\/core\//] },
  { from: /^hal\/serial\//, may: [/^hal\/serial\//, HAL_COMMON, /^src\/core\//] },
  { from: HAL_COMMON, may: [HAL_COMMON, /^src\/core\//] },
  { from: /^src\/config\//, may: [/^src\/config\//, /^src\/core\//], types: [/^hal\/driver\.ts$/] },
  {
    from: /^src\/poll\//,
    may: [/^src\/poll\//, /^src\/core\//, /^hal\/driver\.ts$/],
    types: [/^src\/config\/config\.ts$/],
  },
  { from: /^src\/rules\//, may: [/^src\/rules\//, /^src\/core\//] },
  { from: /^src\/store\//, may: [/^src\/store\//, /^src\/core\//] },
  {
    from: /^src\/uplink\//,
    may: [/^src\/uplink\//, /^src\/core\//],
    types: [/^src\/config\/config\.ts$/, /^src\/store\/store\.ts$/],
  },
  {
    from: /^src\/api\//,
    may: [/^src\/api\//, /^src\/core\//],
    types: [/^src\/store\/store\.ts$/, /^src\/uplink\/uplink\.ts$/],
  },
  { from: /^src\/service\//, may: [/^src\/service\//, /^src\/core\//] },
  { from: /^src\/gateway(\.ts$|\/)/, may: [/.*/] },
  {
    from: /^src\/backtest\//,
    may: [/^src\/(backtest|core|rules)\//, /^src\/gateway\/rule-config\.ts$/, /^src\/uplink\/json\.ts$/],
    types: [/^src\/config\/config\.ts$/, /^src\/store\/archive\.ts$/],
  },
  {
    from: /^src\/doctor\//,
    may: [/^src\/(doctor|core)\//],
    types: [
      /^src\/api\/(view|json)\.ts$/,
      /^src\/store\/store\.ts$/,
      /^src\/uplink\/(uplink|mqtt-tls)\.ts$/,
      /^hal\/driver\.ts$/,
    ],
  },
  {
    from: /^src\/(main\.ts|cli\/)/,
    may: [
      /^src\/(cli|config|core|api|store|backtest|doctor|service)\//,
      /^src\/gateway\.ts$/,
      /^src\/gateway\/poll-alone\.ts$/,
      /^src\/main\.ts$/,
      /^src\/poll\/(outcome|write-guard)\.ts$/,
      /^src\/uplink\/mqtt-(tls|trouble)\.ts$/,
      /^hal\/(registry|scan)\.ts$/,
      /^hal\/(driver|recording(-\w+)?)\.ts$/,
      /^hal\/mock\//,
      /^hal\/modbus\/probe-/,
    ],
  },
];

/** Calls that only these files may make: time, the process and the environment belong to the edge. */
const EDGE = /^src\/(main\.ts|cli\/|core\/clock\.ts)/;
const BANNED_AT_HEART = /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])set(?:Timeout|Interval)\(|\bprocess\.(?:env|exit)\b/;

describe('the house is tidy', () => {
  it('each folder imports only what it may', () => {
    const wrong: string[] = [];
    for (const file of PRODUCT) {
      const rule = RULES.find((candidate) => candidate.from.test(file));
      if (!rule) {
        wrong.push(`${file}: no import rule covers it`);
        continue;
      }
      for (const { target, typeOnly } of importsOf(file)) {
        const allowed =
          rule.may.some((pattern) => pattern.test(target)) ||
          (typeOnly && (rule.types ?? []).some((pattern) => pattern.test(target)));
        if (!allowed) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('time, process and environment are read at the edge only', () => {
    const wrong = PRODUCT.filter((file) => !EDGE.test(file)).flatMap((file) =>
      readFileSync(join(ROOT, file), 'utf8')
        .split('\n')
        .flatMap((line, index) => (BANNED_AT_HEART.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    );
    expect(wrong).toEqual([]);
  });

  it('no file grows past 400 lines', () => {
    const wrong = [...PRODUCT, ...sources('test')]
      .map((file) => ({ file, lines: readFileSync(join(ROOT, file), 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 400)
      .map(({ file, lines }) => `${file}: ${lines} lines`);
    expect(wrong).toEqual([]);
  });

  it('no test is skipped or focused, and no check is switched off', () => {
    const pattern = new RegExp(
      ['\\b(?:it|test|describe)\\.(?:skip|only|todo)\\b', '@ts-(?:ignore|nocheck)', 'TO' + 'DO', 'FIX' + 'ME'].join(
        '|',
      ),
    );
    const wrong = [...PRODUCT, ...sources('test')]
      .filter((file) => file !== 'test/tidy.test.ts')
      .filter((file) => pattern.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(wrong).toEqual([]);
  });

  it('every product file is reached from an entry point', () => {
    const entries = [
      'src/daemon.ts',
      'src/cli.ts',
      'src/store/thread/worker.ts',
      'src/config/load-worker.ts',
      // Offered to callers outside the program: the simulation's clock.
      'src/core/simulated-clock.ts',
    ].filter((file) => PRODUCT.includes(file));
    const reached = new Set(entries);
    for (const file of reached)
      for (const { target } of importsOf(file)) if (PRODUCT.includes(target)) reached.add(target);
    expect(PRODUCT.filter((file) => !reached.has(file))).toEqual([]);
  });
});
