/** Tells whether a thread waits for a disk that does not answer. */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Whether a thread of a process is in the kernel's uninterruptible sleep (state `D` of proc(5)), which is what waiting for
 * a disk is. False where that cannot be read.
 *
 * @param tasks the folder of its threads; by default those of this process
 */
export function waitsForDisk(tasks = '/proc/self/task'): boolean {
  try {
    return readdirSync(tasks).some((thread) => stateOf(readFileSync(`${tasks}/${thread}/stat`, 'utf8')) === 'D');
  } catch {
    return false;
  }
}

/** The state follows the name, which stands in brackets and may hold any character. */
function stateOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
}
