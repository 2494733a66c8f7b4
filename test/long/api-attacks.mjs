// Attacks on a running gateway, one line each; see scripts/api-attacks.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

const CHROMIUM = '/usr/bin/chromium';
const YEAR_MS = 365 * 86_400_000;
const EVIL = '<script>globalThis.hacked=1</script><img src=x onerror="globalThis.hacked=2">';
const BIDI = '\u202Egnp.exe\u2066';
const bench = new Bench();
const faults = [];
const say = (isGood, text) => {
  console.log(`${isGood ? 'ok  ' : 'BAD '} ${text}`);
  if (!isGood) faults.push(text);
};
const port = await freePort();
const file = join(bench.folder, 'millgate.yaml');
try {
  await main();
} finally {
  bench.end();
}
console.log(faults.length === 0 ? 'all good' : `${faults.length} not as they must be`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function main() {
  writeFileSync(file, configuration());
  const gateway = await startGateway();
  const make = (role, name) =>
    execFileSync(process.execPath, [BINARY, 'token', 'create', '--role', role, name, '--config', file], {
      encoding: 'utf8',
    }).trim();
  const [viewer, technician] = [make('viewer', 'eve'), make('technician', 'ann')];
  const before = await status();
  await tokens(viewer, technician);
  await origins(technician);
  await paths();
  await bodies(technician);
  await connections();
  await histories();
  await texts(technician);
  const after = await status();
  const sum = (one, what) => one.channels.reduce((total, channel) => total + channel[what], 0);
  const [scans, skipped] = ['scans', 'skipped'].map((what) => sum(after, what) - sum(before, what));
  say(skipped <= scans / 1000, `polling meanwhile: ${scans + skipped} scans, ${skipped} skipped`);
  say(after.pid === gateway.pid, `the process is the same, ${(after.rssBytes / 1e6).toFixed(0)} MB`);
  if (existsSync(CHROMIUM)) await browsers(gateway, technician);
}

async function startGateway() {
  const gateway = bench.start(process.execPath, [BINARY, 'run', '--config', file], {
    stdio: 'ignore',
  });
  for (let tries = 0; (await ask('/readyz')).status !== 200; tries++) {
    if (tries > 150) throw new Error('the gateway does not get ready');
    await sleep(200);
  }
  return gateway;
}

function ask(path, { method = 'GET', headers = {}, body, token } = {}) {
  return new Promise((resolve) => {
    const all = {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    };
    const begunMs = performance.now();
    const asked = request(
      { host: '127.0.0.1', port, path, method, headers: all, agent: false, timeout: 40_000 },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode, text, ms: performance.now() - begunMs, headers: response.headers }),
        );
      },
    );
    asked.on('error', (error) =>
      resolve({ status: error.code ?? 'lost', text: error.message, ms: performance.now() - begunMs }),
    );
    asked.end(body);
  });
}

async function status() {
  return JSON.parse((await ask('/api/v1/status')).text);
}

/** @param wanted the statuses that are right */
async function attack(name, wanted, path, options) {
  const { status: got, text, ms } = await ask(path, options);
  const detail = /"detail":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text.slice(0, 60);
  say(wanted.includes(got), `${name}: ${got} in ${ms.toFixed(0)} ms: ${detail.slice(0, 90)}`);
  return got;
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
  for (let tries = 0; tries < 8; tries++) got.push((await ask(path, order(guess))).status);
  say(got[0] === 401 && got.at(-1) === 429, `a guessed token, eight times: ${got.join(' ')}`);
  await attack(
    'the right token from the same machine meanwhile, which is slowed down with it',
    [422, 429],
    path,
    order(technician),
  );
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
  ])
    await attack(`the path ${path}`, [400, 404], path);
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
  await attack('a form', [415], '/api/v1/read', post('a=1', { 'Content-Type': 'application/x-www-form-urlencoded' }));
  await attack(
    'a write to what may not be written',
    [200, 422],
    '/api/v1/write',
    post('{"tag":"press-1/oil-temp","value":1}'),
  );
}

/** What comes back for raw bytes, and after how long. */
function raw(bytes, { every, keepMs = 25_000 } = {}) {
  return new Promise((resolve) => {
    const begunMs = performance.now();
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const timer = every && setInterval(() => socket.write(every), 500);
    const end = (how) => {
      clearInterval(timer);
      clearTimeout(limit);
      socket.destroy();
      resolve({ line: text.split('\r\n')[0], how, ms: performance.now() - begunMs });
    };
    const limit = setTimeout(() => end('still open'), keepMs);
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', () => end('closed'));
    socket.on('error', () => end('reset'));
  });
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
  };
  const all = Object.entries(kinds).map(async ([name, [bytes, options]]) => ({ name, ...(await raw(bytes, options)) }));
  for (const { name, line, how, ms } of await Promise.all(all))
    say(how !== 'still open', `${name}: ${line || 'no answer'}, ${how} after ${(ms / 1000).toFixed(1)} s`);
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
  await attack('the journal from 1970', [200], '/api/v1/events?from=0&limit=1000');
}

async function texts(token) {
  const shelved = await ask('/api/v1/alarms/hot/shelve', {
    method: 'POST',
    token,
    body: JSON.stringify({ for: '1m', by: 'x', comment: EVIL + BIDI }),
  });
  say(shelved.status === 200, `markup and bidi marks in a reason: ${shelved.status}, kept as text`);
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
    for (const view of ['', 'alarms', 'tags', 'tag/press-1/oil-temp', 'tag/press-1/mode']) {
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

function configuration() {
  const evil = JSON.stringify(EVIL + BIDI);
  return [
    'gateway: {id: attacked}',
    'channels: {sim: {driver: mock, seed: 7}}',
    'devices:',
    '  press-1:',
    '    channel: sim',
    '    every: 200ms',
    '    tags:',
    `      oil-temp: {address: "sine(min=20,max=90,period=20s)", description: ${evil}}`,
    `      mode: {address: "constant(value=1)", labels: {1: ${JSON.stringify(`${BIDI}<script>globalThis.hacked=3</script>`)}}}`,
    `alarms: {hot: {tag: press-1/oil-temp, above: 10, message: ${evil}}}`,
    `store: {path: ${join(bench.folder, 'store')}}`,
    `api: {listen: "127.0.0.1:${port}"}`,
    '',
  ].join('\n');
}
