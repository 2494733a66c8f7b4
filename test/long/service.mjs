// The package in the lab: node test/long/service.mjs PACKAGE [--old PACKAGE] [ROW…]   see scripts/service-test
// Prints a table; exits 1 when a row fails.
import { loadavg } from 'node:os';
import { basename, dirname } from 'node:path';
import {
  account,
  Bench,
  freePort,
  guest,
  outage,
  sleep,
  startMachine,
  startSlave,
  status,
  until,
  vm,
  Witness,
} from './service-lab.mjs';

const args = process.argv.slice(2);
const oldAt = args.indexOf('--old');
const [, old] = oldAt === -1 ? [] : args.splice(oldAt, 2);
const [candidate, ...asked] = args;
const wanted = asked.length > 0 ? asked : ['install', 'faults', 'board', 'loop', 'cuts', 'upgrade', 'clock', 'remove'];
const cuts = Number(process.env.CUTS ?? 10);
const loopMs = Number(process.env.LOOP_S ?? 600) * 1000;

const bench = new Bench();
const witness = new Witness();
let failed = 0;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
function row(name, ok, text) {
  if (!ok) failed++;
  // An emulated machine is as slow as its host is busy.
  console.log(`${ok ? 'ok  ' : 'FAIL'} | ${name.padEnd(44)} | ${text} (host load ${loadavg()[0].toFixed(0)})`);
}

/** Serial line back to back, pins and sensor, and a simulated load beside them. */
const configuration = (port) => `
gateway: {id: lab}
channels:
  line-a: {driver: modbus-rtu, port: /dev/ttyS1, baud: 9600, parity: none, timeout: 500ms}
  pins: {driver: gpio, chip: labsim}
  sensors: {driver: i2c, bus: 1}
  sim: {driver: mock, seed: 7}
devices:
  meter: {channel: line-a, unit: 1, every: 200ms, tags: {a: {address: "holding:10", type: uint16}, parts: {address: "holding:101", type: uint16, counter: true}}}
  door: {channel: pins, tags: {open: {address: lab0}, pulses: {address: lab1, counter: true, edge: rising, every: 1s}}}
  oil: {channel: sensors, unit: 0x48, chip: tmp102, every: 500ms}
  load: {channel: sim, every: 100ms, tags: {${Array.from({ length: 20 }, (_, tag) => `t${tag}: {address: "sine(min=0,max=${tag + 1},period=60s)"}`).join(', ')}}}
alarms:
  always: {tag: load/t0, above: 0.5, message: "{value}"}
store: {path: /var/lib/millgate, maxSize: 500MB}
uplinks: {plant: {type: mqtt, url: "mqtt://10.0.2.2:${port}"}}
`;

const property = (name) => guest(`systemctl show -P ${name} millgate`);
const pid = async () => Number(await property('MainPID'));
async function settled(name, text) {
  const { ok, text: accounted } = await account(witness);
  row(name, ok, `${text}; ${accounted}`);
}

