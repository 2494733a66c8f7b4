// The API under load while the gateway polls: 20 clients ask 200 times a second on every route that the gateway describes, with
// every method and every form of body, over TCP and over the Unix socket. Prints how many scans came on time, which answers
// there were, how long they took, and the memory: each 30 s the clients pause and the garbage is collected, so that what is
// left is what is held. Exit 1 when a scan in a thousand is late, an answer is 5xx, or the settled memory grows.
//   node test/long/api-load.mjs [SECONDS]     after: npm run build; scripts/api-load does both
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Bench, BINARY, freePort, sleep } from '../bench/parts.mjs';

const CLIENTS = 20;
const REQUESTS_PER_SECOND = 200;
const DEVICES = 10;
const TAGS = 20;
const WARM_UP_S = 15;
const SETTLE_EVERY_S = 30;
/** Collects the garbage of the main thread when asked by a signal, and says what is held; that of the store's thread now and then. */
const COLLECTOR = `import{isMainThread}from'node:worker_threads';
if(isMainThread)process.on('SIGUSR2',()=>{gc();gc();const{heapUsed,external}=process.memoryUsage();
process.stderr.write('held '+heapUsed+' '+external+'\\n')});
else setInterval(gc,5000).unref();`;
const TARGET_ON_TIME = 0.999;
const MOST_GROWTH_MB = 20;
const DEADLINE_MS = 35_000;
const STREAM_OPEN_MS = 500;
const LARGE_BYTES = 1_100_000;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const COLLECTING = ['--expose-gc', '--import', `data:text/javascript,${encodeURIComponent(COLLECTOR)}`];
const seconds = Number(process.argv[2] ?? 60);

/** What a body may be, and how it may come: with its length, in chunks, in two halves, not at all. */
const BODIES = [
  { form: 'none' },
  { form: 'empty', text: '' },
  { form: 'object', text: '{}' },
  { form: 'chunked object', text: '{}', chunked: true },
  { form: 'tags', text: '{"tags":["press-1/tag-1","press-2/tag-3"]}' },
  { form: 'chunked tags', text: '{"tags":["press-1/tag-1"]}', chunked: true },
  { form: 'two halves', text: '{"tags":["press-3/tag-2"]}', halves: true },
  { form: 'write', text: '{"tag":"press-1/tag-1","value":1}' },
  { form: 'order', text: '{"by":"load","occurrence":1,"for":"1m","points":[1],"from":1,"to":2,"text":"- 1"}' },
  { form: 'probe', text: '{"channel":"plc","unit":1,"table":"holding","start":0,"count":4}' },
  { form: 'array', text: '[]' },
  { form: 'null', text: 'null' },
  { form: 'no JSON', text: '{"tags":' },
  { form: 'text', text: 'tags=press-1', type: 'text/plain' },
  { form: 'too large', text: `{"tags":["${'x'.repeat(LARGE_BYTES)}"]}`, rare: true },
];

const bench = new Bench();
try {
  process.exitCode = await measure();
} catch (error) {
  console.error(`api-load: ${error.message}`);
  process.exitCode = 1;
} finally {
  bench.end();
}

