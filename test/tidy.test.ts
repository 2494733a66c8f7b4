/** Keeps the house in order: who may import whom, how large things may grow, and that the documents are true. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  circles,
  filesBelow,
  interfacesOfOneMaker,
  ROOT,
  readProduct,
  type SourceFile,
  takenBy,
  unusedExports,
} from './double/source-tree.ts';

/**
 * What is not yet as it should be, counted. A number here may only fall: who mends one writes the smaller number (the
 * line that is printed at the end says which are too large). Every one of them is to become 0.
 */
const RATCHET = {
  forbiddenImports: 0,
  circles: 0,
  unusedExports: 0,
  exportsForTestsAlone: 81,
  functionsOver70Lines: 0,
  filesOver500Lines: 0,
  interfacesOfOneMaker: 37,
  foldersOver20Files: 0,
  deadFiles: 0,
  bannedCalls: 0,
  foldersWithoutReadme: 0,
  sharedNames: 43,
  formatterSpreads: 0,
  filesWithoutOpening: 0,
  deadLinks: 0,
  documentsLeftOutOfPackage: 0,
} satisfies Record<string, number>;

const MOST_LINES_OF_A_FUNCTION = 70;
const MOST_LINES_OF_A_FILE = 500;
const MOST_FILES_OF_A_FOLDER = 20;
/** A folder of more files than this has a README with a table of its files, which scripts/folder-maps.mjs writes. */
const FILES_WITHOUT_README = 5;

/** Names that mean the same thing in every folder in which they stand. */
const SAME_THING = new Set(['driver.ts', 'options.ts', 'types.ts', 'type.ts']);

/**
 * Which wing may import which. A wing is a folder below `src/` or `hal/`, or the files that stand in `hal/` itself. What
 * is listed under `types` may be imported for its types only. Everybody may import `src/core`, which imports nothing.
 */
const WINGS: Record<string, { may?: readonly string[]; types?: readonly string[] }> = {
  'src/core': {},
  hal: { may: ['hal/gpio', 'hal/i2c', 'hal/mock', 'hal/modbus', 'hal/recording', 'hal/serial'] },
  'hal/gpio': { may: ['hal'] },
  'hal/i2c': { may: ['hal'] },
  'hal/serial': { may: ['hal'], types: ['hal/recording'] },
  'hal/modbus': { may: ['hal', 'hal/serial'], types: ['hal/recording'] },
  'hal/mock': { may: ['hal', 'hal/modbus'] },
  'hal/recording': { may: ['hal', 'hal/mock'] },
  // The worker that loads a file in a thread of its own needs the list of drivers, hence more than the types of `hal`;
  // the registers that the gateway serves are addressed as those that it reads.
  'src/config': { may: ['hal', 'hal/modbus'] },
  'src/serve': { may: ['hal/modbus'], types: ['src/config'] },
  'src/rules': {},
  'src/store': {},
  'src/uplink': { types: ['src/config', 'src/store'] },
  'src/poll': { may: ['hal'], types: ['src/config'] },
  'src/service': {},
  'src/trace': {},
  'src/probe': { may: ['hal/modbus'], types: ['hal'] },
  'src/backtest': { may: ['src/rules', 'src/gateway', 'src/uplink'], types: ['src/config', 'src/store'] },
  'src/doctor': { types: ['hal', 'src/api', 'src/store', 'src/uplink'] },
  'src/api': { types: ['hal', 'src/rules', 'src/serve', 'src/store', 'src/trace', 'src/uplink'] },
  // Runs in a browser: of the program it knows the forms of what the API answers, and what registers may mean.
  'src/web': { may: ['src/probe'], types: ['src/api', 'src/store', 'src/uplink'] },
  'src/gateway': {
    may: [
      ...['hal', 'hal/mock', 'hal/modbus', 'hal/recording'],
      ...['src/config', 'src/poll', 'src/rules', 'src/serve', 'src/store', 'src/trace', 'src/uplink'],
    ],
    types: ['src/api', 'src/service'],
  },
  'src/daemon.ts': {
    may: ['hal', 'src/api', 'src/backtest', 'src/config', 'src/gateway', 'src/service', 'src/store'],
  },
  'src/cli.ts': { may: ['src/cli'] },
  'src/loader.ts': {},
  'src/cli': {
    may: [
      ...[
        'hal',
        'hal/mock',
        'hal/modbus',
        'hal/recording',
        'src/daemon.ts',
        'src/api',
        'src/backtest',
        'src/config',
        'src/doctor',
      ],
      ...['src/gateway', 'src/poll', 'src/probe', 'src/service', 'src/store', 'src/trace', 'src/uplink'],
    ],
  },
};