async function install(slave, port) {
  await vm('push', dirname(candidate), '/root/packages');
  console.log(await guest(`dpkg -i /root/packages/${basename(candidate)}`));
  const tree = '/var/lib/millgate /data/millgate';
  console.log(
    await guest(
      `mkdir -p ${tree} && grep -q /data/millgate /etc/fstab || echo '/data/millgate /var/lib/millgate none bind,x-systemd.requires-mounts-for=/data,nofail 0 0' >>/etc/fstab; systemctl daemon-reload; mount /var/lib/millgate; chown millgate: ${tree}; chmod 750 ${tree}`,
    ),
  );
  await vm(
    'ssh',
    `cat >/etc/millgate/millgate.yaml <<'END'\n${configuration(port)}\nEND\nsystemctl restart millgate; sync`,
  );
  await until('the first question', () => slave.count > 0, 60_000);
  let now;
  const connected = () => (now?.channels ?? []).filter(({ state }) => state === 'connected').length;
  const isUp = async () => {
    now = await status();
    return connected() === 4;
  };
  await until('all channels', isUp, 120_000, 1000).catch(() => {});
  const user = await guest(`ps -o user=,rss= -p ${await pid()}`);
  const live = JSON.parse(await guest('millgate read --json meter/a door/open oil/temperature'));
  const values = (live.readings ?? live).map((reading) => `${reading.tag}=${reading.value ?? reading.why}`).join(' ');
  const good = connected();
  row(
    'installs; runs as its user; real UART, GPIO, I²C',
    good === 4 && user.startsWith('millgate'),
    `${good} of 4 channels connected; ${values}; user and RSS (kB): ${user.replace(/ +/g, ' ')}`,
  );
  await vm('gpio', '0', '1');
  await sleep(1500);
  const open = await guest('millgate read --json door/open');
  row('a pin pulled up outside is seen', /true|"value": ?1/.test(open), open.replace(/\s+/g, ' ').slice(0, 120));
  const security = await guest('systemd-analyze security --no-pager millgate.service | tail -1');
  row('systemd-analyze security ≤ 2.0', Number(/: ([\d.]+)/.exec(security)?.[1]) <= 2, security.trim());
  row(
    'the journal has priorities',
    Number(await guest('journalctl -u millgate -p warning -o cat | wc -l')) <
      Number(await guest('journalctl -u millgate -o cat | wc -l')),
    'fewer lines at warning than in all',
  );
}

/** Does something to the running process and waits until polling goes on. */
async function fault(name, slave, harm) {
  await until('polling', () => performance.now() - slave.lastMs < 500, 60_000);
  await sleep(4000);
  const before = await pid();
  const [, silentMs] = await Promise.all([harm(before), outage(slave)]);
  const after = await pid();
  row(
    name,
    silentMs <= 20_000 && after !== before && after > 0,
    `no questions for ${seconds(silentMs)}; ${await property('NRestarts')} restarts so far`,
  );
}

async function faults(slave) {
  const poke = (where, expression) => async (id) => {
    await vm('push', 'test/long', '/root/poke');
    await vm(
      'ssh',
      `kill -USR1 ${id}; sleep 2; timeout 15 /usr/lib/millgate/bin/node /root/poke/inspector.mjs ${where} '${expression}' </dev/null >/dev/null 2>&1 &`,
    );
  };
  await fault('kill -9', slave, (id) => vm('ssh', `kill -9 ${id}`));
  await fault('stopped (SIGSTOP)', slave, (id) => vm('ssh', `kill -STOP ${id}`));
  await fault('event loop blocked', slave, poke('main', 'for(;;);'));
  await fault('store thread hung', slave, poke('worker', 'for(;;);'));
  await fault('store thread ended', slave, poke('worker', 'process.exit(1)'));
  await settled('nothing lost in the faults', 'five faults');
}

async function loop() {
  const endMs = performance.now() + loopMs;
  let kills = 0;
  while (performance.now() < endMs) {
    await guest('kill -9 $(systemctl show -P MainPID millgate)');
    kills++;
    await sleep(3000 + Math.random() * 4000);
  }
  await until('the service', async () => (await property('ActiveState')) === 'active', 60_000, 500);
  await settled(
    `crash loop of ${loopMs / 60_000} min`,
    `${kills} kills, ${await property('NRestarts')} restarts, ${await property('ActiveState')}`,
  );
}

