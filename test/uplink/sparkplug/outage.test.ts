/** An edge node through hosts that come and go, links that die without a word, and kill -9: nothing is lost, nothing is doubled unmarked. */
import type { Duplex } from 'node:stream';
import type { IConnectPacket } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { noAlarms } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { SimulatedClock } from '../../../src/core/simulated-clock.ts';
import { Forwarder } from '../../../src/uplink/forwarder.ts';
import { CommittedValues } from '../../../src/uplink/sparkplug/committed-values.ts';
import { decodePayload } from '../../../src/uplink/sparkplug/payload.ts';
import { createStoreDouble } from '../../double/forwarding.ts';
import { lineTo } from '../../double/mqtt-line.ts';
import { metricOf, type Said, SparkplugBroker } from '../../double/sparkplug-broker.ts';
import { edgeNode, memory } from './edge-fixture.ts';

const TIMES = Number(process.env.MILLGATE_SPARKPLUG_OUTAGES ?? 4);
const HOST = 'scada-1';

/** A plant: a gateway that commits once a second, a broker, and a host that hears what the broker reads while it listens. */
class Plant {
  readonly clock = new SimulatedClock();
  readonly broker = new SparkplugBroker();
  readonly births = memory();
  readonly random;
  private readonly store = createStoreDouble(this.clock);
  private committed = 0;
  private life:
    | { isDead: boolean; values: CommittedValues; forwarder: Forwarder; stop: AbortController; stream?: Duplex }
    | undefined;
  /** Messages that the host heard. */
  readonly heard: Said[] = [];
  isListening = true;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.broker.takes = (said) => {
      if (this.isListening) this.heard.push(said);
      return true;
    };
  }

  start(primaryHost: string | undefined): void {
    const { clock, broker, births, store } = this;
    const values = new CommittedValues();
    const stop = new AbortController();
    const never = new Promise<never>(() => {});
    const dial = async (): Promise<Duplex> => {
      if (life.isDead) return never;
      life.stream = lineTo(broker, clock, 5);
      return life.stream;
    };
    const kept = {
      get used() {
        return births.used;
      },
      save: async (bdSeq: number | undefined) => {
        await clock.sleep(10);
        return life.isDead ? never : births.save(bdSeq);
      },
    };
    const uplink = edgeNode(
      1,
      { primaryHost },
      { clock, dial, committed: values, births: kept },
      { ackTimeoutMs: 15_000, keepaliveMs: 3_600_000 },
    );
    const own = {
      ...store,
      settle: (...asked: Parameters<typeof store.settle>) => (life.isDead ? never : store.settle(...asked)),
    };
    const forwarder = new Forwarder({
      ...{ uplink, store: own, clock, alarms: noAlarms, log: silentLogger, random: this.random, backfillRate: 5000 },
    });
    const life: NonNullable<Plant['life']> = { isDead: false, values, forwarder, stop };
    this.life = life;
    void forwarder.run(stop.signal);
  }

  /** Ends the process as kill -9 does: the kernel closes its connection, and it says nothing more. */
  kill(): void {
    const { life } = this;
    if (!life) return;
    life.isDead = true;
    life.stream?.destroy();
    life.stop.abort();
  }

  /** Lets time pass, with three records a second. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1000) {
      const { receipt, batch } = this.store.commit(3, 0);
      this.committed += 3;
      this.life!.values.take(receipt, batch);
      this.life!.forwarder.committed(receipt, batch);
      await this.clock.advance(Math.min(1000, left));
    }
  }

  between(least: number, most: number): number {
    return Math.round(least + this.random() * (most - least));
  }

  /** What went wrong, in numbers that are all 0 where nothing did. */
  outcome() {
    const shown = new Map<number, { all: number; present: number }>();
    for (const { type, metrics } of this.heard.filter((said) => said.type === 'DDATA' || said.type === 'DBIRTH'))
      for (const { value, isHistorical } of metrics) {
        const number = Number(value?.value);
        const seen = shown.get(number) ?? { all: 0, present: 0 };
        seen.all++;
        if (type === 'DDATA' && !isHistorical) seen.present++;
        shown.set(number, seen);
      }
    const numbers = Array.from({ length: this.committed }, (_, index) => index + 1);
    return {
      lost: numbers.filter((number) => !shown.has(number)).length,
      doubledUnmarked: numbers.filter((number) => (shown.get(number)?.present ?? 0) > 1).length,
      holes: holesIn(this.broker.said),
    };
  }

  /** Numbers of the connections that the broker accepted, in order. */
  accepted(): number[] {
    return this.broker.accepted.map((connect: IConnectPacket) =>
      Number(metricOf(decodePayload(Buffer.from(connect.will!.payload)), 'bdSeq')!.value!.value),
    );
  }
}

