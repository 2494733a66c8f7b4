// Attacks on a running gateway, one line each; see scripts/api-attacks.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { BINARY, sleep } from '../bench/parts.mjs';
import {
  ask,
  attack,
  BIDI,
  bench,
  EVIL,
  faults,
  file,
  newSender,
  port,
  raw,
  say,
  startGateway,
  status,
} from './api-target.mjs';

const CHROMIUM = '/usr/bin/chromium';
const YEAR_MS = 365 * 86_400_000;
/** An order that is let in: this occurrence of the alarm may have passed. */
const RIGHT = [200, 409, 422];
/** Connections that ask for much and read nothing of it. */
const deafOnes = { sockets: [], begunMs: 0 };

try {
  await main();
} finally {
  bench.end();
}
console.log(faults.length === 0 ? 'all good' : `${faults.length} not as they must be`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function main() {
  const gateway = await startGateway();
  const make = (role, name) =>
    execFileSync(process.execPath, [BINARY, 'token', 'create', '--role', role, name, '--config', file], {
      encoding: 'utf8',
    }).trim();
  const [viewer, technician] = [make('viewer', 'eve'), make('technician', 'ann')];
  const idle = await scansDuring(() => sleep(20_000));
  const during = await scansDuring(() => attackAll(viewer, technician));
  say(
    during.skipped / during.scans <= Math.max(0.001, (2 * idle.skipped) / idle.scans),
    `polling meanwhile: ${during.skipped} of ${during.scans} scans skipped; before the attacks ${idle.skipped} of ${idle.scans}`,
  );
  const after = await status();
  say(after.pid === gateway.pid, `the process is the same, ${(after.rssBytes / 1e6).toFixed(0)} MB`);
  if (existsSync(CHROMIUM)) await browsers(gateway, technician);
}

/** How many scans there were to be meanwhile, and how many of them were skipped. */
async function scansDuring(work) {
  const before = await status();
  await work();
  const after = await status();
  const sum = (one, what) => one.channels.reduce((total, channel) => total + channel[what], 0);
  const [made, skipped] = ['scans', 'skipped'].map((what) => sum(after, what) - sum(before, what));
  return { scans: made + skipped, skipped };
}

/** Group by group, so that a line says which of them polling was late for. */
async function attackAll(viewer, technician) {
  const groups = {
    tokens: () => tokens(viewer, technician),
    origins: () => origins(technician),
    paths,
    bodies: () => bodies(technician),
    connections,
    histories,
    texts: () => texts(technician),
    silence: endDeaf,
  };
  for (const [name, work] of Object.entries(groups)) {
    const { scans, skipped } = await scansDuring(work);
    console.log(`--   ${name}: ${skipped} of ${scans} scans skipped`);
  }
}

async function tokens(viewer, technician) {
  const path = '/api/v1/alarms/hot/ack';
  const order = (token, headers) => ({ method: 'POST', body: '{"occurrence":1,"by":"x"}', token, headers });
  await attack('an order without a token', [401], path, order());
  await attack('a token of another form', [401], path, order('letmein'));
  await attack('Basic in place of Bearer', [401], path, order(undefined, { Authorization: 'Basic YTpi' }));
  await attack('a token in a cookie', [401], path, order(undefined, { Cookie: `token=${technician}` }));
  await attack('a token in the address', [401], `${path}?token=${technician}`, order());
  await attack('the token of a viewer', [403], path, order(viewer));
  await attack('the token of a technician for the configuration', [403], '/api/v1/configuration/files', {
    token: technician,
  });
  const guess = `${technician.slice(0, 12)}${'A'.repeat(43)}`;
  const got = [];
  const from = newSender();
  for (let tries = 0; tries < 8; tries++) got.push((await ask(path, { ...order(guess), from })).status);
  say(got[0] === 401 && got.at(-1) === 429, `a guessed token, eight times: ${got.join(' ')}`);
  await attack('the right token from the same sender meanwhile, which is slowed down with it', [429], path, {
    ...order(technician),
    from,
  });
  await attack('the right token from another machine meanwhile', RIGHT, path, order(technician));
  const many = [];
  for (let batch = 0; batch < 10; batch++) {
    const some = Array.from({ length: 30 }, () => ask(path, { ...order(guess), from: newSender() }));
    many.push(...(await Promise.all(some)).map((answer) => answer.status));
  }
  say(
    many.every((status) => status === 401 || status === 429),
    `a guess from each of 300 addresses: ${many.filter((status) => status === 401).length} refused, the rest slowed down`,
  );
  await attack('the right token after them', RIGHT, path, order(technician));
  await attack('a token of 8,000 letters', [401], path, order('A'.repeat(8000)));
  await attack('two tokens in one header', [401], path, order(`${viewer}, Bearer ${technician}`));
  const id = viewer.slice(3, 11);
  execFileSync(process.execPath, [BINARY, 'token', 'revoke', id, '--config', file]);
  await attack('a revoked token', [401], '/api/v1/status', { token: viewer });
}

async function origins(token) {
  await attack('another Host (DNS rebinding)', [421], '/api/v1/status', { headers: { Host: 'evil.example' } });
  await attack('another Origin', [403], '/api/v1/status', { headers: { Origin: 'https://evil.example' } });
  await attack('Origin null', [403], '/api/v1/status', { headers: { Origin: 'null' } });
  await attack('a page of another site with a token (CSRF)', [403], '/api/v1/alarms/hot/ack', {
    ...{ method: 'POST', body: '{}', token },
    headers: { 'Sec-Fetch-Site': 'cross-site' },
  });
  await attack('another Host, hidden by X-Forwarded-Host', [421], '/api/v1/status', {
    headers: { Host: 'evil.example', 'X-Forwarded-Host': 'localhost', 'X-Forwarded-For': '127.0.0.1' },
  });
  await attack('this Host with another in front (user part)', [400, 421], '/api/v1/status', {
    headers: { Host: 'localhost@evil.example' },
  });
  await attack('a name that begins like this one', [421], '/api/v1/status', {
    headers: { Host: 'localhost.evil.example' },
  });
  await attack('another port of this machine as Origin', [403], '/api/v1/status', {
    headers: { Origin: 'http://127.0.0.1:1' },
  });
  await attack('a preflight of another site', [403, 405], '/api/v1/alarms/hot/ack', {
    method: 'OPTIONS',
    headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
  });
  const shared = await ask('/api/v1/status', { headers: { Origin: `http://127.0.0.1:${port}` } });
  say(
    !Object.keys(shared.headers ?? {}).some((name) => name.startsWith('access-control-')),
    'no answer is shared with other sites (no Access-Control headers)',
  );
  const { headers } = await ask('/');
  const policy = headers['content-security-policy'] ?? '';
  say(/^default-src 'none'; script-src 'self'/.test(policy), `the policy of the page: ${policy.slice(0, 60)} …`);
}

async function paths() {
  for (const path of [
    '/../../etc/passwd',
    '/..%2f..%2fetc/passwd',
    '/%2e%2e/tokens.json',
    '/tokens.json',
    '/page.js%00.html',
    '//etc/passwd',
    '/api/v1/%',
    '/api/v1/tags/..%2f..%2f/x/history',
    '/..%252f..%252fetc/passwd',
    '/%c0%ae%c0%ae/etc/passwd',
    '/..\\..\\etc\\passwd',
    '/page.js/../../../tokens.json',
    '/api/v1/../../tokens.json',
    '/api/v1/status;/../../tokens.json',
    '/.git/config',
    '/api/v1/tags/press-1%2foil-temp/x/history',
    '/api/v1/tags/__proto__/constructor/history',
    '/api/v1/alarms/__proto__',
    `/${'a/'.repeat(3000)}`,
  ])
    await attack(`the path ${path.slice(0, 60)}`, [400, 404], path);
  await attack('a path of 20,000 letters', [404, 414, 431], `/${'a'.repeat(20_000)}`);
  const history = '/api/v1/tags/press-1/oil-temp/history';
  for (const query of [
    'from=-1',
    'from=NaN',
    'from=1e999',
    'from=0x10',
    'from=1.5',
    'from=99999999999999999999',
    'limit=0',
    'limit=-5',
    'every=1s',
    'every=0m',
    'every=99999999999d',
    'after=%00',
    'from[]=1',
    'from=5&to=1',
    'from=1&from=2',
  ]) {
    const { status: got, text } = await ask(`${history}?${query}`, { from: newSender() });
    const isEmpty = got === 200 && JSON.parse(text).points.length <= 1000;
    say(got === 400 || isEmpty, `the question ?${query}: ${got}${got === 200 ? ', within the limit' : ''}`);
  }
  await attack('TRACE', [405], '/api/v1/status', { method: 'TRACE' });
  await attack('an unknown tag', [404], '/api/v1/tags/press-1/oil-tmep/history');
}

async function bodies(token) {
  const post = (body, headers) => ({ method: 'POST', body, token, headers });
  await attack('a body of 2 MB', [413], '/api/v1/read', post(`{"tags":["${'x'.repeat(2_000_000)}"]}`));
  await attack('a body of 40 MB', [413, 'EPIPE', 'ECONNRESET'], '/api/v1/read', post('x'.repeat(40_000_000)));
  await attack('a million brackets', [400], '/api/v1/read', post('['.repeat(999_000)));
  await attack(
    'ten thousand tags',
    [400],
    '/api/v1/read',
    post(JSON.stringify({ tags: Array.from({ length: 10_000 }, () => 'a/b') })),
  );
  await attack(
    '__proto__ in a body',
    [400, 404],
    '/api/v1/read',
    post('{"__proto__":{"tags":["press-1/oil-temp"]},"constructor":1}'),
  );
  await attack('no body', [400], '/api/v1/read', post(''));
  const deep = (open, close) => `{"tags":${open.repeat(5000)}1${close.repeat(5000)}}`;
  await attack('lists within lists', [400], '/api/v1/read', post(deep('[', ']')));
  await attack('objects within objects', [400], '/api/v1/read', post(deep('{"a":', '}')));
  await attack('a number of 100,000 digits', [400], '/api/v1/read', post(`{"tags":${'9'.repeat(100_000)}}`));
  await attack('bytes that are no UTF-8', [400, 404], '/api/v1/read', post(Buffer.from([0x22, 0xff, 0xfe, 0x22])));
  await attack('a deflated body (a bomb)', [400, 415], '/api/v1/read', {
    ...post(gzipSync(Buffer.alloc(20_000_000))),
    headers: { 'Content-Encoding': 'gzip' },
  });
  await attack('a body with GET', [200, 400, 413], '/api/v1/status', { body: 'x'.repeat(10_000) });
  await attack('a form', [415], '/api/v1/read', post('a=1', { 'Content-Type': 'application/x-www-form-urlencoded' }));
  await attack(
    'a write to what may not be written',
    [200, 422],
    '/api/v1/write',
    post('{"tag":"press-1/oil-temp","value":1}'),
  );
}

async function connections() {
  const head = 'POST /api/v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const kinds = {
    'a header that never ends, a letter each half second': [
      'GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ',
      { every: 'a' },
    ],
    'a body that never ends, a letter each half second': [`${head}Content-Length: 1000\r\n\r\n`, { every: 'a' }],
    'chunks without end': [`${head}Transfer-Encoding: chunked\r\n\r\n`, { every: '1\r\na\r\n' }],
    'a body that is announced and never comes': [`${head}Content-Length: 10\r\n\r\n`, {}],
    'two lengths': [`${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, {}],
    'a length and chunks (smuggling)': [`${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, {}],
    'a header of 100 kB': [`GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ${'x'.repeat(100_000)}\r\n\r\n`, {}],
    'bytes that are no HTTP': ['\x16\x03\x01\x00\x00', {}],
    'a connection on which nothing is said': ['', {}],
    'half a request': ['GET /api/v1/status HTT', {}],
    'Expect: 100-continue, and no body': [`${head}Content-Length: 10\r\nExpect: 100-continue\r\n\r\n`, {}],
    'a chunk of 4 GB': [`${head}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`, {}],
    'a negative length': [`${head}Content-Length: -1\r\n\r\n{}`, {}],
    'two hosts': ['GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n', {}],
    'no host': ['GET /api/v1/status HTTP/1.1\r\n\r\n', {}],
    'a thousand headers': [
      `GET / HTTP/1.1\r\nHost: localhost\r\n${'X-A: b\r\n'.repeat(1000)}Connection: close\r\n\r\n`,
      {},
    ],
    'CONNECT (a proxy)': ['CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n', {}],
    'a whole address of another host': [
      'GET http://evil.example/api/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      {},
    ],
    'an upgrade to WebSocket': [
      'GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      { isStream: true },
    ],
  };
  const all = Object.entries(kinds).map(async ([name, [bytes, options]]) => ({ name, ...(await raw(bytes, options)) }));
  for (const { name, line, how, ms } of await Promise.all(all))
    say(
      how !== 'still open' || kinds[name][1].isStream,
      `${name}: ${line || 'no answer'}, ${how} after ${(ms / 1000).toFixed(1)} s`,
    );
  const streams = [];
  for (let count = 0; count < 1000; count++) {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /api/v1/stream?page=1 HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    const one = { socket, text: '', closed: false };
    socket.on('data', (chunk) => (one.text = (one.text + chunk.toString('latin1')).slice(0, 20)));
    for (const event of ['close', 'error']) socket.on(event, () => (one.closed = true));
    streams.push(one);
  }
  await sleep(4000);
  const served = streams.filter(({ text, closed }) => text.startsWith('HTTP/1.1 200') && !closed).length;
  const socketOnly = execFileSync(process.execPath, [BINARY, 'status', '--json', '--config', file], {
    encoding: 'utf8',
  });
  say(
    served <= 200 && JSON.parse(socketOnly).pid > 0,
    `a thousand idle streams: ${served} served, the rest refused or closed; the command line is answered meanwhile`,
  );
  for (const { socket } of streams) socket.destroy();
  await sleep(1000);
  await beginDeaf();
  for (const id of ['-1', '99999999999999999999', "1' OR 1=1", 'x'.repeat(5000), '\u00ff'])
    await stream(`Last-Event-ID ${JSON.stringify(id.slice(0, 24))}`, id);
}

async function beginDeaf() {
  const before = (await status()).rssBytes;
  deafOnes.begunMs = performance.now();
  const paths = ['/api/v1/stream?page=1', '/api/v1/openapi.json', '/api/v1/tags/press-1/oil-temp/history?limit=10000'];
  deafOnes.sockets = Array.from({ length: 60 }, (_, place) => {
    const one = connect(
      { port, host: '127.0.0.1', onread: { buffer: Buffer.alloc(1024), callback: () => false } },
      () => {
        const ask = `GET ${paths[place % 3]} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
        // Enough answers that they do not all fit into what the kernel takes.
        one.write(ask.repeat(place % 2 ? 100 : 8));
      },
    );
    one.on('error', () => {});
    return one;
  });
  await sleep(8000);
  const grown = ((await status()).rssBytes - before) / 1e6;
  say(
    grown < 150,
    `sixty that ask up to a hundred times each and read nothing: ${grown.toFixed(0)} MB more, others are answered`,
  );
}

/** Connections on which nothing moves are ended after a minute; streams, which may be silent, are bounded in number. */
async function endDeaf() {
  await sleep(Math.max(0, 75_000 - (performance.now() - deafOnes.begunMs)));
  const open = execFileSync('ss', ['-Htn', 'state', 'established', `( sport = :${port} )`], { encoding: 'utf8' });
  const left = open.split('\n').filter(Boolean).length;
  say(left <= 20, `a minute later: ${left} of their connections are left: streams with few requests behind them`);
  for (const one of deafOnes.sockets) one.destroy();
}

/** What a stream answers to who says what it saw last. */
async function stream(name, id) {
  const { line } = await raw(`GET /api/v1/stream?page=1 HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: ${id}\r\n\r\n`, {
    keepMs: 400,
  });
  say(/^HTTP\/1\.1 (200|400)/.test(line), `${name}: ${line}`);
}

async function histories() {
  const to = Date.now();
  const from = to - YEAR_MS;
  const base = '/api/v1/tags/press-1/oil-temp';
  await attack('a year of history at 1 s', [200], `${base}/history?from=${from}&to=${to}&limit=10000`);
  await attack('a year of history, all in one page', [400], `${base}/history?from=${from}&to=${to}&limit=31536000`);
  await attack('a year by the minute', [200], `${base}/history?from=${from}&to=${to}&every=1m`);
  await attack('a chart of ten years', [200], `${base}/chart?from=${to - 10 * YEAR_MS}&to=${to}`);
  await attack('a chart of a century', [400], `${base}/chart?from=0&to=${to + 100 * YEAR_MS}`);
  await attack('a million columns', [400], `${base}/chart?columns=1000000`);
  const charts = Array.from({ length: 40 }, (_, place) => {
    const columns = `columns=${2000 - place}&from=${from}&to=${to}`;
    return place % 2 ? `${base}/chart?${columns}` : `${base}/history?every=${1 + place}m&from=${from}&to=${to}`;
  });
  const begunMs = performance.now();
  const got = (await Promise.all(charts.map((path) => ask(path)))).map((answer) => answer.status);
  say(
    got.every((one) => one === 200 || one === 503 || one === 429),
    `forty questions for a year at once: ${got.filter((one) => one === 200).length} answered in ${(performance.now() - begunMs).toFixed(0)} ms`,
  );
  await attack('the journal from 1970', [200], '/api/v1/events?from=0&limit=1000');
}

async function texts(token) {
  const shelved = await ask('/api/v1/alarms/hot/shelve', {
    method: 'POST',
    token,
    body: JSON.stringify({ for: '1m', by: 'x', comment: EVIL + BIDI }),
  });
  say(shelved.status === 200, `markup and bidi marks in a reason: ${shelved.status}, kept as text`);
  for (const [what, comment] of [
    ['a reason of a megabyte', 'x'.repeat(900_000)],
    ['a reason with a line end and a zero byte', 'a\u0000b\r\nX-Injected: 1'],
    ['a reason of half a character', '\ud800'],
  ]) {
    const { status: got } = await ask('/api/v1/alarms/hot/shelve', {
      ...{ method: 'POST', token, from: newSender() },
      body: JSON.stringify({ for: '1m', by: 'x', comment }),
    });
    say([200, 400, 409, 422].includes(got), `${what}: ${got}`);
  }
  const made = await ask('/api/v1/tokens', {
    ...{ method: 'POST', token, from: newSender() },
    body: JSON.stringify({ name: EVIL, role: 'admin' }),
  });
  say(made.status === 403, `a technician who makes himself a token of an admin: ${made.status}`);
  const { headers } = await ask('/api/v1/events?limit=5');
  say(
    headers['x-content-type-options'] === 'nosniff' && /json/.test(headers['content-type']),
    'they are sent as JSON that no browser sniffs',
  );
}

async function browsers(gateway, token) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage();
    const base = `http://127.0.0.1:${port}/`;
    await tab.goto(`${base}#token=${token}`);
    await tab.waitForSelector('.reading .value');
    let seen = '';
    for (const view of [
      '',
      'alarms',
      'tags',
      'tag/press-1/oil-temp',
      'tag/press-1/mode',
      'tag/press-1/code',
      'store',
    ]) {
      await tab.goto(`${base}#/${view}`);
      await tab.waitForTimeout(900);
      seen += await tab.textContent('body');
    }
    const hacked = await tab.evaluate(() => [
      globalThis.hacked,
      document.querySelectorAll('main script, main img').length,
    ]);
    say(
      hacked[0] === undefined && hacked[1] === 0 && seen.includes('<script>'),
      'markup in a label, a description, an alarm and a reason is shown as text and does nothing',
    );
    say(seen.includes('LOT-7'), 'a code with markup and bidi marks is shown as text');
    say(!/[\u202A-\u202E\u2066-\u2069]/.test(seen), 'no bidi mark reaches the screen');
    await replaced(tab, base, gateway);
  } finally {
    await browser.close();
  }
}

/** A gateway of another version in the place of the one that the page came from. */
async function replaced(tab, base, gateway) {
  await tab.goto(base);
  await tab.waitForFunction(() => !document.querySelector('.banner'));
  await tab.evaluate(() => (globalThis.isOld = true));
  gateway.kill('SIGTERM');
  await tab.waitForSelector('.banner', { timeout: 20_000 });
  say(true, `a gateway that ends: "${await tab.textContent('.banner')}"`);
  const manifest = new URL('../../package.json', import.meta.url);
  const before = readFileSync(manifest, 'utf8');
  writeFileSync(manifest, before.replace(/"version": "([^"]+)"/, '"version": "$1-next"'));
  try {
    await startGateway();
  } finally {
    writeFileSync(manifest, before);
  }
  await tab.waitForFunction(
    () => globalThis.isOld === undefined && document.querySelector('.reading .value'),
    undefined,
    { timeout: 40_000 },
  );
  say(true, 'a newer gateway in its place: the open page loaded itself anew, and is live');
}
