// What the kernel says that a process and its threads have used.
import { readdirSync, readFileSync } from 'node:fs';

const read = (path) => readFileSync(path, 'latin1');

/** Processor time in ms, resident memory now and at most in MB, bytes written to the disk. See proc_pid_schedstat(5), proc_pid_io(5). */
export function usageOf(pid) {
  let cpuNs = 0;
  for (const task of readdirSync(`/proc/${pid}/task`))
    cpuNs += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]);
  const status = read(`/proc/${pid}/status`);
  const megabytes = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  const written = Number(/^write_bytes: (\d+)/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0);
  return { cpuMs: cpuNs / 1e6, rssMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM'), writtenBytes: written };
}

/** The middle one of numbers. */
export const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
