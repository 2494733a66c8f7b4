import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigurationFacts, DiskFacts, Facts, MachineFacts, ServiceFacts } from '../../src/doctor/facts.ts';
import { judge } from '../../src/doctor/judge.ts';
import { storeDropIn } from '../../src/doctor/store-checks.ts';
import type { LedgerEntry, LossCause } from '../../src/store/store.ts';
import { SIX } from '../double/fake-gateway.ts';
import { healthy, running } from './double/healthy.ts';

/** `severity where: cause → remedy` of everything found, in order. */
function found(over: Partial<Facts>): string[] {
  return judge(healthy(over)).findings.map(
    ({ severity, where, cause, remedy }) => `${severity} ${where}: ${cause} → ${remedy}`,
  );
}

const well = healthy();
const configuration = (over: Partial<ConfigurationFacts>) => ({ configuration: { ...well.configuration, ...over } });
const machine = (over: Partial<MachineFacts>) => ({ machine: { ...well.machine, ...over } });
const service = (over: Partial<ServiceFacts>) => ({ service: { ...well.service!, ...over } });
const disk = (over: Partial<DiskFacts>) => ({ disk: { ...well.disk!, ...over } });
const gateway = (over: Partial<NonNullable<Facts['running']>['status']>) => {
  const now = running(well.channels);
  return { running: { ...now, status: { ...now.status, ...over } } };
};
const stopped = { running: undefined, silence: { cause: 'no gateway answers on /run/x', isForbidden: false } };

describe('a store that the sandbox of the service closes', () => {
  it.each(['/mnt/ssd/millgate', '/media/usb', '/srv/millgate', '/data/store', '/var/lib/millgate-2'])(
    '%s is broken',
    (path) => {
      expect(found(disk({ path }))).toEqual([
        expect.stringMatching(/^broken store: the service may not write.*doctor --fix/),
      ]);
    },
  );

  it('is open by its own folder, by a drop-in, and where the file is not the one of a service', () => {
    const path = '/mnt/ssd/millgate';
    expect(found(disk({ path: '/var/lib/millgate/store' }))).toEqual([]);
    expect(found({ ...disk({ path }), ...service({ writable: ['/etc/millgate', '/mnt/ssd'] }) })).toEqual([]);
    expect(found({ ...disk({ path }), ...service({ isInstalled: false }) })).toEqual([]);
  });

  it('is opened by a drop-in that leaves the other closed folders closed', () => {
    const example = readFileSync(join(import.meta.dirname, '../../systemd/examples/store.conf'), 'utf8');
    expect(storeDropIn('/mnt/ssd/millgate')).toBe(example);
    expect(example).toMatch(/^InaccessiblePaths=-\/boot -\/media -\/srv /m);
    expect(storeDropIn('/data/store')).not.toContain('InaccessiblePaths');
    expect(storeDropIn('/home/ann/store')).toContain('ProtectHome=no');
  });
});

it('nothing is found where nothing is wrong, and what is well is said', () => {
  const { findings, well: looks, unseen } = judge(well);
  expect(findings).toEqual([]);
  expect(unseen).toEqual([]);
  expect(looks.map(({ where, saw }) => `${where}: ${saw}`)).toEqual([
    '/etc/millgate/millgate.yaml: valid, and what runs',
    'gateway: version 0.1.0, up 1h 15m, 84 MB memory',
    'line-a: /dev/serial/by-id/usb-FTDI_A10 connected, 2 devices, line in use 30 %',
    'store: 1.2 GB of 2 GB used, 20 GB free on /, about 120 days of outage fit, about 600 MB written a day',
    'clock: synchronised, Europe/London',
    'power: never below 4.63 V since the board started',
    'plant: broker.plant.lan:8883 answers',
    'millgate.service: active, enabled, never restarted by systemd',
  ]);
});

