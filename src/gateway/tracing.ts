/** Serves parts, corrections of records and stocks to the API. */
import type { TraceView } from '../api/trace-view.ts';
import { EXIT, Fault } from '../core/errors.ts';
import type { EventBody } from '../core/event.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Store } from '../store/store.ts';
import { CORRECTABLE, correctionIn, type Journal, partsIn, recordNumber } from '../trace/corrections.ts';
import type { Sender } from '../uplink/json.ts';
import { eventsPage } from './rules.ts';

/** Events of one page, so that polling keeps its share. */
const PAGE_EVENTS = 500;

/** Where the view lives. */
interface TracingParts {
  readonly engine: () => RuleEngine;
  readonly store: Pick<Store, 'epoch' | 'status' | 'peekEvents'>;
  readonly sender: Sender;
  readonly event: (body: EventBody) => void;
  /** Resolves when everything that was ordered so far is on the disk. */
  readonly durable: () => Promise<void>;
}

/** What the API serves of parts and stocks. */
export function createTraceView({ engine, store, sender, event, durable }: TracingParts): TraceView {
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
      const message = `record ${record}: ${member} put right from ${JSON.stringify(was ?? null)} to ${JSON.stringify(to)} by ${by}`;
      event({ kind: 'audit', what: 'correction', record, hash, member, was: was ?? null, to, by, comment, message });
      await durable();
    },
  };
}
