/** Opens the store in a thread of its own, or in this one. */

import { within } from '../../core/clock.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import { formatDuration } from '../../core/quantity.ts';
import { openEngine, UnderRepair } from '../engine.ts';
import type { OpenDatabase } from '../format/disk.ts';
import type { Backend, CallName, Calls, EngineOptions, FromWorker, Opened, ToWorker, WireError } from '../protocol.ts';
import { machineOf } from '../repair/restored.ts';
import { type Store, StoreTrouble } from '../store.ts';
import { CURSOR_EVERY_MS, nowOn, REPLAY_MS, type StoreOptions, storeOn } from './client.ts';
import { type StoreThread, startThread } from './start.ts';

/** Calls that may wait for the worker; a caller beyond them is told so instead of being queued without end. */
const MAX_WAITING = 1000;

/** A thread that has not answered for so long waits for a disk that stands still. */
const STANDSTILL_MS = 5000;

/** What is asked for people to read: while the disk stands still it is refused, so that no questions pile up. */
const REFUSED_AT_STANDSTILL: ReadonlySet<CallName> = new Set<CallName>(['history', 'rollups', 'seek']);

/** How long closing may take: writing the cursors and folding in the log. */
const CLOSE_MS = 10_000;

/** How long opening may take: damage is looked for and repaired. */
const OPEN_MS = 60_000;

/**
 * Opens the store in a thread of its own, so that no disk ever holds up the caller.
 *
 * @param options.workerUrl the compiled worker; by default the one beside this file
 * @param options.thread one that was started already
 * @throws Fault 69 when another process holds it or a newer program wrote it, 77 when the folder may not be written
 */
