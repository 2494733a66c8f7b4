import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../src/config/config.ts';
import type { AlarmConfig } from '../../src/core/alarm.ts';
import { type Logger, silentLogger } from '../../src/core/log.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import { type RunningGateway, startGateway } from '../../src/gateway/gateway.ts';
import { segmentBytesOf } from '../../src/store/repair/recover.ts';
import type { Store } from '../../src/store/store.ts';
import { openLocalStore } from '../../src/store/thread/open.ts';
import { openSized } from '../../src/store/write/rotate.ts';
import { Broker, type BrokerKind } from './broker.ts';
import { closedSegments, type DiskFault, flipBit, removeFolder, SimulatedDisk } from './disk.ts';
import { Field } from './field.ts';
import { recovered, witnessed } from './stored.ts';
import { Witness } from './witness.ts';

/** How one world differs from another beside its seed. */
export interface WorldOptions {
  readonly seed: number;
  /** Where its stores lie; best in memory. */
  readonly place: string;
  readonly uplinks: number;
  readonly maxBytes: number;
  readonly heldRecords: number;
  readonly commitEveryMs: number;
  /** Scan period of the devices is this times 1, 2 or 4. */
  readonly everyMs: number;
  readonly backfillRate: number;
  /** With time more and more devices have an alarm that toggles with every scan: all of them after so long, ms. */
  readonly alarmedMs?: number;
  readonly log?: Logger;
}

/** How a power cut goes. */
export interface PowerCut {
  /** After so many operations of the disk, in the middle of one; undefined: at once, between two. */
  readonly operations: number | undefined;
  readonly offMs: number;
  /** Cut again, after so many operations of starting up. */
  readonly again: number | undefined;
}

/** The gateway between two power cuts. */
interface Boot {
  readonly clock: SimulatedClock;
  readonly startedMs: number;
  readonly disk: SimulatedDisk;
  readonly folder: string;
  store: Store | undefined;
  gateway: RunningGateway | undefined;
  isOver: boolean;
  /** What the wall clock showed beyond the monotonic one when it became known, and after each step since. */
  readonly offsets: number[];
}

const START_MS = Date.UTC(2025, 10, 24, 6);
const UNSET_CLOCK_MS = Date.UTC(1970, 0, 1);
const WEEKEND_MS = 62 * 3_600_000;
const DECADES_MS = 30 * 365 * 86_400_000;

/** How long a disk in trouble goes on to refuse a gateway that starts on it, ms. */
const DISK_TROUBLE_MS = 200_000;
/** While a power cut is awaited the world moves in steps of this, ms. */
const STEP_MS = 250;

/** The disk is used at least this often, so that an awaited power cut comes. */
const CUT_DEADLINE_MS = 180_000;

/** An uncommitted record may be this much older than the commit interval: the time a commit takes. */
const COMMIT_SLACK_MS = 2000;

/** After trouble commits wait up to this long before they are tried again. */
const AFTER_TROUBLE_MS = 25_000;