async function powerCuts(slave) {
  const all = [];
  for (let cut = 1; cut <= cuts; cut++) {
    await sleep(3000 + Math.random() * 6000);
    await vm('cut');
    const onMs = performance.now();
    const booted = await startMachine();
    await until('polling', () => slave.lastMs > onMs, 180_000);
    const first = slave.firstAfter(onMs) - onMs;
    all.push({ firstMs: first, boot: Number(/up after ([\d.]+)/.exec(booted)?.[1] ?? Number.NaN) * 1000 });
    console.log(`     cut ${cut}: polling ${seconds(first)} after power; ssh ${booted}`);
  }
  const worst = Math.max(...all.map(({ firstMs }) => firstMs));
  const boots = all.map(({ boot }) => boot).filter(Number.isFinite);
  const text = `worst ${seconds(worst)} from power to the first question; ssh answered after ${seconds(Math.min(...boots))} to ${seconds(Math.max(...boots))}`;
  row(`polls within 60 s of power, ${cuts} cuts`, worst <= 60_000, text);
  await settled(`ledger after ${cuts} power cuts`, `${cuts} cuts`);
}

async function upgrade(slave) {
  if (!old) return row('upgrade and downgrade', false, 'no --old PACKAGE was given');
  await vm('push', dirname(old), '/root/old');
  for (const [name, file] of [
    ['downgrade', `/root/old/${basename(old)}`],
    ['upgrade', `/root/packages/${basename(candidate)}`],
  ]) {
    const [text, silentMs] = await Promise.all([
      guest(`dpkg --force-downgrade -i ${file}; dpkg-query -f '\${Version}' -W millgate`),
      outage(slave, 300_000, 2500),
    ]);
    await sleep(5000);
    const now = await status();
    const version = text.split('\n').at(-1);
    await settled(
      `${name} under load`,
      `to ${version}, ${now?.store?.epoch?.slice(0, 8)}; no questions for ${seconds(silentMs)}`,
    );
  }
}

/** What a board differs in: another file without a restart, a read-only root, a library that cannot be loaded. */
async function board(slave) {
  const before = await pid();
  const [, silentMs] = await Promise.all([
    guest(
      `sed -i 's/^  meter: .*/&\\n  other: {channel: sim, every: 1s, tags: {x: {address: "sine(min=0,max=1,period=60s)"}}}/' /etc/millgate/millgate.yaml; systemctl reload millgate`,
    ),
    longestSilence(slave, 15_000),
  ]);
  const read = await guest('millgate read --json other/x');
  const isSame = before === (await pid());
  row(
    'systemctl reload: a device more, no restart',
    isSame && silentMs < 2000 && /"quality": ?"good"/.test(read),
    `${isSame ? 'the same process' : 'another process'}; longest time between questions ${seconds(silentMs)}; other/x ${/good/.exec(read) ?? read.slice(0, 80)}`,
  );

  await guest('systemctl stop systemd-journald; mount -o remount,ro /; systemctl start systemd-journald');
  const mounted = await guest('findmnt -no OPTIONS /');
  await guest('systemctl restart millgate');
  await until('polling', () => performance.now() - slave.lastMs < 500, 60_000);
  await sleep(15_000);
  const answer = await guest(
    'cp /etc/millgate/millgate.yaml /run/new.yaml; echo "# other" >>/run/new.yaml; millgate apply /run/new.yaml',
  );
  const { ok, text } = await account(witness);
  row(
    'root mounted read-only',
    ok && mounted.startsWith('ro'),
    `/ is ${mounted.slice(0, 2)}; ${text}; apply says: ${answer.split('\n').at(-1).slice(0, 120)}`,
  );
  await guest('mount -o remount,rw /');

  await guest('mv /usr/lib/millgate/node_modules/koffi /root/koffi.away; systemctl restart millgate');
  const restarts = await property('NRestarts');
  await sleep(30_000);
  const state = await property('ActiveState');
  row(
    'told to systemd without the native library',
    state === 'active' && restarts === (await property('NRestarts')) && performance.now() - slave.lastMs < 1000,
    `${state} 30 s later, watchdog fed by systemd-notify`,
  );
  await guest('mv /root/koffi.away /usr/lib/millgate/node_modules/koffi; systemctl restart millgate');
  await settled('nothing lost on the board', 'three restarts');
}