async function measure() {
  const port = await freePort();
  const config = configuration(port);
  const gateway = bench.start(process.execPath, [...COLLECTING, BINARY, 'run', '--simulate', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  gateway.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const places = [{ host: '127.0.0.1', port }, { socketPath: join(bench.folder, 'store', 'api.sock') }];
  for (let tries = 0; (await ask(places[0], 'GET', '/readyz', BODIES[0])).status !== 200; tries++) {
    if (tries > 100) throw new Error(`the gateway does not get ready: ${log}`);
    await sleep(200);
  }
  const { paths } = JSON.parse((await ask(places[0], 'GET', '/api/v1/openapi.json', BODIES[0])).text);
  const plan = questions(Object.keys(paths), places);
  const tally = { statuses: new Map(), ms: [], bugs: [] };
  await load(plan, WARM_UP_S, { statuses: new Map(), ms: [], bugs: [] });
  const settled = () => settledMb(gateway, () => log);
  const before = { status: await statusOf(places[1]), rssMb: await settled() };
  let [tookS, last] = [0, before.rssMb];
  while (tookS < seconds) {
    const startedMs = performance.now();
    await load(plan, Math.min(SETTLE_EVERY_S, seconds - tookS), tally);
    tookS += (performance.now() - startedMs) / 1000;
    last = await settled();
    console.log(`settled   after ${tookS.toFixed(0)} s: ${last} MB, ${heldText(log)}`);
  }
  const after = { status: await statusOf(places[1]), rssMb: last };
  return report(tally, before, after, tookS, plan.length, log);
}

/** Every route with every method, body and place, in an order that mixes them but is the same each time. */
function questions(paths, places) {
  const asked = paths.flatMap((path) =>
    METHODS.flatMap((method) => {
      const bodies = method === 'GET' || method === 'HEAD' ? BODIES.slice(0, 3) : BODIES;
      return bodies.flatMap((body) => places.map((place) => ({ path: filled(path), method, body, place })));
    }),
  );
  let state = 7;
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  for (let index = asked.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [asked[index], asked[other]] = [asked[other], asked[index]];
  }
  return asked;
}

function filled(path) {
  const values = { device: 'press-1', tag: 'tag-1', id: 'hot', name: path.includes('spc') ? 'chart' : 'plant' };
  return path.replaceAll(/\{(\w+)\}/g, (_, name) => values[name] ?? 'x');
}

/** 20 clients, each of which asks ten times a second, on time whatever the answers take. */
async function load(plan, forSeconds, tally) {
  const everyMs = (CLIENTS * 1000) / REQUESTS_PER_SECOND;
  const endMs = performance.now() + forSeconds * 1000;
  let next = 0;
  const client = async (number) => {
    const open = new Set();
    for (let dueMs = performance.now() + (number * everyMs) / CLIENTS; dueMs < endMs; dueMs += everyMs) {
      await sleep(Math.max(0, dueMs - performance.now()));
      const { place, method, path, body } = plan[next++ % plan.length];
      const startMs = performance.now();
      const asked = ask(place, method, path, body).then(({ status, text }) => {
        open.delete(asked);
        tally.ms.push(performance.now() - startMs);
        tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
        if (status >= 500 || status === 'lost') tally.bugs.push(`${status} ${method} ${path} (${body.form}): ${text}`);
      });
      open.add(asked);
    }
    await Promise.all(open);
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
}

/** Asks once, by a connection of its own, as scripts and monitors do; a stream is left after half a second. */
function ask(place, method, path, { text, type = 'application/json', chunked, halves }) {
  return new Promise((resolve) => {
    const headers = text === undefined ? {} : { 'Content-Type': type };
    if (text !== undefined && !chunked) headers['Content-Length'] = Buffer.byteLength(text);
    if (chunked) headers['Transfer-Encoding'] = 'chunked';
    const outgoing = request({ ...place, method, path, headers, agent: false, timeout: DEADLINE_MS }, (response) => {
      const chunks = [];
      const end = () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString('utf8') });
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', end);
      response.on('error', end);
      if (/event-stream|jsonl/.test(response.headers['content-type'] ?? ''))
        setTimeout(() => {
          end();
          outgoing.destroy();
        }, STREAM_OPEN_MS);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error) => resolve({ status: 'lost', text: error.message }));
    if (halves) {
      outgoing.write(text.slice(0, text.length / 2));
      setTimeout(() => outgoing.end(text.slice(text.length / 2)), 20);
    } else outgoing.end(text);
  });
}

async function statusOf(place) {
  const { text } = await ask(place, 'GET', '/api/v1/status', BODIES[0]);
  return JSON.parse(text);
}

function report({ statuses, ms, bugs }, before, after, tookS, planned, log) {
  const sum = ({ status }, what) => status.channels.reduce((total, channel) => total + channel[what], 0);
  const scans = sum(after, 'scans') - sum(before, 'scans');
  const skipped = sum(after, 'skipped') - sum(before, 'skipped');
  const onTime = scans / (scans + skipped);
  const sorted = [...ms].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(0);
  const growthMb = after.rssMb - before.rssMb;
  const counts = [...statuses].sort().map(([status, count]) => `${status}: ${count}`);
  console.log(
    `${ms.length} requests in ${tookS.toFixed(0)} s, ${(ms.length / tookS).toFixed(0)} a second, of ${planned} kinds`,
  );
  console.log(`answers   ${counts.join(', ')}; p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`);
  console.log(
    `scans     ${scans + skipped}, ${(onTime * 100).toFixed(3)} % on time (target > ${TARGET_ON_TIME * 100} %)`,
  );
  console.log(
    `memory    ${before.rssMb} MB before, ${after.rssMb} MB after (target: at most ${MOST_GROWTH_MB} MB more)`,
  );
  for (const bug of bugs.slice(0, 10)) console.log(`BUG       ${bug.slice(0, 300)}`);
  const ill = log.split('\n').filter((line) => /this is a bug/.test(line));
  for (const line of ill.slice(0, 5)) console.log(`LOG       ${line}`);
  const isWell = bugs.length === 0 && ill.length === 0 && onTime > TARGET_ON_TIME && growthMb <= MOST_GROWTH_MB;
  console.log(isWell ? 'as it should be' : 'NOT as it should be');
  return isWell ? 0 : 1;
}

/** The memory of the gateway once nobody asks and the garbage is collected, MB. */
async function settledMb(gateway, log) {
  await sleep(STREAM_OPEN_MS + 1000);
  const seen = log().length;
  gateway.kill('SIGUSR2');
  for (let tries = 0; !/^held /m.test(log().slice(seen)) && tries < 100; tries++) await sleep(50);
  await sleep(500);
  return rssMb(gateway.pid);
}

function heldText(log) {
  const [, heap, external] = [...log.matchAll(/^held (\d+) (\d+)$/gm)].at(-1) ?? [];
  return `of it ${(heap / 1e6).toFixed(1)} MB heap and ${(external / 1e6).toFixed(1)} MB buffers`;
}

function rssMb(pid) {
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
}

function configuration(port) {
  const tags = Array.from(
    { length: TAGS },
    (_, index) => `tag-${index + 1}: {address: "holding:${index}", type: uint16}`,
  );
  const devices = Array.from(
    { length: DEVICES },
    (_, index) =>
      `  press-${index + 1}: {channel: ${index % 2 === 0 ? 'plc' : 'sim'}, ${index % 2 === 0 ? `unit: ${index + 1}, ` : ''}every: 500ms, tags: {${index % 2 === 0 ? tags.join(', ') : tags.map((tag) => tag.replace(/address: .*/, 'address: "walk(min=0,max=100)"}')).join(', ')}}}`,
  );
  const file = join(bench.folder, 'millgate.yaml');
  writeFileSync(
    file,
    [
      'channels: {plc: {driver: modbus-tcp, host: 127.0.0.1, port: 15020}, sim: {driver: mock, seed: 7}}',
      'devices:',
      ...devices,
      'alarms: {hot: {tag: press-2/tag-1, above: 50}}',
      'spc: {chart: {tag: press-2/tag-2, chart: i-mr, limits: {baseline: 25}}}',
      'uplinks: {plant: {type: mqtt, url: "mqtt://127.0.0.1:9"}}',
      `store: {path: ${join(bench.folder, 'store')}}`,
      `api: {listen: "127.0.0.1:${port}"}`,
      '',
    ].join('\n'),
  );
  return file;
}
