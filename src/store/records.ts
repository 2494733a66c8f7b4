import type { RecordPage, RecordQuery, Store } from './store.ts';

/** One page of whole records: a bounded piece of work, so that a reader of all there is never holds up the writer. */
export async function recordPage(
  store: Pick<Store, 'seek' | 'peek' | 'status'>,
  { fromMs, toMs, limit, after }: RecordQuery,
): Promise<RecordPage> {
  const until = after?.until ?? (await store.status()).next.readings;
  const seq = after?.seq ?? (await store.seek(fromMs));
  if (seq >= until) return { records: [], next: undefined };
  const found = await store.peek(seq, Math.min(limit, until - seq));
  const records = found.records
    .map((record, index) => ({ seq: found.from + index, record }))
    .filter(({ seq: number, record }) => number < until && record.at.wallMs >= fromMs && record.at.wallMs < toMs);
  const isEnd = found.next <= seq || found.next >= until;
  return { records, next: isEnd ? undefined : { seq: found.next, until } };
}