/** Files that are started rather than imported. */
const WAYS_IN = [
  'src/cli.ts',
  'src/daemon.ts',
  'src/loader.ts',
  'src/store/thread/worker.ts',
  'src/config/load-worker.ts',
  'src/web/page.tsx',
  'src/web/stream-worker.ts',
];
/** Offered to callers outside the program: the clock of simulations. */
const OFFERED = ['src/core/simulated-clock.ts'];

/** Time, the process and the environment belong to the edge. */
const EDGE = /^src\/(daemon\.ts|cli\.ts|cli\/|core\/clock\.ts|web\/)/;
const BANNED_AT_HEART = /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])set(?:Timeout|Interval)\(|\bprocess\.(?:env|exit)\b/;

const PRODUCT = readProduct();
const FILES = [...PRODUCT.values()];
const TESTS = filesBelow('test');

const textOf = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The wing in which a file stands. */
function wingOf(path: string): string {
  const parts = path.split('/');
  if (parts.length === 2) return parts[0] === 'hal' ? 'hal' : path;
  return parts.slice(0, 2).join('/');
}

function forbiddenImports(): string[] {
  return FILES.flatMap(({ path, edges }) => {
    const from = wingOf(path);
    const rule = WINGS[from];
    if (!rule) return [`${path}: no import rule covers ${from}`];
    return edges
      .map((edge) => ({ ...edge, to: wingOf(edge.target) }))
      .filter(({ to, typeOnly }) => {
        const allowed = [from, 'src/core', ...(rule.may ?? []), ...(typeOnly ? (rule.types ?? []) : [])];
        return !allowed.includes(to);
      })
      .map(({ target, line }) => `${path}:${line} imports ${target}`);
  });
}

function deadFiles(): string[] {
  const reached = new Set([...WAYS_IN, ...OFFERED]);
  for (const path of reached)
    for (const { target } of PRODUCT.get(path)?.edges ?? []) if (PRODUCT.has(target)) reached.add(target);
  return [...PRODUCT.keys()].filter((path) => !reached.has(path));
}

/** The files of the product by what `keyOf` says of their paths. */
function filesBy(keyOf: (path: string) => string): Map<string, SourceFile[]> {
  const groups = new Map<string, SourceFile[]>();
  for (const file of FILES) groups.set(keyOf(file.path), [...(groups.get(keyOf(file.path)) ?? []), file]);
  return groups;
}

const largeFolders = (more: number) => [...filesBy(dirname)].filter(([, files]) => files.length > more);

function sharedNames(): string[] {
  return [...filesBy(basename)]
    .filter(([name, files]) => files.length > 1 && !SAME_THING.has(name))
    .map(([name, files]) => `${name}: ${files.map(({ path }) => path).join(', ')}`);
}

/** Whether a file begins with a comment that is a sentence. */
function opens({ text }: SourceFile): boolean {
  const opening = /^(?:#!.*\n)?(?:\/\*\*([\s\S]*?)\*\/|((?:\/\/.*\n)+))/.exec(text);
  const words = (opening?.[1] ?? opening?.[2] ?? '').replaceAll(/^\s*(?:\*|\/\/)/gm, '').trim();
  return /^["'`A-Z][\s\S]*[.:!?)`]$/.test(words);
}

/** Documents a person reads: their paths from the root. */
const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...['docs', 'src', 'hal', 'config', 'test'].flatMap((folder) => filesBelow(folder, '.md')),
];

/** The anchors that the headings of a document make, as code hosts form them. */
function anchorsOf(path: string): Set<string> {
  const headings = textOf(path).matchAll(/^#+ +(.+)$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The links of a document to files of ours. */
function linksOf(path: string): { link: string; target: string; anchor: string | undefined }[] {
  return [...textOf(path).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
    if (/^[a-z]+:/.test(link!)) return [];
    const [file, anchor] = link!.split('#') as [string, string | undefined];
    return [{ link: link!, target: file === '' ? path : relative(ROOT, resolve(ROOT, dirname(path), file)), anchor }];
  });
}

function deadLinks(): string[] {
  return DOCUMENTS.flatMap((path) =>
    linksOf(path).flatMap(({ link, target, anchor }) => {
      const good =
        existsSync(join(ROOT, target)) && (!anchor || !target.endsWith('.md') || anchorsOf(target).has(anchor));
      return good ? [] : [`${path}: ${link}`];
    }),
  );
}

/** Documents that the package lacks, and links of its documents that lead out of it. */
function documentsLeftOutOfPackage(): string[] {
  const { files } = JSON.parse(textOf('package.json')) as { files: string[] };
  const packed = (path: string) => files.some((entry) => path === entry || path.startsWith(`${entry}/`));
  const wanted = DOCUMENTS.filter((path) => path.startsWith('docs/') || !path.includes('/'));
  const outward = wanted.flatMap((path) =>
    linksOf(path)
      .filter(({ target }) => !packed(target))
      .map(({ link }) => `${path}: ${link} is not in the package`),
  );
  return [...wanted.filter((path) => !packed(path)), ...outward];
}

const TESTED = takenBy([...TESTS, ...filesBelow('test', '.mjs')]);
/** @param found `path:line name` */
const isTested = (found: string) => TESTED.has(found.replace(/:\d+/, ''));

const FOUND: Record<keyof typeof RATCHET, () => string[]> = {
  forbiddenImports,
  circles: () => circles(PRODUCT).map((circle) => circle.join(' → ')),
  unusedExports: () => unusedExports(PRODUCT).filter((found) => !isTested(found)),
  exportsForTestsAlone: () => unusedExports(PRODUCT).filter(isTested),
  functionsOver70Lines: () =>
    FILES.flatMap(({ path, functions }) =>
      functions
        .filter(({ lines }) => lines > MOST_LINES_OF_A_FUNCTION)
        .map(({ name, line, lines }) => `${path}:${line} ${name}: ${lines} lines`),
    ),
  filesOver500Lines: () => {
    const tests = TESTS.map((path) => ({ path, lines: textOf(path).split('\n').length - 1 }));
    return [...FILES, ...tests]
      .filter(({ lines }) => lines > MOST_LINES_OF_A_FILE)
      .map(({ path, lines }) => `${path}: ${lines} lines`);
  },
  interfacesOfOneMaker: () => interfacesOfOneMaker(PRODUCT, TESTS),
  foldersOver20Files: () =>
    largeFolders(MOST_FILES_OF_A_FOLDER).map(([folder, files]) => `${folder}: ${files.length} files`),
  deadFiles,
  bannedCalls: () =>
    FILES.filter(({ path }) => !EDGE.test(path)).flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) => (BANNED_AT_HEART.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
    ),
  foldersWithoutReadme: () =>
    largeFolders(FILES_WITHOUT_README)
      .map(([folder]) => folder)
      .filter((folder) => {
        const map = join(ROOT, folder, 'README.md');
        return !existsSync(map) || !readFileSync(map, 'utf8').includes('<!-- files: written by');
      }),
  sharedNames,
  formatterSpreads: () => FILES.flatMap(({ path, spreads }) => spreads.map((line) => `${path}:${line}`)),
  filesWithoutOpening: () => FILES.filter((file) => !opens(file)).map(({ path }) => path),
  deadLinks,
  documentsLeftOutOfPackage,
};

describe('the house is tidy', () => {
  const counted = new Map<string, number>();

  it.each(Object.entries(RATCHET))('%s: at most %i', (name, most) => {
    const found = FOUND[name as keyof typeof RATCHET]();
    counted.set(name, found.length);
    const message = `${name}: ${found.length} where at most ${most} may be:\n${found.join('\n')}\n`;
    expect(found.length, message).toBeLessThanOrEqual(most);
  });

  it('no test is skipped or focused, and no check is switched off', () => {
    const pattern = new RegExp(
      ['\\b(?:it|test|describe)\\.(?:skip|only|todo)\\b', '@ts-(?:ignore|nocheck)', 'TO' + 'DO', 'FIX' + 'ME'].join(
        '|',
      ),
    );
    const wrong = [...PRODUCT.keys(), ...TESTS]
      .filter((path) => path !== 'test/tidy.test.ts')
      .filter((path) => pattern.test(textOf(path)));
    expect(wrong).toEqual([]);
  });

  afterAll(() => {
    const lines = FILES.reduce((sum, file) => sum + file.lines, 0);
    const longest = FILES.flatMap(({ path, functions }) => functions.map((each) => ({ path, ...each }))).reduce(
      (a, b) => (b.lines > a.lines ? b : a),
    );
    console.log(
      [
        `files ${FILES.length}, lines ${lines}`,
        `longest function ${longest.lines} lines (${longest.path} ${longest.name})`,
        `circles ${counted.get('circles')}`,
        `exports unused ${counted.get('unusedExports')}, used by tests alone ${counted.get('exportsForTestsAlone')}`,
        `folders over ${MOST_FILES_OF_A_FOLDER} files ${counted.get('foldersOver20Files')}`,
        ...Object.entries(RATCHET).flatMap(([name, most]) =>
          counted.has(name) && counted.get(name)! < most ? [`RATCHET.${name} may be ${counted.get(name)}`] : [],
        ),
      ].join('; '),
    );
  });
});
