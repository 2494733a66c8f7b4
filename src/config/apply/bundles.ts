/** Takes signed bundles: refuses what is not meant for this gateway or older than what it took, and puts the rest on trial. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { lazily } from '../../core/checked.ts';
import type {
  ApplyAnswer,
  ApplyOrder,
  BundleAnswer,
  BundleOrder,
  ConfigurationEntry,
  ConfigurationProblem,
} from '../../core/configuration.ts';
import { Fault } from '../../core/errors.ts';
import type { EventBody } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import type { Config } from '../config.ts';
import { formatProblem } from '../file/problems.ts';
import { isFor, openBundle } from './bundle.ts';
import { type Disk, writeAtomically } from './durable.ts';

const stateSchema = lazily(() =>
  z.object({
    /** The highest number that was taken, whatever became of it; 0: none. */
    number: z.int().min(0),
    /** SHA-256 of the bundle with this number, and the configuration that it made. */
    digest: z.string(),
    hash: z.string(),
    /** SHA-256 of the bundle that was refused last, so that it is told of once. */
    refused: z.string(),
  }),
);

type State = Readonly<z.infer<ReturnType<typeof stateSchema>>>;

const NONE: State = { number: 0, digest: '', hash: '', refused: '' };

/** What taking bundles needs of the gateway that runs. */
interface BundleParts {
  readonly config: () => Config;
  readonly apply: (order: ApplyOrder) => Promise<ApplyAnswer>;
  /** What was in force or was tried, newest first. */
  readonly history: () => readonly ConfigurationEntry[];
  readonly event: (body: EventBody) => void;
  readonly log: Logger;
  readonly disk: Disk;
  /** Folder of the store, where the number is remembered. */
  readonly folder: string;
}

/** Takes signed bundles for a gateway. */
export class Bundles {
  private readonly parts: BundleParts;
  private readonly file: string;
  private state: State | undefined;

  constructor(parts: BundleParts) {
    this.parts = parts;
    this.file = join(parts.folder, 'bundle.json');
  }

  /**
   * Puts a bundle on trial. Its number counts as taken from then on, also when it is rolled back: what failed once is
   * mended by another bundle. Throws `Fault` when it could not be tried now.
   */
  async take(order: BundleOrder): Promise<BundleAnswer> {
    const { config, apply } = this.parts;
    const { gateway, fleet } = config();
    const key = order.key ?? fleet?.key;
    if (key === undefined)
      throw new Fault(
        'this gateway has no key that bundles could be signed by',
        'Write fleet: {key: "…"} into its file, or give --key; millgate bundle --new-key makes one.',
      );
    this.state ??= await this.read();
    const digest = createHash('sha256').update(order.bundle).digest('hex');
    if (digest === this.state.digest) return this.known(this.state);
    const opened = openBundle(order.bundle, key);
    if (!opened.ok) return this.refuse(order, digest, undefined, opened.why, opened.remedy);
    const { number, text } = opened.content;
    if (!isFor(opened.content, gateway.id))
      return this.refuse(
        order,
        digest,
        number,
        `it is for ${opened.content.gateway}, and this gateway is ${gateway.id}`,
        'Make one for this gateway: millgate bundle FILE --gateway ID.',
      );
    if (number <= this.state.number)
      return this.refuse(
        order,
        digest,
        number,
        `its number ${number} is not above ${this.state.number}, which this gateway took already`,
        'An old configuration comes back as a new bundle with a higher number.',
      );
    const answer = await apply({ text, by: `bundle ${number} (${order.by})` });
    if (!answer.ok) {
      const [first] = answer.problems.filter(({ severity }) => severity === 'error');
      const why = `its configuration is not valid: ${first ? formatProblem(first) : 'see problems'}`;
      return this.refuse(order, digest, number, why, 'Mend the file and make a bundle again.', answer.problems);
    }
    await this.remember({ ...this.state, number, digest, hash: answer.hash });
    const { hash, changes, warnings, pending } = answer;
    this.tell(
      'bundle',
      order.by,
      `bundle ${number} is taken: configuration ${hash}${pending ? ', on trial' : ', which runs already'}`,
      {
        number,
        config: hash,
      },
    );
    return { ok: true, number, hash, outcome: pending ? 'on-trial' : 'unchanged', changes, warnings };
  }

  /** A timer brings the same bundle again and again. */
  private known({ number, hash }: State): BundleAnswer {
    const running = this.parts.config().hash;
    if (running === hash) return { ok: true, number, hash, outcome: 'known', changes: [], warnings: [] };
    const entry = this.parts.history().find((each) => each.hash === hash);
    const isTakenBack = entry?.outcome === 'rolled-back' || entry?.outcome === 'failed';
    return {
      ok: false,
      number,
      why: isTakenBack
        ? `bundle ${number} was tried and taken back: ${entry.why ?? entry.outcome}`
        : `bundle ${number} was taken, and configuration ${running}, which came later, is in force in its place`,
      remedy: isTakenBack
        ? 'Mend the file and make a bundle with a higher number.'
        : 'To have it back, make it again: it gets a higher number.',
      problems: [],
    };
  }

  /** Nothing is changed; upstream is told, once for each bundle. */
  private async refuse(
    { by }: BundleOrder,
    digest: string,
    number: number | undefined,
    why: string,
    remedy: string,
    problems: readonly ConfigurationProblem[] = [],
  ): Promise<BundleAnswer> {
    const state = this.state!;
    if (state.refused !== digest) {
      const message = `bundle${number === undefined ? '' : ` ${number}`} is refused: ${why}`;
      this.parts.log.error(`${message}. What runs goes on.`);
      this.tell('bundle-refused', by, message, { digest, ...(number !== undefined && { number }) });
      await this.remember({ ...state, refused: digest });
    }
    return { ok: false, number, why, remedy, problems };
  }

  private async remember(state: State): Promise<void> {
    await writeAtomically(this.parts.disk, this.file, `${JSON.stringify(state)}\n`);
    this.state = state;
  }

  /** A state that cannot be read is refused: without its number, an old bundle could come back. */
  private async read(): Promise<State> {
    const text = await this.parts.disk.read(this.file);
    if (text === undefined) return NONE;
    try {
      return stateSchema().parse(JSON.parse(text));
    } catch {
      throw new Fault(
        `${this.file} is damaged, and with it the number of the last bundle`,
        `Remove it if the next bundle is known to be newer: rm ${this.file}`,
      );
    }
  }

  private tell(what: string, by: string, message: string, details: object): void {
    this.parts.event({ kind: 'audit', what, by, message, ...details });
  }
}
