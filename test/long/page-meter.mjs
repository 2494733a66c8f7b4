// A new user adds a meter by the page alone; see scripts/page-meter.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

const UNIT = 17;
const bench = new Bench();
const folder = process.argv[2] ?? bench.folder;
mkdirSync(folder, { recursive: true });
const begunMs = performance.now();
const faults = [];
const step = (isGood, text) => {
  console.log(
    `${isGood ? 'ok  ' : 'BAD '} ${((performance.now() - begunMs) / 1000).toFixed(1).padStart(6)} s  ${text}`,
  );
  if (!isGood) faults.push(text);
};

/** A meter that answers for one unit only, as an SDM120: float32 in input registers, the voltage first. */
const meter = createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', (frame) => {
    if (frame.length < 12 || frame[6] !== UNIT) return;
    const [start, count] = [frame.readUInt16BE(8), frame.readUInt16BE(10)];
    if (frame[7] !== 4) {
      socket.write(Buffer.concat([frame.subarray(0, 4), Buffer.from([0, 3, UNIT, frame[7] | 0x80, 1])]));
      return;
    }
    const data = Buffer.alloc(2 * count + 2);
    for (let register = 0; register < count; register += 2)
      data.writeFloatBE(
        start + register === 0 ? 231.4 + Math.sin(Date.now() / 2000) : 5 + start + register,
        2 * register,
      );
    const head = Buffer.from([0, 0, 0, 0, 0, 3 + 2 * count, UNIT, 4, 2 * count]);
    frame.copy(head, 0, 0, 4);
    socket.write(Buffer.concat([head, data.subarray(0, 2 * count)]));
  });
});

try {
  await main();
} finally {
  meter.close();
  bench.end();
}
console.log(faults.length === 0 ? 'all good' : `${faults.length} not as they must be`);
process.exit(faults.length === 0 ? 0 : 1);

async function main() {
  await new Promise((resolve) => meter.listen(0, '127.0.0.1', resolve));
  const port = await freePort();
  const file = join(bench.folder, 'millgate.yaml');
  const before = [
    '# The cabinet in hall 2.',
    'channels:',
    `  plc: {driver: modbus-tcp, host: 127.0.0.1, port: ${meter.address().port}, timeout: 100ms, retries: 0}   # the converter`,
    '  sim: {driver: mock}',
    'devices:',
    '  oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)", unit: "°C"}}}',
    `store: {path: ${join(bench.folder, 'store')}}`,
    `api: {listen: "127.0.0.1:${port}"}`,
    '',
  ].join('\n');
  writeFileSync(file, before);
  bench.start(process.execPath, [BINARY, 'run', '--config', file], { stdio: 'ignore' });
  let token = '';
  for (let tries = 0; token === '' && tries < 60; tries++) {
    await sleep(500);
    try {
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
      token = execFileSync(
        process.execPath,
        [BINARY, 'token', 'create', '--role', 'admin', 'ann', '--config', file],
        options,
      ).trim();
    } catch {
      // It is not there yet.
    }
  }
  step(token !== '', 'the gateway runs, and the first token is made by its command line');
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage({ viewport: { width: 1024, height: 1000 } });
    tab.setDefaultTimeout(60_000);
    await tab.goto(`http://127.0.0.1:${port}/`);
    await tab.getByRole('button', { name: 'Log in' }).click();
    await tab.locator('dialog input').first().fill(token);
    await tab.locator('dialog button[type=submit]').click();
    await tab.getByRole('link', { name: 'Configuration' }).click();
    await tab.getByRole('button', { name: 'Open the file' }).click();
    await tab.waitForSelector('textarea');
    step(true, 'logged in, and the file is open');
    await addMeter(tab);
    await addTag(tab);
    await addAlarm(tab, file, before);
  } finally {
    await browser.close();
  }
}