describe('the configuration', () => {
  it.each([
    [
      'is not valid',
      { isValid: false, errors: 2, firstError: 'line 3, x: y' },
      /^broken .*2 problems: line 3, x: y → millgate check/,
    ],
    [
      'was changed and not applied',
      { hash: 'abc' },
      /^warning .*changed and not applied → .*millgate diff .*; millgate apply/,
    ],
    [
      'is not the one that runs',
      { hash: 'abc', file: '/tmp/x.yaml' },
      /^warning .*runs another file, \/etc\/.* → Name that one/,
    ],
    [
      'has a secret that all may read',
      { openSecrets: ['/etc/x'] },
      /^warning \/etc\/x: .* → sudo chmod o-rwx \/etc\/x/,
    ],
    [
      'is gone under the gateway',
      { isThere: false },
      /^warning .*the file is gone; the gateway runs on with configuration \w+, but .* → Put the file back\. /,
    ],
    ['has a warning', { warnings: ['line 3: no device is on this channel'] }, /^hint .*no device is on this channel/],
  ])('%s', (_name, over, expected) => {
    expect(found(configuration(over))).toEqual([expect.stringMatching(expected)]);
  });

  it('is another than the one on trial, which is said with the way to keep it or to end it', () => {
    const { config } = running(well.channels).status;
    const pending = {
      ...({ hash: 'def', how: 'apply', by: 'command line', sinceMs: SIX, awaits: 'confirmation' } as const),
      ...{ confirmByMs: SIX, devices: [], changes: [] },
    };
    const onTrial = { ...gateway({ config: { ...config, pending } }), ...configuration({ hash: 'abc' }) };
    expect(found(onTrial)).toEqual([
      expect.stringMatching(
        /^hint .* is on trial until \S+Z, .* → To keep it: millgate confirm\. .*millgate rollback$/,
      ),
    ]);
  });
});

describe('the gateway', () => {
  it.each([
    [
      'is of another version',
      gateway({ version: '0.0.9' }),
      /^warning gateway: .*version 0\.0\.9, this program 0\.1\.0/,
    ],
    ['runs simulated', gateway({ simulated: true }), /^warning gateway: .*every value is made up/],
    ['uses much memory', gateway({ rssBytes: 300e6 }), /^warning gateway: the gateway uses 300 MB/],
    [
      'has a twin',
      { otherGateways: [{ pid: 9, command: 'millgate run' }] },
      /^hint gateway: another gateway runs, too: process 9/,
    ],
    [
      'does not let this user in',
      { ...stopped, silence: { cause: 'x', isForbidden: true } },
      /^broken .* → sudo usermod -aG millgate/,
    ],
    ['hangs', stopped, /^broken gateway: the service runs, but no gateway answers on its socket → See its log/],
  ])('%s', (_name, over, expected) => {
    expect(found(over)).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
  });
});

describe('the machine', () => {
  it.each([
    ['has too little voltage', machine({ throttled: 0x50005 }), /^broken power: the supply is below 4\.63 V now/],
    [
      'had too little voltage',
      machine({ throttled: 0x50000 }),
      /^warning power: .*at some time since the board started/,
    ],
    ['is hot', machine({ throttled: 0x4 }), /^warning power: the processor is slowed down/],
    ['has no time', gateway({ clockKnown: false }), /^broken clock: .*unsynced/],
    ['has no time service', machine({ isTimeServiceOn: false }), /^warning clock: .* → sudo timedatectl set-ntp true/],
    ['waits for its time', machine({ isClockSynchronized: false }), /^warning clock: .*no time server answered/],
    [
      'is in another zone',
      machine({ timezone: 'Etc/UTC' }),
      /^hint clock: .* → sudo timedatectl set-timezone Europe\/London/,
    ],
    ['has little memory', machine({ availableMemoryBytes: 20e6 }), /^warning machine: 20 MB of 4 GB memory are left/],
  ])('%s', (_name, over, expected) => {
    expect(found(over)).toEqual([expect.stringMatching(expected)]);
  });
});

describe('the service', () => {
  it.each([
    [
      'does not run',
      { ...service({ isActive: false, result: 'exit-code' }), ...stopped },
      /^broken .*\(exit-code\) → sudo systemctl start/,
    ],
    [
      'is not enabled',
      service({ isEnabled: false }),
      /^warning .*after the next boot .* → sudo systemctl enable millgate/,
    ],
    ['was started again', service({ restarts: 4 }), /^warning .*4 times → .*journalctl -u millgate -p warning/],
    ['has no watchdog', service({ hasWatchdog: false }), /^hint .*no watchdog/],
  ])('%s', (_name, over, expected) => {
    expect(found(over)).toEqual([expect.stringMatching(expected)]);
  });
});

