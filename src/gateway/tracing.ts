/** Serves parts, lots, corrections of records and stocks to the API. */
import type { PartCounts, TraceView } from '../api/trace-view.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { EventBody, GatewayEvent } from '../core/event.ts';
import { splitTagId } from '../core/reading.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Store } from '../store/store.ts';
import { CORRECTABLE, correctionIn, type Journal, partsIn, recordNumber } from '../trace/corrections.ts';
import { type LotMachine, lotsIn } from '../trace/genealogy.ts';
import type { Past } from '../trace/out-of-limits.ts';
import type { Sender } from '../uplink/json.ts';
import { eventsPage } from './rules.ts';

/** Events of one page, so that polling keeps its share. */
const PAGE_EVENTS = 500;

/** How far back lots are looked for unless it is said, ms. */
const LOTS_MS = 30 * 86_400_000;

/** Points of one page of what is stored of a tag. */
const PAGE_POINTS = 5000;

/** Where the view lives. */
interface TracingParts {
  readonly engine: () => RuleEngine;
  readonly store: Pick<Store, 'epoch' | 'status' | 'peekEvents' | 'rollups' | 'history'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly config: () => Config;
  readonly counted: PartCounter;
  readonly sender: Sender;
  readonly event: (body: EventBody) => void;
  /** Resolves when everything that was ordered so far is on the disk. */
  readonly durable: () => Promise<void>;
}

/** Counts the parts that are committed, by their station. */
export class PartCounter {
  private readonly counts = new Map<string, Omit<PartCounts, 'station'>>();

  take(events: readonly GatewayEvent[]): void {
    for (const { body } of events) {
      if (body.kind !== 'quality' || body.what !== 'part') continue;
      const { station, result } = body as {
        readonly station?: string;
        readonly result?: 'pass' | 'fail' | 'incomplete';
      };
      const { station: id, ...counts } = this.of(String(station));
      if (result !== undefined) this.counts.set(id, { ...counts, [result]: counts[result] + 1 });
    }
  }

  of(station: string): PartCounts {
    return { station, ...(this.counts.get(station) ?? { pass: 0, fail: 0, incomplete: 0 }) };
  }
}

/**
 * Machines that have a job, each with the devices of its tags, its stations, and its tags with limits. A station is of the
 * machine that has the same job or the devices of its results, or of the only one that has a job.
 *
 * @throws Fault where nothing says which lot is made
 */
export function lotMachinesOf({ production, parts, channels, derived }: Config): LotMachine[] {
  const named = production.filter(({ job }) => job !== undefined);
  if (named.length === 0 && !parts.some(({ job }) => job !== undefined))
    throw new Fault(
      'no machine says which lot it makes',
      'Name the tag of the order or lot as job of a machine under production: in the file.',
    );
  const tags = [
    ...channels.flatMap(({ devices }) => devices.flatMap((device) => device.tags)),
    ...derived.map(({ tag }) => tag),
  ];
  return named.map(({ id, count, second, running, reason, energy, job }) => {
    const own = [count.tag, second?.tag, running, reason, energy?.tag].filter((tag) => tag !== undefined);
    const devices = [...new Set(own.map(deviceOf))];
    const stations = parts.filter(
      (station) =>
        named.length === 1 || station.job === job || station.results.some(({ tag }) => devices.includes(deviceOf(tag))),
    );
    const limited = tags.filter(
      ({ tag, min, max }) => (min ?? max) !== undefined && devices.includes(deviceOf(tag.id)),
    );
    return {
      machine: id,
      devices,
      stations: stations.map((station) => station.id),
      tags: limited.map(({ tag, unit, min, max }) => {
        return { tag: tag.id, unit: unit ?? null, min: min ?? null, max: max ?? null };
      }),
    };
  });
}

function deviceOf(tag: string): string {
  return splitTagId(tag)?.device ?? '';
}

/** What a store has of a tag, page by page. */
function pastIn(store: Pick<Store, 'rollups' | 'history'>): Past {
  return {
    async extremes(tag, { fromMs, toMs }, everyMs) {
      const points: { t: number; min?: number; max?: number }[] = [];
      for (let from: number | undefined = fromMs; from !== undefined; ) {
        const page = await store.rollups({ tag, fromMs: from, toMs, everyMs, limit: PAGE_POINTS });
        points.push(...page.points.map(({ wallMs, ...rest }) => ({ t: wallMs, ...rest })));
        from = page.next;
      }
      return points;
    },
    async readings(tag, { fromMs, toMs }) {
      const { points } = await store.history({ tag, fromMs, toMs, limit: PAGE_POINTS });
      return points.flatMap(({ wallMs, value }) =>
        typeof value === 'number' || typeof value === 'bigint' ? [{ t: wallMs, value: Number(value) }] : [],
      );
    },
  };
}

/** What the API serves of parts, lots and stocks. */
export function createTraceView({
  engine,
  store,
  clock,
  config,
  counted,
  sender,
  event,
  durable,
}: TracingParts): TraceView {
  const since = (fromMs: number): Journal =>
    async function* () {
      let query = { fromMs: fromMs as number | undefined, afterSeq: undefined as number | undefined };
      for (;;) {
        const page = await eventsPage(store, sender, { ...query, limit: PAGE_EVENTS });
        yield page.events;
        if (page.next === undefined) return;
        query = { fromMs: undefined, afterSeq: page.next };
      }
    };
  return {
    async parts({ serial, fromMs }) {
      await durable();
      return partsIn(since(fromMs), (part) => serial === undefined || part.serial === serial);
    },
    async lots({ lot, fromMs = clock.wallMs() - LOTS_MS }) {
      const machines = lotMachinesOf(config());
      await durable();
      return lotsIn(since(fromMs), machines, pastIn(store), {
        lot,
        span: { fromMs: Math.floor(fromMs), toMs: Math.ceil(clock.wallMs()) },
      });
    },
    partCounts: () => config().parts.map(({ id }) => counted.of(id)),
    inventory: () => engine().inventory(),
    async setStock(name, order) {
      const why = engine().setStock(name, order);
      if (why !== undefined)
        throw new Fault(why, 'millgate inventory lists the stocks and their articles.', EXIT.failed);
      await durable();
    },
    async correct({ record, member, to, by, comment }) {
      await durable();
      let found: Readonly<Record<string, unknown>> | undefined;
      let was: unknown;
      for await (const page of since(0)())
        for (const each of page) {
          if (recordNumber(each) === record) {
            found = each;
            was = each[member];
          }
          const earlier = correctionIn(each);
          if (earlier?.record === record && earlier.correction.member === member) was = earlier.correction.to;
        }
      if (!found) throw new Fault(`there is no record ${record} in the store`, 'millgate parts gives the numbers.');
      if (found.what !== 'part')
        throw new Fault(`record ${record} is no record of a part`, 'millgate parts gives the numbers.');
      if (!CORRECTABLE.some((each) => each === member))
        throw new Fault(`${member} of a part cannot be put right`, `Name one of ${CORRECTABLE.join(', ')}.`);
      const { hash } = found.chain as { readonly hash: string };
      const message = `record ${record}: ${member} put right from ${was ?? 'nothing'} to ${to ?? 'nothing'} by ${by}`;
      event({ kind: 'audit', what: 'correction', record, hash, member, was: was ?? null, to, by, comment, message });
      await durable();
    },
  };
}