/** The longest time between two questions within `ms`. */
async function longestSilence(slave, ms) {
  const endMs = performance.now() + ms;
  let longest = 0;
  while (performance.now() < endMs) {
    longest = Math.max(longest, performance.now() - slave.lastMs);
    await sleep(20);
  }
  return longest;
}

async function clock(slave) {
  await vm('stop');
  const beforeMs = Date.now();
  await startMachine('--rtc', '2020-01-01T00:00:00');
  await until('polling', () => performance.now() - slave.lastMs < 500, 120_000);
  const first = await status();
  const shown = await guest('date -u +%FT%TZ');
  await sleep(8000);
  await vm(
    'ssh',
    `date -u -s @${(Date.now() / 1000).toFixed(3)} && mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized`,
  );
  await sleep(15_000);
  const { text, ok } = await account(witness);
  const { epoch } = first.store;
  const records = [...witness.of(epoch, 'readings')]
    .filter(([seq]) => seq >= first.store.next.readings)
    .sort(([a], [b]) => a - b);
  const stamps = records.map(([, { content }]) => content.t);
  const wrong = stamps.filter((t) => t < beforeMs || t > Date.now() + 1500).length;
  const unsynced = records.filter(([, { content }]) => content.clock === 'unsynced').length;
  const last = new Map();
  let backwards = 0;
  for (const [, { content }] of records) {
    if (content.t < (last.get(content.device) ?? 0)) backwards++;
    last.set(content.device, content.t);
  }
  row(
    'clock in the past, then stepped',
    ok && wrong === 0 && backwards === 0 && stamps.length > 0,
    `guest showed ${shown}; ${stamps.length} records: ${wrong} stamped wrong, ${backwards} backwards, ${unsynced} unsynced; ${text}`,
  );
}

/** Installs twice, removes, installs again and purges: what stays and what goes. */
async function remove() {
  const file = `/root/packages/${basename(candidate)}`;
  const there = async () =>
    guest('ls -d /etc/millgate/millgate.yaml /var/lib/millgate/meta.db /usr/lib/millgate 2>/dev/null | wc -l');
  const again = await guest(
    '/var/lib/dpkg/info/millgate.postinst configure "" >/dev/null && systemctl is-active millgate',
  );
  row('its scripts may run twice', again.endsWith('active'), again.split('\n').at(-1));
  await guest('dpkg -r millgate');
  const kept = await there();
  row('remove keeps configuration and readings', kept === '2', `${kept} of 2 are there, the program is gone`);
  await guest(`dpkg -i ${file}`);
  await until('polling after it is back', async () => (await property('ActiveState')) === 'active', 120_000, 1000);
  await settled('installed again, numbers go on', 'after remove and install');
  // The second disk is mounted there in this test.
  await guest(
    'systemctl stop millgate; cp -a /var/lib/millgate /tmp/kept; umount /var/lib/millgate; cp -a /tmp/kept/. /var/lib/millgate; dpkg -P millgate',
  );
  const left = await guest(
    'ls -d /etc/millgate /var/lib/millgate /usr/lib/millgate /etc/default/millgate 2>/dev/null | wc -l',
  );
  row('purge removes them', left === '0', `${left} are left`);
}

process.once('SIGINT', async () => {
  bench.end();
  await vm('stop').catch(() => {});
  process.exit(130);
});
const rows = { install, faults, board, loop, cuts: powerCuts, upgrade, clock, remove };
try {
  const port = Number(process.env.BROKER_PORT ?? (await freePort()));
  await bench.broker(port);
  await witness.start(port);
  const slave = startSlave(bench);
  if (wanted.includes('install')) console.log(await startMachine('--fresh', '--disk', process.env.DISK ?? 'volatile'));
  for (const name of wanted) await rows[name](slave, port);
} catch (error) {
  row('the test itself', false, error.message);
} finally {
  await vm('stop').catch(() => {});
  bench.end();
}
process.exit(failed > 0 ? 1 : 0);
