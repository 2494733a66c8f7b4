// Preloaded into the gateway (node --import): once a second it writes how late the event loop was, and how much of that
// was the loop's own work, to the file named by LOOP_WATCH. The rest is other threads and programs having the processor.
import { openSync, readSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const TICK_MS = 1;
const WRITE_MS = 1000;
/** Loading a program takes its time; nothing is polled then. */
const START_MS = 3000;

if (isMainThread && process.env.LOOP_WATCH) setTimeout(() => watch(process.env.LOOP_WATCH), START_MS).unref();

function watch(file) {
  const delay = monitorEventLoopDelay({ resolution: TICK_MS });
  delay.enable();
  const schedule = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  const buffer = Buffer.alloc(100);
  /** What this thread has used, and waited for, of the processor; ms. See proc_pid_schedstat(5). */
  const spent = () => {
    const [used, waited] = buffer.toString('latin1', 0, readSync(schedule, buffer, 0, 100, 0)).split(' ');
    return { usedMs: used / 1e6, waitedMs: waited / 1e6 };
  };
  const own = new Array(1000).fill(0);
  let ownMaxMs = 0;
  let before = spent();
  const start = before;
  const startedMs = performance.now();
  setInterval(() => {
    const now = spent();
    const ownMs = now.usedMs - before.usedMs;
    before = now;
    own[Math.min(own.length - 1, Math.floor(ownMs * 10))]++;
    ownMaxMs = Math.max(ownMaxMs, ownMs);
  }, TICK_MS).unref();
  const percentile = (share) => {
    let left = own.reduce((sum, count) => sum + count, 0) * share;
    let bin = 0;
    while (left > 0) left -= own[bin++];
    return bin / 10;
  };
  setInterval(() => {
    const late = (share) => delay.percentile(share) / 1e6;
    const seconds = (performance.now() - startedMs) / 1000;
    const report = {
      lateMs: { p50: late(50), p99: late(99), p999: late(99.9), max: delay.max / 1e6 },
      ownMs: { p50: percentile(0.5), p99: percentile(0.99), p999: percentile(0.999), max: ownMaxMs },
      ownShare: (before.usedMs - start.usedMs) / 1000 / seconds,
      waitedShare: (before.waitedMs - start.waitedMs) / 1000 / seconds,
    };
    writeFileSync(file, JSON.stringify(report));
  }, WRITE_MS).unref();
}
