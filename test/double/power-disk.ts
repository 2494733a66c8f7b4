import { basename, dirname } from 'node:path';
import type { Disk } from '../../src/config/apply/durable.ts';
import type { Random } from '../../src/core/random.ts';

/** What `PowerDisk` throws once the power is gone. */
export class PowerCut extends Error {}

/**
 * A disk in memory whose power can go before any step. Bytes of a file are on it once `write` is done; names (made,
 * renamed, removed) only after `syncFolder`: of those before, the cut leaves as many as chance has it, in their order.
 */
export class PowerDisk implements Disk {
  private readonly durable: Map<string, string>;
  private seen: Map<string, string>;
  private waiting: { readonly folder: string; apply(names: Map<string, string>): void }[] = [];
  private stepsLeft = Number.POSITIVE_INFINITY;
  /** Steps that changed something, in words. */
  readonly steps: string[] = [];

  constructor(files: Readonly<Record<string, string>>) {
    this.durable = new Map(Object.entries(files));
    this.seen = new Map(this.durable);
  }

  /** The power goes before the step after so many more. */
  cutAfter(steps: number): void {
    this.stepsLeft = steps;
  }

  /** What is on the disk when the power is back. */
  afterCut(random: Random): PowerDisk {
    const names = new Map(this.durable);
    const luck = Math.floor(random() * (this.waiting.length + 1));
    for (const change of this.waiting.slice(0, luck)) change.apply(names);
    return new PowerDisk(Object.fromEntries(names));
  }

  text(path: string): string | undefined {
    return this.seen.get(path);
  }

  async read(path: string): Promise<string | undefined> {
    return this.seen.get(path);
  }

  async write(path: string, text: string): Promise<void> {
    // Cut in the middle, a file that is written over is half.
    if (this.stepsLeft <= 0 && this.durable.has(path)) this.durable.set(path, text.slice(0, text.length / 2));
    this.step(`write ${basename(path)}`);
    if (this.durable.has(path)) this.durable.set(path, text);
    this.change(path, (names) => names.set(path, text));
  }

  async rename(from: string, to: string): Promise<void> {
    this.step(`rename ${basename(from)} ${basename(to)}`);
    this.change(to, (names) => {
      const text = names.get(from);
      if (text === undefined) return;
      names.delete(from);
      names.set(to, text);
    });
  }

  async remove(path: string): Promise<void> {
    if (!this.seen.has(path)) return;
    this.step(`remove ${basename(path)}`);
    this.change(path, (names) => names.delete(path));
  }

  async syncFolder(path: string): Promise<void> {
    this.step(`sync ${basename(path)}`);
    for (const change of this.waiting) if (change.folder === path) change.apply(this.durable);
    this.waiting = this.waiting.filter(({ folder }) => folder !== path);
  }

  async list(folder: string): Promise<readonly string[]> {
    return [...this.seen.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
  }

  async makeFolder(): Promise<void> {}

  async realPath(path: string): Promise<string> {
    return path;
  }

  private change(path: string, apply: (names: Map<string, string>) => void): void {
    apply(this.seen);
    this.waiting.push({ folder: dirname(path), apply });
  }

  private step(what: string): void {
    if (this.stepsLeft-- <= 0) throw new PowerCut(`the power went before: ${what}`);
    this.steps.push(what);
  }
}
