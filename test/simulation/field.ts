import { type Driver, NotConnected, type ReadResult, type Tag } from '../../hal/driver.ts';
import type { DriverType } from '../../hal/driver-type.ts';
import type { ChannelConfig, DeviceConfig, TagConfig } from '../../src/config/config.ts';
import { instantOf } from '../../src/core/clock.ts';
import type { Random } from '../../src/core/random.ts';
import type { SimulatedClock } from '../../src/core/simulated-clock.ts';

/** Tags of every device, in the order of their index; each is decoded another way. */
const TAG_NAMES = ['count', 'level', 'label', 'total'] as const;
const SCALE = 0.1;
const DEVICES = 8;
const TAGS = TAG_NAMES.length;
const BIG = 2n ** 60n;
const TIMEOUT_MS = 1000;
const LABEL_PARTS = 150;

/** One answer of a device, as it was given. */
export interface Scan {
  readonly wallMs: number;
  readonly monoMs: number;
  readonly clockKnown: boolean;
  /** What the wall clock of that run shows beyond the monotonic one, once it is known; see `World`. */
  readonly offsets: readonly number[];
}

/** What a value on the wire must be: it names the device, the tag and the scan it came from. */
export function expectedOnWire(device: number, tag: string, scan: number): number | string {
  const raw = rawOf(device, TAG_NAMES.indexOf(tag as (typeof TAG_NAMES)[number]), scan);
  if (tag === 'level') return raw / 10;
  if (tag === 'label') return labelOf(raw);
  if (tag === 'total') return String(BIG + BigInt(raw));
  return raw;
}

/** The scan that a value on the wire came from. */
export function scanOf(tag: string, value: number | string): number {
  const raw =
    tag === 'level'
      ? Math.round(Number(value) * 10)
      : tag === 'label'
        ? Number(String(value).split(' ')[0])
        : tag === 'total'
          ? Number(BigInt(value) - BIG)
          : Number(value);
  return Math.floor(raw / (DEVICES * TAGS));
}

/** Index of a device by its name. */
export function deviceIndex(name: string): number {
  return Number(name.slice(1));
}

/** A text that does not compress, so that the store fills. */
function labelOf(raw: number): string {
  let text = `${raw} `;
  for (let part = 1; part <= LABEL_PARTS; part++) text += (Math.imul(raw + part, 0x9e3779b1 * part) >>> 0).toString(36);
  return text;
}

function rawOf(device: number, tag: number, scan: number): number {
  return scan * DEVICES * TAGS + device * TAGS + tag;
}

/** The machines of a plant. They outlive the gateway: what they count goes on whatever happens to it. */
export class Field {
  /** Devices that do not answer, and what their silence looks like. */
  readonly silent = new Map<number, 'timeout' | 'garbled'>();
  /** Channels that are not there. */
  readonly lost = new Set<string>();
  /** Answers take this long at most, ms. */
  slownessMs = 80;
  /** What each device answered, by scan. */
  readonly scans: Scan[][] = Array.from({ length: DEVICES }, () => []);
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /**
   * A line of the plant with these devices.
   *
   * @param world the clock of this boot; whether the gateway has power; and who hears of every answer
   */
  channel(name: string, devices: readonly { index: number; everyMs: number }[], world: FieldWorld): ChannelConfig {
    const driver = {
      type: 'simulated-field',
      simulated: false,
      estimate: () => ({ requests: [] }),
      create: () => this.driver(name, world),
    };
    return {
      name,
      driver: driver as unknown as DriverType,
      options: {},
      devices: devices.map(({ index, everyMs }) => deviceConfig(index, everyMs)),
    };
  }

  private driver(name: string, world: FieldWorld): Driver {
    const { clock } = world;
    const check = () => {
      if (this.lost.has(name)) throw new NotConnected(`${name}: the line is cut`);
    };
    return {
      concurrency: 1,
      connect: async (signal) => {
        await clock.sleep(20, signal);
        check();
      },
      plan: (tags) => [tags.filter((tag) => tag.name !== 'total'), tags.filter((tag) => tag.name === 'total')],
      read: async (tags, signal) => {
        const device = deviceIndex(tags[0]!.device);
        const silence = this.silent.get(device);
        await clock.sleep(silence === 'timeout' ? TIMEOUT_MS : 5 + this.random() * this.slownessMs, signal);
        check();
        const at = instantOf(clock);
        if (silence) return tags.map(() => ({ at, ok: false, why: silence }));
        return this.answer(device, tags, at, world);
      },
      close: async () => {},
    };
  }

  private answer(
    device: number,
    tags: readonly Tag[],
    at: ReturnType<typeof instantOf>,
    world: FieldWorld,
  ): readonly ReadResult[] {
    const scans = this.scans[device]!;
    const scan = scans.length;
    scans.push({ ...at, clockKnown: world.clock.known(), offsets: world.offsets });
    if (world.hasPower()) world.onAnswer(device, scan);
    const broken = this.random() < 0.01 ? tags[tags.length - 1] : undefined;
    return tags.map((tag) =>
      tag === broken && tags.length > 1
        ? { at, ok: false, why: 'sensor-failure' }
        : { at, ok: true, value: answerOf(device, tag.name, scan) },
    );
  }
}

/** What the field knows of the gateway that asks it. */
export interface FieldWorld {
  readonly clock: SimulatedClock;
  readonly hasPower: () => boolean;
  /** Grows when the clock becomes known, and with each of its steps after that. */
  readonly offsets: readonly number[];
  readonly onAnswer: (device: number, scan: number) => void;
}

function answerOf(device: number, tag: string, scan: number): number | string | bigint {
  const raw = rawOf(device, TAG_NAMES.indexOf(tag as (typeof TAG_NAMES)[number]), scan);
  if (tag === 'label') return labelOf(raw);
  if (tag === 'total') return BIG + BigInt(raw);
  return raw;
}

function deviceConfig(index: number, everyMs: number): DeviceConfig {
  const device = `d${index}`;
  const tags = TAG_NAMES.map(
    (name): TagConfig => ({
      tag: { id: `${device}/${name}`, device, name, address: undefined },
      everyMs,
      scale: name === 'level' ? SCALE : 1,
      offset: 0,
      ...{ unit: undefined, deadband: undefined, heartbeatMs: undefined, min: undefined, max: undefined },
      ...{ counter: false, writable: undefined, description: undefined },
    }),
  );
  return { name: device, profile: undefined, tags };
}
