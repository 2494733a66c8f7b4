// The store's thread on a disk that stands still once somebody sought the time -1: nothing more is answered.
import { parentPort } from 'node:worker_threads';
import '../../dist/src/store/thread/worker.js';

parentPort.on('message', ({ question }) => {
  if (question?.name === 'seek' && question.ask === -1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
