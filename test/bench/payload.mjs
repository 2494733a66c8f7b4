// How many bytes of payload a reading takes, by layout and compression of the uplink: see scripts/bench. One gateway sends
// the same readings to four brokers at once.
//   node test/bench/payload.mjs [SECONDS [WORK …]]
import { Bench, BINARY, sleep } from './parts.mjs';
import { readingsIn, startSink } from './sink.mjs';
import { workOf } from './works.mjs';

/** Options of the uplink, and how many bytes a reading may take with them. */
const FORMS = {
  rows: { options: {} },
  columns: { options: { layout: 'columns' }, most: 9 },
  'rows, deflate': { options: { compression: 'deflate' } },
  'columns, deflate': { options: { layout: 'columns', compression: 'deflate' }, most: 3 },
};

/** How long a gateway that has just been given its file may take until all have had something, s. */
const START_S = 60;

const [secondsText = '10', ...named] = process.argv.slice(2);
const seconds = Number(secondsText);

/** What came of each form. */
async function cameOf(bench, { devices, registers, periodMs }) {
  const base = 20_000 + Math.floor(Math.random() * 20_000);
  await bench.farm(base, devices);
  const came = {};
  const uplinks = {};
  for (const [at, [form, { options }]] of Object.entries(FORMS).entries()) {
    came[form] = { readings: 0, bytes: 0, messages: 0 };
    const port = await startSink((topic, payload) => {
      if (!topic.endsWith('/readings')) return;
      came[form].readings += readingsIn(payload);
      came[form].bytes += payload.length;
      came[form].messages++;
    });
    uplinks[`sink-${at}`] = { type: 'mqtt', url: `mqtt://127.0.0.1:${port}`, ...options };
  }
  const config = bench.configuration({ base, devices, registers, periodMs, uplinks });
  const child = bench.start(process.execPath, [BINARY, 'run', '--config', config], { stdio: 'ignore' });
  const hasAll = () => Object.values(came).every(({ readings }) => readings > 0);
  for (let waited = 0; waited < START_S && !hasAll(); waited++) await sleep(1000);
  await sleep(2000);
  for (const one of Object.values(came)) Object.assign(one, { readings: 0, bytes: 0, messages: 0 });
  await sleep(seconds * 1000);
  child.kill('SIGKILL');
  return came;
}

for (const name of named.length > 0 ? named : ['W1', 'W2', 'W3']) {
  const bench = new Bench();
  try {
    for (const [form, { readings, bytes: all, messages }] of Object.entries(await cameOf(bench, workOf(name)))) {
      const bytes = all / readings;
      const many = (readings / messages).toFixed(0);
      const { most } = FORMS[form];
      const isOk = most === undefined || bytes <= most;
      const wanted = most === undefined ? '' : `, at most ${most} wanted: ${isOk ? 'ok' : 'FAIL'}`;
      if (!isOk) process.exitCode = 1;
      console.log(`${name}, ${form}: ${bytes.toFixed(2)} bytes of payload a reading, ${many} a message${wanted}`);
    }
  } finally {
    bench.end();
  }
}
process.exit();
