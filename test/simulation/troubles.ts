import type { Random } from '../../src/core/random.ts';
import { type Broker, type BrokerTrouble, CALM } from './broker.ts';
import { bytesIn, type DiskFault } from './disk.ts';
import type { World } from './world.ts';

/** Something that happens to the world at a time. */
export interface Happening {
  readonly atMs: number;
  readonly what: string;
  readonly act: (world: World) => void | Promise<void>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365.25 * 24 * HOUR_MS;

type Maker = (random: Random, atMs: number) => Happening[];

/** How often each kind comes up, by weight. */
const KINDS: readonly (readonly [number, Maker])[] = [
  [4, silence],
  [3, lostLine],
  [1, slowField],
  [7, brokerTrouble],
  [2, droppedLine],
  [2, poisoned],
  [4, diskTrouble],
  [2, stalledDisk],
  [4, powerCut],
  [2, restart],
  [3, reconfigured],
  [2, steppedClock],
];

/** Everything that happens during a run of `lengthMs`, in order. */
export function troublesOf(random: Random, lengthMs: number, hasFlips: boolean): Happening[] {
  const kinds = hasFlips ? [...KINDS, [3, flippedBit] as const] : KINDS;
  const total = kinds.reduce((sum, [weight]) => sum + weight, 0);
  const count = Math.round((lengthMs / HOUR_MS) * (1 + 2 * random()));
  const list: Happening[] = [];
  for (let index = 0; index < count; index++) {
    list.push(...pick(kinds, random() * total)(random, random() * lengthMs));
  }
  return list.filter(({ atMs }) => atMs < lengthMs).sort((a, b) => a.atMs - b.atMs);
}

/** The kind on which a dice of the sum of all weights fell. */
function pick(kinds: readonly (readonly [number, Maker])[], dice: number): Maker {
  let left = dice;
  for (const [weight, make] of kinds) {
    if (left < weight) return make;
    left -= weight;
  }
  return kinds[0]![1];
}

/** Mostly short, now and then long. */
function durationOf(random: Random, longestMs: number): number {
  return longestMs * random() ** 3 + MINUTE_MS / 6;
}

function silence(random: Random, atMs: number): Happening[] {
  const device = Math.floor(random() * 5);
  const how = random() < 0.7 ? 'timeout' : 'garbled';
  return [
    { atMs, what: `d${device} is silent (${how})`, act: ({ field }) => void field.silent.set(device, how) },
    {
      atMs: atMs + durationOf(random, HOUR_MS),
      what: `d${device} speaks again`,
      act: ({ field }) => void field.silent.delete(device),
    },
  ];
}

function lostLine(random: Random, atMs: number): Happening[] {
  const channel = `c${Math.floor(random() * 3)}`;
  return [
    { atMs, what: `${channel} is unplugged`, act: ({ field }) => void field.lost.add(channel) },
    {
      atMs: atMs + durationOf(random, HOUR_MS),
      what: `${channel} is back`,
      act: ({ field }) => void field.lost.delete(channel),
    },
  ];
}

function slowField(random: Random, atMs: number): Happening[] {
  const set = (ms: number) => (world: World) => {
    world.field.slownessMs = ms;
  };
  return [
    { atMs, what: 'the field is slow', act: set(8000) },
    { atMs: atMs + durationOf(random, HOUR_MS), what: 'the field is quick', act: set(80) },
  ];
}

function brokerTrouble(random: Random, atMs: number): Happening[] {
  const which = random();
  const troubles: readonly [string, Partial<BrokerTrouble>, number][] = [
    ['is down', { isDown: true }, HOUR_MS],
    ['is down for long', { isDown: true }, 16 * HOUR_MS],
    ['is down for longer', { isDown: true }, 32 * HOUR_MS],
    ['flaps', { dropShare: 0.2 }, HOUR_MS],
    ['never confirms', { muteShare: 1 }, HOUR_MS],
    ['loses messages', { loseShare: 0.3, muteShare: 0.2 }, HOUR_MS],
    ['is slow', { latencyMs: 9000 }, HOUR_MS],
    ['is taken over', { isTakenOver: true }, HOUR_MS],
    ['takes no readings', { denied: 'readings' }, HOUR_MS],
    ['takes no events', { denied: 'events' }, HOUR_MS],
    ['is over its quota', { refusesWith: 151 }, HOUR_MS],
    ['says only that something is wrong', { refusesWith: 128 }, HOUR_MS],
    ['hangs up on large packets', { packetBytes: 2000 }, 4 * HOUR_MS],
    ['is behind a proxy and away', { isBehindDeadProxy: true }, HOUR_MS],
  ];
  const [what, trouble, longestMs] = troubles[Math.floor(random() * troubles.length)]!;
  const change = (values: Partial<BrokerTrouble>) => (world: World) => {
    const broker = brokerOf(world, which);
    Object.assign(broker.trouble, values);
    if (values.isDown || values.isTakenOver || values.isBehindDeadProxy) broker.cutLine();
  };
  const before = Object.fromEntries(
    Object.keys(trouble).map((key) => [key, CALM[key as keyof BrokerTrouble]]),
  ) as Partial<BrokerTrouble>;
  return [
    { atMs, what: `the broker ${what}`, act: change(trouble) },
    { atMs: atMs + durationOf(random, longestMs), what: `the broker no longer ${what}`, act: change(before) },
  ];
}

function droppedLine(random: Random, atMs: number): Happening[] {
  const which = random();
  return [{ atMs, what: 'the line to the broker drops', act: (world) => brokerOf(world, which).cutLine() }];
}

function poisoned(random: Random, atMs: number): Happening[] {
  const which = random();
  const ahead = Array.from({ length: 1 + Math.floor(random() * 3) }, () => Math.floor(random() * 400));
  return [
    {
      atMs,
      what: 'some records are not to the taste of the broker',
      act: (world) => {
        const { poison } = brokerOf(world, which);
        for (const distance of ahead) poison.add(world.witness.head('readings') + distance);
      },
    },
  ];
}

function diskTrouble(random: Random, atMs: number): Happening[] {
  const isLong = random() < 0.4;
  const code = (['SQLITE_FULL', 'SQLITE_IOERR_FSYNC', 'SQLITE_IOERR_WRITE', 'SQLITE_READONLY'] as const)[
    Math.floor(random() * 4)
  ]!;
  const isDone = code === 'SQLITE_IOERR_FSYNC' && random() < 0.5;
  const times = isLong ? Number.POSITIVE_INFINITY : 1 + Math.floor(random() * 6);
  // Of two full disks one has room as soon as something goes; on the other somebody else takes what is freed.
  const share = code === 'SQLITE_FULL' && random() < 0.5 ? 0.7 + random() * 0.3 : undefined;
  const set = (fault: DiskFault | undefined) => (world: World) => {
    world.setFault(fault && share !== undefined ? { ...fault, roomBytes: bytesIn(world.folder) * share } : fault);
  };
  return [
    {
      atMs,
      what: `the disk says ${code} ${times} times${isDone ? ', after it wrote' : ''}${share === undefined ? '' : ', until something goes'}`,
      act: set({ code, isDone, times }),
    },
    {
      atMs: atMs + (isLong ? durationOf(random, HOUR_MS / 3) : 5 * MINUTE_MS),
      what: 'the disk is well',
      act: set(undefined),
    },
  ];
}

function stalledDisk(random: Random, atMs: number): Happening[] {
  const stall = (ms: number) => (world: World) => {
    world.stallMs = ms;
  };
  return [
    { atMs, what: 'the disk stalls', act: stall(1000 + random() * 60_000) },
    { atMs: atMs + durationOf(random, HOUR_MS), what: 'the disk is quick', act: stall(0) },
  ];
}

function powerCut(random: Random, atMs: number): Happening[] {
  const operations = random() < 0.15 ? undefined : Math.floor(random() ** 2 * 30);
  const offMs = durationOf(random, 2 * HOUR_MS);
  const again = random() < 0.25 ? Math.floor(random() * 25) : undefined;
  return [
    {
      atMs,
      what: `the power goes (${operations ?? 'now'}, ${again ?? 'once'})`,
      act: (world) => world.cutPower({ operations, offMs, again }),
    },
  ];
}

function reconfigured(random: Random, atMs: number): Happening[] {
  const devices = 2 + Math.floor(random() * 7);
  return [{ atMs, what: `now ${devices} devices, without a restart`, act: (world) => world.reconfigure(devices) }];
}

function restart(random: Random, atMs: number): Happening[] {
  const devices = 3 + Math.floor(random() * 3);
  return [{ atMs, what: `restarted with ${devices} devices`, act: (world) => world.restart(devices) }];
}

function steppedClock(random: Random, atMs: number): Happening[] {
  const byMs = Math.round((random() < 0.5 ? 20 * YEAR_MS : HOUR_MS) * (random() * 2 - 1));
  const step = (ms: number) => (world: World) => world.stepClock(ms);
  return [
    { atMs, what: `the clock steps by ${byMs} ms`, act: step(byMs) },
    { atMs: atMs + durationOf(random, HOUR_MS), what: 'the clock steps back', act: step(-byMs) },
  ];
}

function flippedBit(random: Random, atMs: number): Happening[] {
  const which = random();
  return [{ atMs, what: 'a bit flips', act: (world) => world.flip(which) }];
}

function brokerOf({ brokers }: World, which: number): Broker {
  return brokers[Math.floor(which * brokers.length)]!;
}