export async function openStore(
  options: StoreOptions & { readonly workerUrl?: URL; readonly thread?: StoreThread },
): Promise<Store> {
  const thread = options.thread ?? startThread(options.workerUrl);
  const { worker } = thread;
  const port = portOf(thread, options);
  let opened: Opened;
  try {
    opened = (await deadline(
      options,
      OPEN_MS,
      'opening the store',
      port.send((id) => ({ kind: 'open', id, options: engineOptions(options), now: nowOn(options.clock) })),
    )) as Opened;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  tell(options, opened.notices);
  let status: Promise<unknown> | undefined;
  const send = (name: CallName, ask: unknown): Promise<unknown> =>
    port.send((id) => ({
      kind: 'ask',
      id,
      now: nowOn(options.clock),
      question: { name, ask } as Extract<ToWorker, { kind: 'ask' }>['question'],
    }));
  const call = (name: CallName, ask: unknown): Promise<never> => {
    const silentMs = port.silentMs();
    if (silentMs >= STANDSTILL_MS && REFUSED_AT_STANDSTILL.has(name)) return Promise.reject(standstill(silentMs));
    if (name !== 'status') return send(name, ask) as Promise<never>;
    // Whoever asks while the question is under way gets the same answer.
    status ??= send(name, ask).finally(() => {
      status = undefined;
    });
    return status as Promise<never>;
  };
  return storeOn(
    {
      epoch: opened.epoch,
      offsets: opened.offsets,
      call,
      async close() {
        try {
          await deadline(options, CLOSE_MS, 'closing the store', call('close', undefined));
        } finally {
          port.end();
          await worker.terminate();
        }
      },
    },
    options,
  );
}

/**
 * Opens the store in this thread: for tools that read a stopped gateway's store, for tests and the simulation.
 *
 * @param options.open opens its files; a failing disk can be put in its place
 * @param options.bootId names the run whose monotonic clock the records are stamped with; by default at random
 */
export async function openLocalStore(
  options: StoreOptions & { readonly open?: OpenDatabase; readonly bootId?: string },
): Promise<Store> {
  const engine = openEngine(engineOptions(options), nowOn(options.clock), {
    pid: process.pid,
    ...(options.open && { open: options.open }),
  });
  tell(options, engine.opened.notices);
  const call = async <Name extends CallName>(name: Name, ask: Calls[Name]['ask']): Promise<Calls[Name]['answer']> => {
    for (;;) {
      try {
        const answer = engine.call(name, ask, nowOn(options.clock));
        while (name === 'commit' && engine.idle(nowOn(options.clock)));
        return answer;
      } catch (error) {
        if (!(error instanceof UnderRepair)) throw error;
        while (engine.isSaving()) engine.idle(nowOn(options.clock));
      } finally {
        tell(options, engine.notices());
      }
    }
  };
  const { epoch, offsets } = engine.opened;
  const backend: Backend = { epoch, offsets, call, close: () => call('close', undefined) };
  return storeOn(backend, options, options.bootId);
}

function engineOptions(options: StoreOptions): EngineOptions {
  const { path, maxBytes, cursorEveryMs = CURSOR_EVERY_MS, replayMs = REPLAY_MS } = options;
  return { path, maxBytes, cursorEveryMs, replayMs, machine: options.machine ?? machineOf() };
}

function tell(options: StoreOptions, notices: readonly string[]): void {
  for (const notice of notices) options.log.warn(notice);
}

function standstill(ms: number): Fault {
  const since = formatDuration(Math.round(ms / 1000) * 1000);
  return new Fault(
    `store: the disk has not answered for ${since}, so that nothing stored can be read.`,
    'Check the disk: dmesg and iostat say what it is doing.',
    EXIT.unavailable,
  );
}

interface Port {
  /** For how long the oldest question has waited for its answer, ms; 0 when none waits. */
  silentMs(): number;
  send(make: (id: number) => ToWorker): Promise<unknown>;
  /** From now on everything waiting, and everything sent, is refused. */
  end(): void;
}

function portOf({ worker, failure }: StoreThread, options: StoreOptions): Port {
  interface Caller {
    readonly sentMs: number;
    resolve(answer: unknown): void;
    reject(error: Error): void;
  }
  const waiting = new Map<number, Caller>();
  let lastId = 0;
  let over: Error | undefined;
  const end = (error: Error): void => {
    over ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const answers: FromWorker[] = [];
  const giveOne = (): void => {
    const reply = answers.shift();
    if (!reply) return;
    if (answers.length > 0) setImmediate(giveOne);
    tell(options, reply.notices);
    const caller = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.ok) caller?.resolve(reply.answer);
    else caller?.reject(errorFrom(reply.error));
  };
  // Node hands over all messages there are in one turn, and those that come meanwhile; what one answer sets off can
  // take a millisecond, and polling waits for all of it.
  worker.on('message', (reply: FromWorker) => {
    if (answers.push(reply) === 1) setImmediate(giveOne);
  });
  const fail = (cause: Error): void =>
    end(new Error('the store’s thread failed; the gateway has to be restarted', { cause }));
  if (failure) fail(failure);
  worker.on('error', fail);
  worker.on('exit', () => end(new Fault('the store is closed', 'Start the gateway again.', EXIT.unavailable)));
  return {
    silentMs() {
      // Answers come in the order of the questions.
      const [oldest] = waiting.values();
      return oldest ? options.clock.monoMs() - oldest.sentMs : 0;
    },
    end: () => end(new Fault('the store is closed', 'Start the gateway again.', EXIT.unavailable)),
    send(make) {
      if (over) return Promise.reject(over);
      if (waiting.size >= MAX_WAITING)
        return Promise.reject(
          new StoreTrouble(`store: ${MAX_WAITING} calls wait for the disk. It is too slow: check it (dmesg, iostat).`),
        );
      return new Promise((resolve, reject) => {
        const message = make(++lastId);
        waiting.set(message.id, { sentMs: options.clock.monoMs(), resolve, reject });
        worker.postMessage(message, bodiesOf(message));
      });
    },
  };
}

/** Encoded bodies are handed over, not copied. */
function bodiesOf(message: ToWorker): ArrayBuffer[] {
  if (message.kind !== 'ask' || message.question.name !== 'commit') return [];
  const { readings, events } = message.question.ask;
  return [readings?.body, events?.body].flatMap((body) => (body ? [body.buffer as ArrayBuffer] : []));
}

function errorFrom(wire: WireError): Error {
  if (wire.name === 'StoreTrouble') return new StoreTrouble(wire.message);
  if (wire.fault) return new Fault(wire.fault.what, wire.fault.remedy, wire.fault.code);
  const error = new Error(wire.message);
  error.name = wire.name;
  if (wire.stack) error.stack = wire.stack;
  return error;
}

function deadline<T>({ clock, path }: StoreOptions, ms: number, what: string, work: Promise<T>): Promise<T> {
  return within(
    clock,
    ms,
    () => work,
    () => {
      const told = `store ${path}: ${what} took longer than ${ms / 1000} s`;
      throw new Fault(told, 'Check the disk (dmesg, iostat).', EXIT.unavailable);
    },
  );
}
