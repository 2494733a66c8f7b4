// What scripts/page-test looks at besides the views themselves: how late a value is on the screen, what a week leaves in memory,
// the keyboard, and whether marks are told apart without colour. Each look is handed `must`, which prints and counts.
import { createServer } from 'node:http';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** From the instant of a reading to the frame in which it is on the screen. */
export async function lookAtLateness(context, base, must) {
  const tab = await context.newPage();
  await tab.goto(base);
  await tab.waitForSelector('.reading[data-t]');
  await tab.waitForTimeout(2000);
  const late = await tab.evaluate(
    (seconds) =>
      new Promise((resolve) => {
        const known = new Map();
        const lates = [];
        const endMs = performance.now() + seconds * 1000;
        const look = () => {
          for (const [at, element] of document.querySelectorAll('.reading[data-t]').entries()) {
            const { t } = element.dataset;
            if (known.has(at) && known.get(at) !== t) lates.push(Date.now() - Number(t));
            known.set(at, t);
          }
          if (performance.now() < endMs) requestAnimationFrame(look);
          else resolve(lates);
        };
        look();
      }),
    20,
  );
  const sorted = late.sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(sorted.length * share)];
  must(at(0.95) <= 1500, `value to screen: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms of ${late.length} (1500 allowed)`);
  await tab.close();
}

/** How many messages stand for a week: one each half minute. */
const WEEK_MESSAGES = 20_160;
const WARM_MESSAGES = 2000;
const STEP_MS = 30_000;

/** The stream of a demo as it is now, for some seconds. */
async function recorded(origin) {
  const end = new AbortController();
  const response = await fetch(`${origin}/api/v1/stream?page=1&pace=500`, { signal: end.signal });
  let text = '';
  setTimeout(() => end.abort(), 8000);
  try {
    for await (const chunk of response.body) text += Buffer.from(chunk).toString('utf8');
  } catch {
    // Enough was heard.
  }
  return text.split('\n\n').filter((event) => event.includes('data:'));
}

