// The gateway that scripts/api-attacks attacks, and how it is asked.

import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

export const EVIL = '<script>globalThis.hacked=1</script><img src=x onerror="globalThis.hacked=2">';
export const BIDI = '\u202Egnp.exe\u2066';
export const bench = new Bench();
export const faults = [];
export const port = await freePort();
export const file = join(bench.folder, 'millgate.yaml');
writeFileSync(file, configuration());
let senders = 0;

/** One line of the list. */
export function say(isGood, text) {
  console.log(`${isGood ? 'ok  ' : 'BAD '} ${text}`);
  if (!isGood) faults.push(text);
}

export async function startGateway() {
  const gateway = bench.start(process.execPath, [BINARY, 'run', '--config', file], {
    stdio: 'ignore',
  });
  for (let tries = 0; (await ask('/readyz')).status !== 200; tries++) {
    if (tries > 150) throw new Error('the gateway does not get ready');
    await sleep(200);
  }
  return gateway;
}

/** An address of this machine that nobody asked from before: wrong tokens are counted by sender. */
export function newSender() {
  senders++;
  return `127.1.${Math.floor(senders / 250)}.${(senders % 250) + 1}`;
}

export function ask(path, { method = 'GET', headers = {}, body, token, from = '127.0.0.1' } = {}) {
  return new Promise((resolve) => {
    const all = {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    };
    const begunMs = performance.now();
    const asked = request(
      { host: '127.0.0.1', localAddress: from, port, path, method, headers: all, agent: false, timeout: 40_000 },
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

export async function status() {
  return JSON.parse((await ask('/api/v1/status')).text);
}

/** @param wanted the statuses that are right */
export async function attack(name, wanted, path, options) {
  const { status: got, text, ms } = await ask(path, { from: newSender(), ...options });
  const detail = /"detail":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text.slice(0, 60);
  say(wanted.includes(got), `${name}: ${got} in ${ms.toFixed(0)} ms: ${detail.slice(0, 90)}`);
  return got;
}

/** What comes back for raw bytes, and after how long. */
export function raw(bytes, { every, keepMs = 25_000 } = {}) {
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
    `      code: {address: ${JSON.stringify(`'LOT-7${BIDI}<img src=x onerror=globalThis.hacked=4>'`)}, type: string}`,
    '      done: {address: "toggle(period=4s,duty=0.5)", type: bool}',
    'parts: {rack: {serial: press-1/code, done: press-1/done, results: {oil: {tag: press-1/oil-temp, min: 0, max: 200}}}}',
    `alarms: {hot: {tag: press-1/oil-temp, above: 10, message: ${evil}}}`,
    `store: {path: ${join(bench.folder, 'store')}}`,
    `api: {listen: "127.0.0.1:${port}"}`,
    '',
  ].join('\n');
}