/** Messages that do not follow the one before them on their connection. */
function holesIn(said: readonly Said[]): number {
  const next = new Map<number, number>();
  let holes = 0;
  for (const { connection, type, seq, isWill } of said) {
    if (type === 'NDEATH' || isWill) continue;
    const expected = type === 'NBIRTH' ? 0 : next.get(connection);
    if (seq !== expected) holes++;
    next.set(connection, (seq! + 1) % 256);
  }
  return holes;
}

const NOTHING = { lost: 0, doubledUnmarked: 0, holes: 0 };

describe('an edge node', () => {
  it(`loses nothing while its primary host goes and comes ${TIMES} times, by a goodbye or without a word`, async () => {
    const plant = new Plant(1);
    const { broker, clock } = plant;
    broker.state(HOST, true, clock.wallMs());
    plant.start(HOST);
    for (let time = 0; time < TIMES; time++) {
      const bornMs = clock.wallMs();
      broker.state(HOST, true, bornMs);
      plant.isListening = true;
      await plant.pass(plant.between(500, 40_000));
      plant.isListening = false;
      if (plant.random() < 0.5) broker.state(HOST, false, clock.wallMs() + 1);
      else {
        // The host is dead, and the broker notices by its keep-alive.
        await plant.pass(plant.between(500, 45_000));
        broker.state(HOST, false, bornMs);
      }
      await plant.pass(plant.between(500, 30_000));
    }
    plant.isListening = true;
    broker.state(HOST, true, clock.wallMs() + 10);
    await plant.pass(30_000);
    expect(plant.outcome()).toEqual(NOTHING);
    plant.kill();
  });

  it(`loses nothing when its link dies without a word ${TIMES} times, at any moment`, async () => {
    const plant = new Plant(2);
    plant.start(undefined);
    for (let time = 0; time < TIMES; time++) {
      await plant.pass(plant.between(1, 20_000));
      plant.broker.freeze();
      await plant.pass(plant.between(500, 60_000));
      plant.broker.cut();
    }
    await plant.pass(40_000);
    expect(plant.outcome()).toEqual(NOTHING);
    plant.kill();
  });

  it(`numbers its connections one by one through ${TIMES * 3} kills and refusals, and loses nothing`, async () => {
    const plant = new Plant(3);
    const { broker } = plant;
    plant.start(undefined);
    for (let time = 0; time < TIMES * 3; time++) {
      const refusals = plant.random() < 0.5 ? plant.between(1, 4) : 0;
      const until = broker.connections + refusals;
      const how = plant.random() < 0.5 ? 5 : ('close' as const);
      broker.welcome = (connection) => (connection <= until ? how : 'accept');
      broker.cut();
      await plant.pass(plant.between(2000, 60_000));
      if (plant.random() < 0.5) continue;
      plant.kill();
      plant.start(undefined);
      await plant.pass(plant.between(1, 3000));
    }
    broker.welcome = () => 'accept';
    await plant.pass(90_000);
    const numbers = plant.accepted();
    expect(numbers.length).toBeGreaterThan(TIMES * 2);
    const steps = numbers.slice(1).map((number, index) => (number - numbers[index]! + 256) % 256);
    // A process that was killed while it asked cannot know whether it was let in, and leaves a number out.
    expect(steps.filter((step) => step !== 1 && step !== 2)).toEqual([]);
    expect(steps.filter((step) => step === 2).length).toBeLessThanOrEqual(Math.ceil(TIMES / 4));
    expect(plant.outcome()).toEqual(NOTHING);
    plant.kill();
  });
});
