/** Where the kernel counts the interrupts of each line. Everybody may read it. */
export const INTERRUPTS = '/proc/interrupts';

/** How one line is found among the interrupts. */
interface InterruptOf {
  /** The name it was asked for with: the last word of its row. */
  readonly name: string;
  /** Its number on its chip, where the name is not unique. */
  readonly hardwareNumber?: number;
}

/**
 * How many interrupts a line had since boot, by the text of `/proc/interrupts`; undefined when no row is the line's, or
 * more than one could be.
 */
export function interruptsOf(text: string, { name, hardwareNumber }: InterruptOf): number | undefined {
  const [head = '', ...rows] = text.split('\n');
  const processors = head.trim().split(/\s+/).length;
  const counts = rows.flatMap((row) => {
    const words = row.trim().split(/\s+/);
    if (words.at(-1) !== name || !/^\d+:$/.test(words[0]!)) return [];
    const isIt = hardwareNumber === undefined || words.slice(processors + 2, -1).includes(String(hardwareNumber));
    const count = words.slice(1, processors + 1).reduce((sum, word) => sum + Number(word), 0);
    return isIt && Number.isSafeInteger(count) ? [count] : [];
  });
  return counts.length === 1 ? counts[0] : undefined;
}

/** How long after an interrupt its edge has reached us, ms; also how often the interrupts are looked at. */
export const SETTLED_MS = 500;

/** Compares what came of a line with what the kernel counted. */
interface Auditor {
  /** Whether it is time to look: some edge came lately, and the last look is long enough ago. */
  isDue(nowMs: number): boolean;
  /** `count` more edges are accounted for: seen, or known to be lost. */
  account(count: number): void;
  /** @returns how many edges are now known to be lost beyond those accounted for */
  look(interrupts: number | undefined, nowMs: number): number;
}

/**
 * Several interrupts of a line can become one edge, when they come faster than the kernel wakes up; its sequence numbers
 * do not show that, its count of interrupts does. Interrupts of an earlier look have become edges by now, or never will.
 *
 * @param baseline interrupts of the line when it was taken; undefined when they cannot be told, and nothing is audited
 */
export function createAuditor(baseline: number | undefined, nowMs: number): Auditor {
  let accounted = 0;
  let settled = 0;
  let lookedMs = nowMs;
  let looksLeft = 0;
  return {
    isDue: (atMs) => baseline !== undefined && looksLeft > 0 && atMs - lookedMs >= SETTLED_MS,
    account(count) {
      accounted += count;
      if (count > 0) looksLeft = 2;
    },
    look(interrupts, atMs) {
      const lost = Math.max(0, settled - accounted);
      accounted += lost;
      if (interrupts !== undefined && baseline !== undefined) settled = interrupts - baseline;
      lookedMs = atMs;
      looksLeft--;
      return lost;
    },
  };
}