async function addMeter(tab) {
  await tab.getByRole('button', { name: 'Add a device' }).click();
  await tab.getByLabel('Name').fill('meter');
  await tab.getByLabel('Channel').selectOption('plc');
  await tab.getByRole('button', { name: 'Find the unit id' }).click();
  await tab.getByText(/Unit \d+ answers|No unit/).waitFor();
  const unit = await tab.getByLabel('Unit id').inputValue();
  step(unit === String(UNIT), `the unit id was looked for and found: ${unit}`);
  await tab.getByLabel('Profile').selectOption('eastron-sdm120');
  await tab.screenshot({ path: join(folder, 'device-form.png') });
  await tab.getByRole('button', { name: 'Put it into the file' }).click();
  await tab.getByText('device meter added').waitFor();
  step(true, 'the device is in the text, which is valid');
  await applied(tab);
  await tab.goto(`${tab.url().split('#')[0]}#/tags/meter`);
  await tab
    .locator('.reading .value', { hasText: /^2\d\d/ })
    .first()
    .waitFor();
  step(
    true,
    `its voltage is on the screen: ${await tab
      .locator('.reading .value', { hasText: /^2\d\d/ })
      .first()
      .textContent()} V`,
  );
}

/** A register that the profile does not name: what the display shows is looked for, and taken. */
async function addTag(tab) {
  await tab.goto(`${tab.url().split('#')[0]}#/configuration`);
  await tab.getByRole('button', { name: 'Open the file' }).click();
  await tab.getByRole('button', { name: 'Add a tag' }).click();
  await tab.getByLabel('Device').selectOption('meter');
  const unit = await tab.getByLabel('Unit id').inputValue();
  await tab.getByLabel('Registers').fill('input:0-40');
  await tab.getByLabel('The display shows').fill('35.0');
  await tab.getByRole('button', { name: 'Look at the registers' }).click();
  const best = tab.getByLabel('What the registers may mean').locator('tbody tr').first();
  await best.waitFor();
  const words = (await best.locator('th, td').allTextContents()).slice(0, 4).join(' ');
  step(
    unit === String(UNIT) && words.startsWith('input:30 float32 35'),
    `looked for 35.0 among unit ${unit}'s registers: ${words}`,
  );
  await tab.getByLabel('Name of the tag').fill('unknown-35');
  await tab.getByLabel('Unit', { exact: true }).fill('Hz');
  await tab.screenshot({ path: join(folder, 'tag-form.png'), fullPage: true });
  await tab.getByRole('button', { name: 'Put it into the file' }).click();
  await tab.getByText(/unknown-35.* added/).waitFor();
  step(true, 'the tag is in the text, which is valid');
  await applied(tab);
  await tab.goto(`${tab.url().split('#')[0]}#/tag/meter/unknown-35`);
  await tab.locator('.reading .value', { hasText: /^35/ }).first().waitFor();
  step(true, 'its value is on the screen: 35 Hz');
}

async function addAlarm(tab, file, before) {
  await tab.goto(`${tab.url().split('#')[0]}#/configuration`);
  await tab.getByRole('button', { name: 'Open the file' }).click();
  await tab.getByRole('button', { name: 'Add an alarm' }).click();
  await tab.getByLabel('Name').fill('voltage-high');
  await tab.getByLabel('Tag').selectOption('meter/voltage');
  await tab.getByLabel('Limit').fill('231.5');
  await tab.getByRole('button', { name: 'Put it into the file' }).click();
  await tab.getByText('alarm voltage-high added').waitFor();
  await tab.getByRole('button', { name: 'Try it on 1 h' }).click();
  await tab.getByText(/it would have called/).waitFor();
  step(true, `tried: ${(await tab.getByText(/it would have called/).textContent()).trim()}`);
  await tab.screenshot({ path: join(folder, 'alarm-form.png') });
  await applied(tab);
  await tab.goto(`${tab.url().split('#')[0]}#/alarms`);
  await tab.locator('.alarm.is-standing', { hasText: 'voltage-high' }).waitFor();
  step(true, 'the alarm stands on the view of alarms');
  await tab.getByRole('button', { name: 'Acknowledge' }).first().click();
  await tab.getByRole('button', { name: 'Acknowledge' }).waitFor({ state: 'detached' });
  step(true, 'and is acknowledged');
  const after = readFileSync(file, 'utf8');
  const kept = before.split('\n').every((line) => after.includes(line));
  step(
    kept,
    `every line and comment that was in the file is still there; ${after.split('\n').length - before.split('\n').length} lines more`,
  );
}

async function applied(tab) {
  await tab.getByRole('button', { name: 'Apply on trial' }).click();
  await tab.getByRole('button', { name: 'Confirm' }).click();
  await tab.getByRole('button', { name: 'Confirm' }).waitFor({ state: 'detached' });
  step(true, 'applied on trial, and confirmed');
}
