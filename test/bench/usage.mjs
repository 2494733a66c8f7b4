// What the kernel says that a process and its threads have used.
import { readFileSync } from 'node:fs';

const read = (path) => readFileSync(path, 'latin1');

/** Milliseconds of a clock tick, in which the kernel gives processor times. See proc_pid_stat(5), sysconf(3). */
const TICK_MS = 10;

/** Fields of /proc/PID/stat behind the name of the program, which may hold blanks. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/**
 * Processor time in ms, that of threads that have ended included, resident memory now and at most in MB, bytes written to
 * the disk. See proc_pid_stat(5), proc_pid_io(5).
 */
export function usageOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
  const status = read(`/proc/${pid}/status`);
  const megabytes = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  const written = Number(/^write_bytes: (\d+)/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0);
  return { cpuMs: ticks * TICK_MS, rssMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM'), writtenBytes: written };
}

/** The middle one of numbers. */
export const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

/** How punctual scans were: how many there were, the share that came more than half a period late, and how far they were off, ms. */
export function punctuality(intervalsMs, periodMs) {
  const off = intervalsMs.map((ms) => Math.abs(ms - periodMs)).sort((a, b) => a - b);
  const late = intervalsMs.filter((ms) => ms > 1.5 * periodMs).length;
  return { scans: off.length, late, lateShare: late / off.length, jitterP99Ms: off[Math.floor(off.length * 0.99)] };
}

/** How steeply values rise by the least squares, per unit of the times. */
export function slopeOf(times, values) {
  const meanOf = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const [time, value] = [meanOf(times), meanOf(values)];
  const up = times.reduce((sum, one, at) => sum + (one - time) * (values[at] - value), 0);
  return up / times.reduce((sum, one) => sum + (one - time) ** 2, 0);
}
