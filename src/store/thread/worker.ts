/** The thread of the store: takes messages, lets the engine work, and answers. */
import { parentPort } from 'node:worker_threads';
import { Fault, messageOf } from '../../core/errors.ts';
import { type Engine, openEngine } from '../engine.ts';
import type { FromWorker, Now, Pieces, Texts, ToWorker, WireError } from '../protocol.ts';

const port = parentPort;
if (!port) throw new Error('this file runs only as a worker thread');

let engine: Engine | undefined;

port.on('message', (message: ToWorker) => {
  let reply: FromWorker;
  try {
    const answer = answerTo(message);
    reply = { id: message.id, ok: true, answer, notices: engine?.notices() ?? [] };
  } catch (error) {
    reply = { id: message.id, ok: false, error: wireError(error), notices: engine?.notices() ?? [] };
  }
  port.postMessage(reply, transferable(reply));
  idleSoon(message.now);
});

let isIdling = false;

/** What nobody waits for is done between messages, in small steps. */
function idleSoon(now: Now): void {
  if (isIdling) return;
  isIdling = true;
  setImmediate(() => {
    isIdling = false;
    if (engine?.idle(now)) idleSoon(now);
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
  if (!('pieces' in reply.answer)) return [];
  return (reply.answer as Pieces).pieces.map(({ body }) => body.buffer);
}

function wireError(error: unknown): WireError {
  return {
    name: error instanceof Error ? error.name : 'Error',
    message: messageOf(error),
    exitCode: error instanceof Fault ? error.exitCode : undefined,
    stack: error instanceof Error ? error.stack : undefined,
  };
}
