/** The thread of the store: takes messages, lets the engine work, and answers. */
import { parentPort } from 'node:worker_threads';
import { Fault, messageOf } from '../../core/errors.ts';
import { type Engine, openEngine, UnderRepair } from '../engine.ts';
import type { FromWorker, Now, Pieces, RollupSlice, Texts, ToWorker, WireError } from '../protocol.ts';

const port = parentPort;
if (!port) throw new Error('this file runs only as a worker thread');

let engine: Engine | undefined;

/** Reads that wait until a damaged segment is saved; what is committed meanwhile is answered before them. */
let waiting: ToWorker[] = [];

port.on('message', answer);

function answer(message: ToWorker): void {
  let reply: FromWorker;
  idleSoon(message.now);
  try {
    const given = answerTo(message);
    reply = { id: message.id, ok: true, answer: given, notices: engine?.notices() ?? [] };
  } catch (error) {
    if (error instanceof UnderRepair) {
      waiting.push(message);
      return;
    }
    reply = { id: message.id, ok: false, error: wireError(error), notices: engine?.notices() ?? [] };
  }
  port!.postMessage(reply, transferable(reply));
}

let isIdling = false;

/** What nobody waits for is done between messages, in small steps. */
function idleSoon(now: Now): void {
  if (isIdling) return;
  isIdling = true;
  setImmediate(() => {
    isIdling = false;
    if (engine?.idle(now)) idleSoon(now);
    if (engine?.isSaving()) return;
    const again = waiting;
    waiting = [];
    for (const message of again) answer(message);
  });
}

function answerTo(message: ToWorker): unknown {
  if (message.kind === 'open') {
    engine = openEngine(message.options, message.now, { pid: process.pid });
    return engine.opened;
  }
  if (!engine) throw new Error('asked before it was opened');
  return engine.call(message.question.name, message.question.ask, message.now);
}

/** Bodies are handed over, not copied. */
function transferable(reply: FromWorker): ArrayBuffer[] {
  if (!reply.ok || reply.answer === null || typeof reply.answer !== 'object') return [];
  if ('page' in reply.answer) {
    const { page, ends, fields, wallMs } = reply.answer as Texts;
    return [page.buffer, ends.buffer, fields.buffer, wallMs.buffer];
  }
  if ('counted' in reply.answer) {
    const { cells, counted } = reply.answer as RollupSlice;
    return [cells.buffer, counted.buffer];
  }
  if (!('pieces' in reply.answer)) return [];
  return (reply.answer as Pieces).pieces.map(({ body }) => body.buffer);
}

function wireError(error: unknown): WireError {
  return {
    name: error instanceof Error ? error.name : 'Error',
    message: messageOf(error),
    fault: error instanceof Fault ? { what: error.what, remedy: error.remedy, code: error.code } : undefined,
    stack: error instanceof Error ? error.stack : undefined,
  };
}