describe('the store', () => {
  const entry = (cause: LossCause, hoursAgo: number, count = 40): LedgerEntry => ({
    ...{ id: 1, stream: 'readings', from: 1, to: 1 + count, count, cause, enteredWallMs: SIX - hoursAgo * 3_600_000 },
  });

  it.each([
    [
      'on a full disk',
      disk({ freeBytes: 10e6 }),
      /^broken store: 10 MB are free on \/, .* → Make room: sudo du -xh \//,
    ],
    ['on a disk without inodes', disk({ freeInodes: 3 }), /^broken store: \/ has 3 of 2000000 inodes left/],
    ['on a read-only disk', disk({ isReadOnly: true }), /^broken store: .*read-only → sudo mount -o remount,rw \//],
    [
      'larger than the disk',
      disk({ freeBytes: 500e6 }),
      /^warning store: .*may grow to 2 GB, .* → Write store: \{maxSize: 1\.6GB\}/,
    ],
    [
      'for a short outage',
      disk({ outageDays: 0.5 }),
      /^hint store: .*about 12 hours .* → Write store: \{maxSize: 12GB\}/,
    ],
    [
      'that wears a card',
      disk({ writtenBytesPerDay: 5e9 }),
      /^hint store: about 5 GB a day .* → Write store: \{commitEvery: 10s\}/,
    ],
    [
      'of another user',
      disk({ access: { uid: 0, gid: 0, group: 'root', mode: 0o40755 } }),
      /^broken store: .*may not be written by user millgate → sudo chown -R millgate: \/var\/lib\/millgate/,
    ],
    [
      'that is held',
      {
        ...stopped,
        ...service({ isInstalled: false, isActive: false }),
        ...disk({ trouble: 'store /x: in use by process 7. Stop it first.' }),
      },
      /^broken store: .*in use by process 7 → Stop it first\./,
    ],
  ])('%s', (_name, over, expected) => {
    expect(found(over)).toEqual([expect.stringMatching(expected)]);
  });

  it.each(['evicted', 'quarantined', 'corrupt', 'memory-full', 'skipped'] as const)(
    'with losses of the last day: %s',
    (cause) => {
      const ledger = [entry(cause, 1), entry(cause, 23), entry(cause, 25)];
      expect(found({ running: running(well.channels, { ledger }) })).toEqual([
        expect.stringMatching(/^warning store: 80 records of the last 24 hours are lost: .* → .{20}/),
      ]);
    },
  );

  it('whose numbers do not add up', () => {
    const now = running(well.channels);
    const accounts = now.status.store.accounts.map((each) => ({ ...each, unexplained: [{ from: 5, to: 8 }] }));
    const store = { ...now.status.store, accounts };
    expect(found(gateway({ store }))[0]).toMatch(/^broken store: numbers cannot be accounted for: readings 5–7/);
  });

  it('that takes no commits', () => {
    const store = { ...running(well.channels).status.store, trouble: 'disk I/O error' };
    expect(found(gateway({ store }))[0]).toMatch(/^broken store: commits fail: disk I\/O error/);
  });
});

describe('an uplink', () => {
  const uplink = running(well.channels).status.uplinks[0]!;
  const up = (over: object) => gateway({ uplinks: [{ ...uplink, ...over }] });
  const broker = (over: object) => ({ brokers: [{ ...well.brokers[0]!, ...over }] });

  it('that is not connected says why, and gets a command where the remedy is a question', () => {
    const reason = 'broker.plant.lan:8883 refuses connections. Is the broker running, and is the port right?';
    expect(found(up({ state: 'waiting', reason, sinceMs: SIX - 90_000, pendingRecords: 5400 }))).toEqual([
      'broken plant: broker.plant.lan:8883 refuses connections; 5401 records and events wait, not connected for 1m 30s → ' +
        'Is the broker running, and is the port right? Try it from here: nc -vz broker.plant.lan 8883',
    ]);
  });

  it('whose id another client has', () => {
    const reason = 'another client with the id "press" took the session over. Give each gateway an id of its own.';
    expect(found(up({ state: 'waiting', reason }))[0]).toMatch(/→ Give each gateway an id of its own\.$/);
  });

  it('that does not hold', () => {
    expect(found(up({ sessions: 20 }))[0]).toMatch(/^warning plant: 20 sessions in 1h 15m/);
  });

  it('whose stream is refused says why, and names no second client for the sessions that were ended over it', () => {
    const reason = 'readings wait: 10.0.0.9:1883 closes the connection on a message to millgate/press/readings';
    expect(found(up({ sessions: 20, reason }))).toEqual([
      `warning plant: ${reason} → Look at the broker's access list and its log`,
    ]);
  });

  it.each([
    [9000, 9000, /^warning plant: the backlog does not shrink: 9000 records waited, 2s later 9000/],
    [9000, 8000, /^hint plant: 8000 records still wait, 1000 fewer than 2s before, caught up in about 20s/],
    [90, 90, undefined],
  ])('with a backlog of %i and then %i records', (then, now, expected) => {
    const { running: later } = up({ pendingRecords: now, catchUpSeconds: 20 });
    const { running: sooner } = up({ pendingRecords: then });
    const before = { ...sooner.status, nowMs: SIX - 2000 };
    expect(found({ running: { ...later, before } })).toEqual(expected ? [expect.stringMatching(expected)] : []);
  });

  it.each([
    [30, 'hint'],
    [14, 'hint'],
    [7, 'warning'],
    [0, 'broken'],
    ['not-yet', 'broken'],
  ])('whose certificate is at stage %s', (stage, severity) => {
    const message = 'tls.cert gw.crt expires on 2026-12-01, in 8 days. Renew it in time.';
    expect(found(broker({ certificates: [{ stage, message }] }))).toEqual([
      `${severity} plant: tls.cert gw.crt expires on 2026-12-01, in 8 days → Renew it in time.`,
    ]);
  });

  it('whose broker refuses a stopped gateway', () => {
    const trouble =
      'b:1883 refused the user "x" or its password. Check username, and the password\'s file or variable.';
    const over = { ...stopped, ...service({ isInstalled: false, isActive: false }), ...broker({ trouble }) };
    expect(found(over)).toEqual([
      expect.stringMatching(/^broken plant: b:1883 refused the user "x" or its password → Check/),
    ]);
  });
});

describe('the page', () => {
  const page = (leftDays: number, isSelfSigned = false) => {
    const endsMs = well.running!.status.nowMs + leftDays * 86_400_000;
    const certificate = { isSelfSigned, fingerprint: 'AB:CD', endsMs, names: ['gw'], file: '/etc/millgate/api.crt' };
    return gateway({ api: { address: 'https://0.0.0.0:8420', certificate } });
  };

  it('has its address and the fingerprint of its certificate among what is well', () => {
    const { well: looks } = judge(healthy(page(100, true)));
    expect(looks.find(({ where }) => where === 'api')?.saw).toMatch(
      /^https:\/\/0\.0\.0\.0:8420, self-signed until 20\d\d-\d\d-\d\d, SHA-256 AB:CD$/,
    );
  });

  it.each([
    [31, []],
    [29, ['hint']],
    [6, ['warning']],
    [-1, ['broken']],
  ])('whose certificate ends in %i days', (days, severities) => {
    expect(judge(healthy(page(days))).findings.map(({ severity }) => severity)).toEqual(severities);
    expect(judge(healthy(page(days, true))).findings).toEqual([]);
  });
});

it('what to do first comes first: causes before what they cause, the broken before the rest', () => {
  const all = found({
    ...configuration({ isValid: false, errors: 1, firstError: 'x' }),
    ...machine({ throttled: 1, timezone: 'Etc/UTC' }),
    ...disk({ freeInodes: 1, outageDays: 1 }),
    ...service({ isEnabled: false }),
  });
  expect(all.map((text) => text.split(':')[0])).toEqual([
    'broken /etc/millgate/millgate.yaml',
    'broken power',
    'broken store',
    'warning millgate.service',
    'hint store',
    'hint clock',
  ]);
});

it('what could not be looked at is said, not guessed', () => {
  const unknown = { isClockSynchronized: undefined, isTimeServiceOn: undefined, throttled: undefined };
  const { unseen } = judge(
    healthy({ ...stopped, ...machine(unknown), service: undefined, ...disk({ unseen: 'no right' }) }),
  );
  expect(unseen.map(({ where }) => where)).toEqual(['error statistics', 'clock', 'service', 'store']);
});