/** A plant, a broker or two, a disk and a gateway that is started, stopped and robbed of its power. */
export class World {
  readonly options: WorldOptions;
  readonly random: Random;
  readonly field: Field;
  readonly witness: Witness;
  readonly brokers: Broker[];
  stallMs = 0;
  flips = 0;
  refusals = 0;
  boots = 0;
  cuts = 0;
  changes = 0;
  private boot!: Boot;
  private devices = 4;
  private troubledMs = Number.NEGATIVE_INFINITY;
  private fault: DiskFault | undefined;
  private readonly root: string;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    this.field = new Field(seededRandom(options.seed + 1_000_003));
    this.witness = new Witness(this.field);
    this.witness.nowMs = () => this.nowMs();
    this.brokers = ['plant', 'mes']
      .slice(0, options.uplinks)
      .map(
        (name, index) =>
          new Broker(name, kindOf(this.random), seededRandom(options.seed + 2_000_003 + index), this.witness),
      );
    mkdirSync(options.place, { recursive: true });
    this.root = mkdtempSync(join(options.place, `seed-${options.seed}-`));
  }

  /** Since the beginning, ms; goes on while there is no power. */
  nowMs(): number {
    return this.boot ? this.boot.startedMs + this.boot.clock.monoMs() : 0;
  }

  get gateway(): RunningGateway {
    return this.boot.gateway!;
  }

  /** The store behind the gateway's; not delayed, not watched. */
  get store(): Store {
    return this.boot.store!;
  }

  get folder(): string {
    return this.boot.folder;
  }

  get clock(): SimulatedClock {
    return this.boot.clock;
  }

  setFault(fault: DiskFault | undefined): void {
    this.noteTrouble();
    this.fault = fault && { ...fault };
    this.boot.disk.fault = this.fault;
  }

  /** Steps the gateway's wall clock. */
  stepClock(byMs: number): void {
    this.boot.clock.stepWall(byMs);
    this.noteOffset(this.boot);
  }

  private noteOffset({ clock, offsets }: Boot): void {
    if (!clock.known()) return;
    const offset = clock.wallMs() - clock.monoMs();
    offsets.push(offset);
    this.witness.offsets.push(offset);
  }

  /** Flips a bit in a segment that is not written to. */
  flip(which: number): void {
    const files = closedSegments(this.boot.folder);
    if (files.length === 0) return;
    this.flips++;
    flipBit(files[Math.floor(which * files.length)]!, this.random);
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    if (ms <= 0) return;
    await this.boot.clock.advance(ms);
    if (this.stallMs > 0 || this.fault) this.noteTrouble();
  }

  /** Waits for an answer while time passes. */
  async answered<T>(work: Promise<T>, deadlineMs = 600_000): Promise<T> {
    let answer: { value: T } | undefined;
    let failure: { error: unknown } | undefined;
    work.then(
      (value) => {
        answer = { value };
      },
      (error: unknown) => {
        failure = { error };
      },
    );
    await this.boot.clock.advance(0);
    for (let waited = 0; !answer && !failure && waited < deadlineMs; waited += STEP_MS) await this.pass(STEP_MS);
    if (failure) throw failure.error;
    if (!answer) throw new Error(`no answer within ${deadlineMs} ms of simulated time`);
    return answer.value;
  }

  /** Starts a gateway on what the folder holds; the first time on nothing. */
  async start(folder = join(this.root, 'disk-0'), startedMs = 0, cutAfter?: number): Promise<void> {
    mkdirSync(folder, { recursive: true });
    this.boots++;
    // The library is loaded in real time, which is not to pass in the middle of a run.
    await import('mqtt');
    // A board without a battery starts in 1970, where it was switched off, or decades ahead, and learns the time later.
    const isKnown = this.random() < 0.7;
    const wrongMs = [UNSET_CLOCK_MS, START_MS + startedMs - WEEKEND_MS, START_MS + startedMs + DECADES_MS];
    const shownMs = wrongMs[Math.floor(this.random() * wrongMs.length)]!;
    const clock = new SimulatedClock(isKnown ? START_MS + startedMs : shownMs, 'everything');
    clock.setKnown(isKnown);
    const open = openSized(segmentBytesOf(this.options.maxBytes));
    const disk = new SimulatedDisk(folder, open, seededRandom(Math.floor(this.random() * 2 ** 31)));
    const boot: Boot = {
      clock,
      startedMs,
      disk,
      folder,
      store: undefined,
      gateway: undefined,
      isOver: false,
      offsets: [],
    };
    this.boot = boot;
    disk.fault = this.fault;
    if (!isKnown)
      clock.after(60_000 + this.random() * 3_600_000, () => {
        clock.stepWall(START_MS + this.nowMs() - clock.wallMs());
        clock.setKnown(true);
        this.noteOffset(boot);
      });
    if (cutAfter !== undefined) disk.arm(cutAfter);
    const hasPower = () => this.boot === boot && !boot.isOver && !disk.isCut;
    this.witness.uncommitted.clear();
    const starting = this.startGateway(boot, hasPower);
    for (let tries = 0; !boot.gateway && !disk.isCut; tries++) {
      await this.pass(STEP_MS);
      // What would end the disk's trouble waits for this start; a disk that takes nothing can have no store opened on it.
      if (this.fault && tries > DISK_TROUBLE_MS / STEP_MS) this.setFault(undefined);
      if (tries > 400_000 / STEP_MS) return this.witness.violation('the gateway does not start');
    }
    await Promise.race([starting, this.pass(0)]);
    disk.arm(undefined);
    if (disk.isCut) await this.restoreAfterCut(60_000, undefined);
  }

  /** A process that cannot open its store ends, and is started again a while later. */
  private async startGateway(boot: Boot, hasPower: () => boolean): Promise<void> {
    const { clock } = boot;
    while (hasPower() && !boot.gateway) {
      try {
        boot.gateway = await startGateway({
          ...{ config: this.config(boot, hasPower), simulate: false, version: '0', clock, environment: {} },
          ...{ log: this.options.log ?? silentLogger, random: this.random, heldRecords: this.options.heldRecords },
          openStore: () => this.openStore(boot, hasPower),
          dial: (uplink) => this.brokers.find((_, index) => uplinkName(index) === uplink)!.dial({ clock, hasPower }),
        });
        boot.gateway.failed.catch((error: unknown) => {
          if (hasPower()) this.witness.violation(`the gateway failed: ${(error as Error).stack}`);
        });
      } catch (error) {
        if (!hasPower()) return;
        if (!this.fault && !(error as { code?: unknown }).code) {
          this.witness.violation(`the gateway cannot start: ${(error as Error).stack}`);
          return;
        }
        this.noteTrouble();
        await clock.sleep(10_000);
      }
    }
  }

  private async openStore(boot: Boot, hasPower: () => boolean): Promise<Store> {
    const { witness } = this;
    const { maxBytes } = this.options;
    const store = await openLocalStore({
      ...{ path: boot.folder, maxBytes, clock: boot.clock, log: this.options.log ?? silentLogger },
      ...{ open: boot.disk.open, cursorEveryMs: 60_000, replayMs: 3_600_000, bootId: String(this.boots) },
    });
    boot.store = store;
    await recovered(store, await store.status(), witness, this.flips > 0);
    return witnessed(store, { witness, clock: boot.clock, hasPower, stallMs: () => this.stallMs });
  }

  /** Stops as a service is stopped, and starts with another number of devices. */
  async restart(devices: number): Promise<void> {
    await this.stop();
    if (this.boot.disk.isCut) return;
    this.devices = devices;
    await this.start(this.boot.folder, this.nowMs() + 1000);
  }

  /** Changes the number of devices while the gateway runs; a disk that does not answer has it stay as it is. */
  async reconfigure(devices: number): Promise<void> {
    const { boot, gateway } = this;
    const before = this.devices;
    this.devices = devices;
    const known = new Map(gateway.config().channels.map(({ name, driver }) => [name, driver]));
    const wanted = this.config(boot, () => this.boot === boot && !boot.isOver && !boot.disk.isCut);
    const channels = wanted.channels.map((channel) => ({ ...channel, driver: known.get(channel.name)! }));
    const change = async () => {
      try {
        await gateway.reconfigure({ ...wanted, channels });
        await gateway.settle();
        this.changes++;
      } catch {
        this.devices = before;
      }
    };
    await this.answered(change());
  }

  /** Stops as a service is stopped. */
  async stop(): Promise<void> {
    const { boot } = this;
    let isClosed = false;
    const closing = boot.gateway!.close().then(
      () => {
        isClosed = true;
      },
      (error: unknown) => this.witness.violation(`the gateway cannot be stopped: ${(error as Error).stack}`),
    );
    for (let waited = 0; !isClosed && waited < 120_000; waited += STEP_MS) await this.pass(STEP_MS);
    if (!isClosed && this.stallMs === 0) this.witness.violation('the gateway does not stop within two minutes');
    await Promise.race([closing, this.pass(0)]);
    boot.isOver = true;
    this.refusals += boot.disk.refusals;
    if (!isClosed) await boot.store!.close().catch(() => {});
    if (!this.wasTroubled(boot.startedMs) && this.witness.uncommitted.size > 0)
      this.witness.violation(`${this.witness.uncommitted.size} records were not committed at the stop`);
  }

  /** Takes the power away, for a while. */
  async cutPower(cut: PowerCut): Promise<void> {
    const { disk } = this.boot;
    if (cut.operations === undefined) disk.cutNow();
    else disk.arm(cut.operations);
    for (let waited = 0; !disk.isCut && waited < CUT_DEADLINE_MS; waited += STEP_MS) await this.pass(STEP_MS);
    if (!disk.isCut) disk.cutNow();
    await this.restoreAfterCut(cut.offMs, cut.again);
  }

  private async restoreAfterCut(offMs: number, again: number | undefined): Promise<void> {
    const { boot, witness } = this;
    const nowMs = this.nowMs();
    boot.isOver = true;
    // What the dead process had open goes with it; the library would keep its timers.
    for (const broker of this.brokers) broker.cutLine();
    this.cuts++;
    this.refusals += boot.disk.refusals;
    const allowedMs = this.options.commitEveryMs + COMMIT_SLACK_MS;
    for (const [key, atMs] of witness.uncommitted) {
      const ageMs = nowMs - atMs;
      if (ageMs > allowedMs && !this.wasTroubled(atMs))
        witness.violation(`${key} was ${Math.round(ageMs)} ms old and not committed when the power went`);
    }
    const folder = join(this.root, `disk-${this.boots}`);
    mkdirSync(folder);
    boot.disk.restore(folder);
    await boot.store?.close().catch(() => {});
    boot.disk.release();
    removeFolder(boot.folder);
    await this.start(folder, nowMs + offMs, again);
  }

  /** Ends for good; nothing remains. */
  dispose(): void {
    removeFolder(this.root);
  }

  private noteTrouble(): void {
    this.troubledMs = this.nowMs();
  }

  private wasTroubled(sinceMs: number): boolean {
    return this.troubledMs + AFTER_TROUBLE_MS > sinceMs;
  }

  private alarms(): AlarmConfig[] {
    const { alarmedMs = Number.POSITIVE_INFINITY } = this.options;
    const alarmed = Math.min(this.devices, Math.floor((this.nowMs() / alarmedMs) * (this.devices + 1)));
    return Array.from({ length: alarmed }, (_, device) => togglingAlarm(device));
  }

  private config({ clock, offsets }: Boot, hasPower: () => boolean): Config {
    const { everyMs, commitEveryMs, maxBytes, backfillRate } = this.options;
    const { field, witness } = this;
    const world = {
      ...{ clock, hasPower },
      offsets,
      onAnswer: (device: number, scan: number) => void witness.uncommitted.set(`d${device}#${scan}`, this.nowMs()),
    };
    const lines = [0, 1, 2].map((line) => {
      const own = Array.from({ length: this.devices }, (_, index) => index).filter((index) => index % 3 === line);
      return field.channel(
        `c${line}`,
        own.map((index) => ({ index, everyMs: everyMs * 2 ** line })),
        world,
      );
    });
    return {
      ...{
        file: 'simulated.yaml',
        hash: String(this.devices),
        api: { listen: undefined, tls: undefined, hosts: [] },
        commands: { enabled: false },
        derived: [],
        alarms: this.alarms(),
        spc: [],
        production: [],
        maintenance: [],
        parts: [],
        inventory: [],
      },
      gateway: { id: 'simulated', location: undefined, timezone: 'UTC' },
      channels: lines,
      store: { path: '', maxBytes, commitEveryMs, replayMs: 3_600_000 },
      uplinks: this.brokers.map((broker) => broker.config(backfillRate)),
    };
  }
}

/** An alarm that is raised and returns with every value of a device that counts. */
function togglingAlarm(device: number): AlarmConfig {
  return {
    ...{ id: `a${device}`, tag: `d${device}/count`, condition: { kind: 'changed' }, priority: 'low' },
    ...{ unit: undefined, deadband: 0, onDelayMs: 0, offDelayMs: 0, latch: false, ack: false, message: undefined },
    ...{ while: undefined, set: undefined, maxShelveMs: 0 },
  };
}

/** Name of the uplink to a broker. */
export function uplinkName(index: number): string {
  return ['plant', 'mes'][index]!;
}

/** Most brokers speak MQTT 5; of the others some refuse it by a code, and some hang up. */
function kindOf(random: Random): BrokerKind {
  const speaks = random() < 0.7 ? 5 : 4;
  return { speaks, hangsUpOnFive: random() < 0.5, maximumPacketSize: random() < 0.3 ? 8192 : undefined };
}