/** A page that hears a week of its plant in a minute or so: what it holds afterwards. */
export async function lookAtWeek(browser, base, must) {
  const origin = new URL(base).origin;
  const events = await recorded(origin);
  const server = createServer(async (request, response) => {
    if (!request.url.startsWith('/api/v1/stream')) {
      const answer = await fetch(origin + request.url);
      const type = answer.headers.get('content-type');
      response.writeHead(answer.status, { 'Content-Type': type }).end(Buffer.from(await answer.arrayBuffer()));
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (let sent = 0, round = 0; sent < WEEK_MESSAGES && !response.destroyed; sent++) {
      if (sent > 0 && sent % events.length === 0) round++;
      const event = events[sent % events.length];
      const shifted = event
        .replaceAll(/"(t|sinceMs|nowMs)":(\d{13})/g, (_, name, t) => `"${name}":${Number(t) + sent * STEP_MS}`)
        .replaceAll(/"seq":(\d+)/g, (_, seq) => `"seq":${Number(seq) + round * events.length}`);
      // The first one alone is a snapshot of all.
      if (!response.write(`${shifted}\n\n`)) await new Promise((resolve) => response.once('drain', resolve));
      week.sent = sent + 1;
      if (sent % 20 === 0) await sleep(15);
    }
    while (!response.destroyed) {
      response.write(': alive\n\n');
      await sleep(1000);
    }
  });
  const week = { sent: 0 };
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const context = await browser.newContext();
  // One stream of its own in the tab, so that all of the page is in the heap that is measured.
  await context.addInitScript('delete globalThis.SharedWorker');
  const tab = await context.newPage();
  const session = await context.newCDPSession(tab);
  const heldBytes = async () => {
    for (let times = 0; times < 3; times++) await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize;
  };
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  const heard = async (messages) => {
    while (week.sent < messages) await sleep(200);
    await sleep(1000);
    return heldBytes();
  };
  const before = await heard(WARM_MESSAGES);
  const after = await heard(WEEK_MESSAGES);
  const grown = (after - before) / 1e6;
  must(
    grown < 10,
    `heap: ${(before / 1e6).toFixed(1)} MB, ${(after / 1e6).toFixed(1)} MB after a week of ${WEEK_MESSAGES} messages: ${grown.toFixed(1)} MB more (10 allowed)`,
  );
  await context.close();
  server.closeAllConnections();
  server.close();
}

/** A gateway that can be gone, or come back as another version: a demo with a hand on what goes through. */
async function startStandIn(origin) {
  const at = { isGone: false, version: undefined };
  const server = createServer(async (request, response) => {
    if (at.isGone) return request.socket.destroy();
    // The views of the version before are not there any more.
    if (at.version && /^\/others-/.test(request.url)) return response.writeHead(404).end();
    const answer = await fetch(origin + request.url);
    const version = at.version ?? answer.headers.get('x-millgate-version');
    response.writeHead(answer.status, {
      'Content-Type': answer.headers.get('content-type'),
      'X-Millgate-Version': version,
    });
    try {
      for await (const chunk of answer.body) {
        const text = Buffer.from(chunk);
        const isStream = request.url.startsWith('/api/v1/stream');
        response.write(
          at.version && isStream
            ? text.toString('utf8').replace(/"version":"[^"]*"/, `"version":"${at.version}"`)
            : text,
        );
        if (response.destroyed) break;
      }
    } catch {
      // The demo ended it.
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { at, server, base: `http://127.0.0.1:${server.address().port}/` };
}

/** A page whose gateway goes in its first moment, before the stream is open, and comes back as another version. */
async function lookAtBeginning(context, { at, server, own }, must) {
  const tab = await context.newPage();
  // The other tabs' worker has ended with them: its file is to be loaded, and cannot be.
  await tab.goto(own);
  await tab.evaluate(() => {
    globalThis.isOld = true;
  });
  at.isGone = true;
  server.closeAllConnections();
  await tab.waitForTimeout(4000);
  at.version = '9.9.9';
  at.isGone = false;
  await tab.waitForFunction(() => globalThis.isOld === undefined, undefined, { timeout: 20_000 });
  at.version = undefined;
  must(true, 'replaced in its first moment: live again, and loaded anew by itself');
  await tab.close();
}

/** An open page while its gateway is stopped, and replaced by another version. */
export async function lookAtReplaced(browser, base, must) {
  const { at, server, base: own } = await startStandIn(new URL(base).origin);
  const context = await browser.newContext();
  const tab = await context.newPage();
  const isLive = () => tab.waitForFunction(() => !document.querySelector('.banner'), undefined, { timeout: 20_000 });
  await tab.goto(own);
  await tab.waitForSelector('.reading .value');
  await tab.waitForTimeout(6000);
  at.isGone = true;
  server.closeAllConnections();
  const stoppedMs = Date.now();
  await tab.waitForSelector('.banner', { timeout: 20_000 });
  must(
    Date.now() - stoppedMs <= 5000,
    `stopped: "${await tab.textContent('.banner')}" ${Date.now() - stoppedMs} ms after`,
  );
  await tab.getByRole('link', { name: 'Store' }).click();
  await tab.getByRole('heading', { name: 'Was anything lost?' }).waitFor();
  must(true, 'stopped: another view can be opened all the same');
  at.isGone = false;
  await isLive();
  must(true, 'stopped: live again without a reload');
  await tab.goto(`${own}#/tags`);
  await tab.locator('input[type=search]').fill('oil');
  at.version = '9.9.9';
  server.closeAllConnections();
  await tab.getByText('9.9.9').waitFor({ timeout: 20_000 });
  await tab.waitForTimeout(5000);
  const typed = await tab.locator('input[type=search]').inputValue();
  must(typed === 'oil', 'replaced: said, and not loaded anew while somebody types');
  await tab.evaluate(() => {
    globalThis.isOld = true;
  });
  at.version = undefined;
  await tab.getByRole('button', { name: 'Load it anew' }).click();
  await tab.waitForFunction(() => globalThis.isOld === undefined && document.querySelector('.reading .value'));
  must(true, 'replaced: loaded anew by its button');
  await tab.close();
  await lookAtBeginning(context, { at, server, own }, must);
  await context.close();
  server.closeAllConnections();
  server.close();
}

/** Every view by the Tab key alone: all that can be used is reached, and is seen to be. */
export async function lookAtKeyboard(context, base, must) {
  const tab = await context.newPage();
  await tab.goto(base);
  await tab.waitForSelector('nav a[href="#/configuration"]');
  const views = await tab.locator('nav a').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
  let stops = 0;
  const missed = [];
  for (const view of views) {
    await tab.goto(base.split('#')[0] + view);
    await tab.waitForTimeout(700);
    for (const name of view === '#/configuration' ? ['Open the file', 'Add a tag'] : []) {
      await tab.getByRole('button', { name }).click();
      await tab.waitForTimeout(1500);
    }
    await tab.evaluate(() => document.activeElement?.blur());
    const wanted = await tab.evaluate(() => {
      const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')];
      globalThis.wanted = all.filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility());
      globalThis.unseen = [];
      return globalThis.wanted.length;
    });
    for (let presses = 0; presses < wanted + 4; presses++) {
      await tab.keyboard.press('Tab');
      await tab.evaluate(() => {
        const here = document.activeElement;
        globalThis.reached ??= new Set();
        globalThis.reached.add(here);
        const style = here && getComputedStyle(here);
        const isSeen = style?.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 1;
        if (here !== document.body && !isSeen) globalThis.unseen.push(here.outerHTML.slice(0, 60));
      });
    }
    const found = await tab.evaluate(() => ({
      missed: globalThis.wanted
        .filter((one) => one.isConnected && !globalThis.reached.has(one))
        .map((one) => one.outerHTML.slice(0, 80)),
      unseen: globalThis.unseen,
    }));
    stops += wanted;
    missed.push(
      ...found.missed.map((one) => `${view}: ${one} not reached`),
      ...found.unseen.map((one) => `${view}: ${one} without an outline`),
    );
  }
  must(
    missed.length === 0,
    `keyboard: ${stops} stops in ${views.length} views, ${missed.length} not reached or not seen ${missed.slice(0, 3).join('; ')}`,
  );
  await tab.close();
}

/** Deuteranopia in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1.0). */
const DEUTERANOPIA = [
  [0.367322, 0.860646, -0.227968],
  [0.280085, 0.672501, 0.047413],
  [-0.01182, 0.04294, 0.968881],
];

const linear = (byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);

/** How bright a colour is to an eye that sees only brightness, 0…1 (WCAG relative luminance). */
const luminance = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

/** Marks of the four priorities, as shapes and as colours, with and without colour vision. */
export async function lookAtMarks(context, base, must, pixelsOf) {
  const tab = await context.newPage();
  await tab.goto(base);
  await tab.waitForSelector('.reading .value');
  for (const colorScheme of ['light', 'dark']) {
    await tab.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await tab.evaluate(() => {
      document.querySelector('#marks')?.remove();
      const row = document.createElement('div');
      row.id = 'marks';
      for (const [priority, shape] of Object.entries({ critical: '▲', high: '◆', medium: '■', low: '●' })) {
        const mark = document.createElement('span');
        mark.className = `mark mark-${priority}`;
        mark.textContent = shape;
        mark.style.cssText =
          'display:inline-block;width:48px;height:32px;margin:0;padding:0;text-align:center;font-size:24px';
        row.append(mark);
      }
      document.querySelector('main').prepend(row);
    });
    const images = [];
    for (const mark of await tab.locator('#marks .mark').all()) images.push(pixelsOf(await mark.screenshot()));
    const seen = (how) =>
      images.map(({ out, bytes }) => {
        const values = [];
        for (let at = 0; at < out.length; at += bytes) {
          const rgb = [linear(out[at]), linear(out[at + 1]), linear(out[at + 2])];
          values.push(how(rgb));
        }
        return values;
      });
    const grey = seen((rgb) => [luminance(rgb)]);
    const green = seen((rgb) => DEUTERANOPIA.map((row) => row.reduce((sum, part, at) => sum + part * rgb[at], 0)));
    for (const [name, all] of [
      ['greyscale', grey],
      ['deuteranopia', green],
    ]) {
      let least = 1;
      for (const [index, one] of all.entries())
        for (const other of all.slice(index + 1)) {
          const count = Math.min(one.length, other.length);
          let differs = 0;
          for (let at = 0; at < count; at++)
            if (Math.max(...one[at].map((part, channel) => Math.abs(part - other[at][channel]))) > 0.1) differs++;
          least = Math.min(least, differs / count);
        }
      must(
        least >= 0.03,
        `marks, ${colorScheme}, ${name}: any two shapes differ in ${(least * 100).toFixed(0)} % of their pixels at least (3 asked)`,
      );
    }
  }
  await tab.close();
}
