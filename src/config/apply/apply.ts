/** Changes the configuration of a running gateway: tries a file, keeps it or returns to the last good one. */
import type { Clock } from '../../core/clock.ts';
import type {
  ApplyAnswer,
  ApplyOrder,
  CheckedText,
  ConfigurationChange,
  ConfigurationEdit,
  ConfigurationFiles,
  ConfigurationStatus,
  DeviceFlow,
  RunningFiles,
} from '../../core/configuration.ts';
import { Fault, messageOf } from '../../core/errors.ts';
import type { EventBody } from '../../core/event.ts';
import type { Logger } from '../../core/log.ts';
import { formatDuration } from '../../core/quantity.ts';
import type { Config } from '../config.ts';
import { mainName } from '../file/disk-files.ts';
import { formatProblem } from '../file/problems.ts';
import { type Archive, MAX_CHANGES, type Place, type Trial } from './archive.ts';
import { changes, changeText, touchedChannels } from './changes.ts';
import type { FileSource, LoadedFiles } from './config-files.ts';
import { type DeviceStand, type Expected, expected, flowOf, silent } from './flow.ts';
import { type InForce, TrialRecords } from './trial-records.ts';

/** What applying needs of the gateway that runs. */
interface ApplyRuntime {
  config(): Config;
  /** Puts another configuration in force, as a whole or not at all; says since when it is, monotonic ms. */
  reconfigure(config: Config): Promise<number>;
  /** Says that the configuration in force stays. */
  settle(): Promise<void>;
  devices(): readonly DeviceStand[];
  event(body: EventBody): void;
  /** Called when not even the configuration before can be brought back: the process has to be started again. */
  onFailed(cause: unknown): void;
}

/** What applying is made of. */
interface ApplyParts {
  readonly runtime: ApplyRuntime;
  readonly archive: Archive;
  readonly place: Place;
  readonly clock: Clock;
  readonly log: Logger;
  /** Loads at the place of the gateway's file. */
  readonly load: (source: FileSource) => Promise<LoadedFiles>;
  /** The files of the configuration in force at the start. */
  readonly files: ConfigurationFiles;
}

/** How often the data is looked at while a configuration is on trial. */
const LOOK_EVERY_MS = 250;

/** Who orders what no person did by name. */
const BY_SIGNAL = 'systemctl reload';

/** Texts that may be checked or wait for it at once. */
const MOST_CHECKS = 4;

interface OnTrial {
  readonly trial: Trial;
  readonly before: InForce;
  readonly changes: readonly ConfigurationChange[];
  readonly expected: readonly Expected[];
  readonly sinceMonoMs: number;
  readonly confirmMs: number | undefined;
  confirmedBy: string | undefined;
  flows: boolean;
}

/** Changes the configuration while the gateway runs. */
export class Applying {
  private readonly parts: ApplyParts;
  private readonly records: TrialRecords;
  private files: ConfigurationFiles;
  private trial: OnTrial | undefined;
  private isBusy = false;
  /** Texts that are checked or wait for it, and when the last of them is done. */
  private checks = 0;
  private checked: Promise<unknown> = Promise.resolve();
  private isOver = false;
  private cancelLook: () => void = () => {};

  constructor(parts: ApplyParts) {
    this.parts = parts;
    this.records = new TrialRecords(parts);
    this.files = parts.files;
  }

  /** Answers once the text is in force; whether it is kept shows in the status. Throws `Fault` when nothing was done. */
  apply(order: ApplyOrder): Promise<ApplyAnswer> {
    return this.alone(() => this.begin({ from: 'text', text: order.text }, { how: 'apply', ...order }));
  }

  /** What a text would change, without doing it, with an entry put into it first; `pending`: whether it would change anything. */
  async check(given: string, edit?: ConfigurationEdit): Promise<CheckedText> {
    const { text, result } = await this.loaded(given, edit);
    if (!result.ok) return { ok: false, problems: result.problems, text };
    const running = this.parts.runtime.config();
    const { hash } = result.config;
    const pending = hash !== running.hash;
    return { ok: true, hash, changes: changes(running, result.config), warnings: result.warnings, pending, text };
  }

  /** The configuration that a text would be. Throws `Fault` for one that is not valid. */
  async configOf(given: string): Promise<Config> {
    const { result } = await this.loaded(given);
    if (result.ok) return result.config;
    const [first] = result.problems.map(formatProblem);
    throw new Fault(`the text is not valid: ${first}`, 'Mend it first; the check of the text shows every problem.');
  }

  /** One after the other, as each takes a thread: a page checks while it is typed, and a form waits for its turn. */
  private async loaded(given: string, edit?: ConfigurationEdit) {
    if (this.checks >= MOST_CHECKS)
      throw new Fault(`${MOST_CHECKS} texts are being checked right now`, 'Try again in a moment.');
    this.checks++;
    const load = () => this.parts.load({ from: 'text', text: given, edit });
    const turn = this.checked.then(load, load);
    this.checked = turn.catch(() => {});
    try {
      const { result, files } = await turn;
      return { result, text: files[mainName(this.parts.place.file)] ?? given };
    } finally {
      this.checks--;
    }
  }

  /** Keeps what is on trial; its data still has to flow. Throws `Fault` when it flowed and does no more: the trial goes on. */
  confirm(by: string): Promise<void> {
    return this.alone(async () => {
      const { trial } = this;
      if (!trial) throw new Fault('nothing waits to be confirmed', 'millgate apply --history shows what was kept.');
      this.refuseSilent(trial);
      trial.confirmedBy ??= by;
      this.tell('confirm', by, trial.trial.hash, `configuration ${trial.trial.hash} was confirmed by ${by}`);
      await this.look();
    });
  }

  /** Takes back what is on trial, else the last configuration that was kept. */
  rollback(by: string): Promise<void> {
    return this.alone(() => (this.trial ? this.takeBack(`it was taken back by ${by}`) : this.goBack(by)));
  }

  /** Applies the files on the disk. Refused, they are left alone and the running goes on; never throws. */
  async reload(): Promise<void> {
    const { log } = this.parts;
    try {
      const answer = await this.alone(() => this.begin({ from: 'disk' }, { how: 'reload', by: BY_SIGNAL }));
      if (!answer.ok)
        this.refuseReload(answer.problems.filter(({ severity }) => severity === 'error').map(formatProblem));
      else if (!answer.pending) log.info('reload: the files are those in force; nothing to change');
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.refuseReload([error.message]);
    }
  }

  async status(): Promise<ConfigurationStatus> {
    const { runtime, archive, place } = this.parts;
    const { trial } = this;
    const { history } = archive.ledger();
    const status = { file: place.file, hash: runtime.config().hash, history };
    const onDisk = await this.records.compare(this.files);
    if (!trial) return { ...status, onDisk };
    const { hash, how, by, atMs } = trial.trial;
    const devices = this.flow(trial);
    return {
      ...status,
      onDisk,
      pending: {
        hash,
        how,
        by,
        sinceMs: atMs,
        changes: trial.changes,
        confirmedBy: trial.confirmedBy,
        awaits: trial.flows && silent(devices).length === 0 ? 'confirmation' : 'data',
        confirmByMs: trial.confirmMs === undefined ? undefined : atMs + trial.confirmMs,
        devices,
      },
    };
  }

  running(): RunningFiles {
    const { runtime, place } = this.parts;
    return { file: place.file, hash: runtime.config().hash, files: this.files };
  }

  /** Ends watching. What is on trial is rolled back by the next start. */
  close(): void {
    this.isOver = true;
    this.cancelLook();
  }

  /** One at a time: whoever comes meanwhile is told so. */
  private async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.isBusy) throw new Fault('the configuration is being changed right now', 'Try again in a moment.');
    this.isBusy = true;
    try {
      return await work();
    } finally {
      this.isBusy = false;
    }
  }

  private async begin(source: FileSource, order: Omit<ApplyOrder, 'text'> & Pick<Trial, 'how'>): Promise<ApplyAnswer> {
    const { runtime, load } = this.parts;
    if (this.trial) {
      const { by, hash } = this.trial.trial;
      throw new Fault(
        `configuration ${hash}, applied by ${by}, is on trial`,
        'Keep it (millgate confirm) or take it back (millgate rollback) first.',
      );
    }
    const { result, files } = await load(source);
    if (!result.ok) return { ok: false, problems: result.problems };
    const before: InForce = { config: runtime.config(), files: this.files };
    const after: InForce = { config: result.config, files };
    const found = changes(before.config, after.config);
    const fixed = found.find(({ needsRestart }) => needsRestart !== undefined);
    if (fixed) throw new Fault(changeText(fixed), '');
    const { hash } = after.config;
    const pending = hash !== before.config.hash;
    // A file that was edited in its place and is then named to apply: to come back, it has to be put aside.
    const how = order.how === 'apply' && (await this.records.compare(files)) === 'same' ? 'reload' : order.how;
    if (how === 'apply') await this.refuseUntried();
    if (pending) await this.try(before, after, found, { ...order, how });
    else if (order.how === 'apply') await this.installRunning(order.by);
    return { ok: true, hash, changes: found, warnings: result.warnings, pending };
  }

  /** A rollback leaves the other files alone, so that the next start would load a mix that nobody tried. */
  private async refuseUntried(): Promise<void> {
    const { file } = this.parts.place;
    const names = (await this.records.edited(this.files)).filter((name) => name !== mainName(file));
    if (names.length === 0) return;
    throw new Fault(
      `${names.join(', ')} beside ${file}: edited, and not in force`,
      'Apply that first (systemctl reload millgate) or undo it; millgate diff shows it.',
    );
  }

  /** The file that runs is put in its place again. */
  private async installRunning(by: string): Promise<void> {
    const { runtime, log } = this.parts;
    const edited = await this.records.install(this.files, this.files);
    if (edited === '') return;
    const { hash } = runtime.config();
    const text = `apply by ${by}: the file of configuration ${hash}, which runs, is in its place again${edited}`;
    log.warn(text);
    this.tell('apply', by, hash, text);
  }

  /** Puts a configuration in force, on trial. The file on the disk stays the old one until it is kept. */
  private async try(
    before: InForce,
    after: InForce,
    found: readonly ConfigurationChange[],
    order: Omit<ApplyOrder, 'text'> & Pick<Trial, 'how'>,
  ): Promise<void> {
    const { runtime, clock, log } = this.parts;
    const { how, by, confirmMs } = order;
    const words = found.slice(0, MAX_CHANGES).map(changeText);
    const [hash, old] = [after.config.hash, before.config.hash];
    const trial: Trial = { hash, before: old, how, by, atMs: clock.wallMs(), changes: words };
    const awaited = found.length === 0 ? [] : this.awaited(before.config, after.config);
    await this.records.prepare(trial, [before, after]);
    let sinceMonoMs: number;
    try {
      sinceMonoMs = await runtime.reconfigure(after.config);
    } catch (error) {
      await this.records.enter(trial, 'failed', { why: messageOf(error) });
      throw error;
    }
    this.files = after.files;
    this.trial = {
      trial,
      before,
      changes: found,
      expected: awaited,
      sinceMonoMs,
      confirmMs,
      confirmedBy: undefined,
      flows: false,
    };
    const text = `${how} by ${by}: configuration ${old} → ${hash}, on trial; ${words.join('. ') || 'comments only'}`;
    log.info(text);
    this.tell(how, by, hash, text, { changes: words });
    this.lookLater();
  }

  private awaited(before: Config, after: Config): readonly Expected[] {
    return expected(after, this.parts.runtime.devices(), touchedChannels(before, after));
  }

  private lookLater(): void {
    this.cancelLook();
    if (this.isOver || !this.trial) return;
    this.cancelLook = this.parts.clock.after(LOOK_EVERY_MS, () => {
      const done = this.isBusy ? Promise.resolve() : this.alone(() => this.look());
      done.catch((error: unknown) => this.parts.runtime.onFailed(error)).finally(() => this.lookLater());
    });
  }

  private flow({ expected: awaited, sinceMonoMs }: OnTrial): readonly DeviceFlow[] {
    const { runtime, clock } = this.parts;
    return flowOf(awaited, runtime.devices(), sinceMonoMs, clock.monoMs());
  }

  /** Data that flowed at the beginning says nothing of now: a line may have died since. */
  private refuseSilent(trial: OnTrial): void {
    const names = trial.flows ? silent(this.flow(trial)).map(({ device }) => device) : [];
    if (names.length === 0) return;
    throw new Fault(
      `configuration ${trial.trial.hash} is not kept: no good reading comes any more from ${names.join(', ')}`,
      'Look at millgate status; confirm again once they read, or take it back: millgate rollback. Else it is taken back by itself.',
    );
  }

  /** Keeps what is on trial or takes it back, once that can be told. */
  private async look(): Promise<void> {
    const { trial } = this;
    if (!trial) return;
    const nowMs = this.parts.clock.monoMs();
    const flow = this.flow(trial);
    const late = flow.filter(({ state, required }) => required && state === 'late');
    if (late.length > 0 && !trial.flows) {
      const names = late.map(({ device, deadlineMs }) => `${device} (waited ${formatDuration(deadlineMs)})`);
      return this.takeBack(`no good reading came from ${names.join(', ')}, which read good before`);
    }
    trial.flows ||= flow.every(({ state, required }) => state === 'flows' || (state === 'late' && !required));
    const isConfirmed = trial.confirmMs === undefined || trial.confirmedBy !== undefined;
    if (trial.flows && isConfirmed) return this.keep(trial);
    if (!isConfirmed && nowMs - trial.sinceMonoMs >= trial.confirmMs!)
      return this.takeBack(`nobody confirmed it within ${formatDuration(trial.confirmMs!)}`);
  }

  private async keep(onTrial: OnTrial): Promise<void> {
    const { runtime, log } = this.parts;
    const { trial, before, confirmedBy } = onTrial;
    let edited = '';
    try {
      if (trial.how === 'apply') edited = await this.records.install(this.files, before.files);
    } catch (error) {
      return this.takeBack(messageOf(error));
    }
    await this.records.enter(trial, 'kept');
    await runtime.settle();
    this.trial = undefined;
    const who = confirmedBy === undefined ? '' : `, confirmed by ${confirmedBy}`;
    const text = `configuration ${trial.hash} is kept${who}; data flows${edited}`;
    if (edited === '') log.info(text);
    else log.warn(text);
    this.tell('apply-kept', trial.by, trial.hash, text, { confirmedBy });
  }

  private async takeBack(why: string): Promise<void> {
    const { runtime, log } = this.parts;
    const { trial, before } = this.trial!;
    const rejected = this.files;
    try {
      await runtime.reconfigure(before.config);
    } catch (error) {
      runtime.onFailed(error);
      return;
    }
    this.files = before.files;
    const restored = trial.how === 'reload' ? await this.records.restore(before.files, rejected) : undefined;
    const text = `configuration ${trial.hash} was rolled back to ${trial.before}: ${why}${restored?.text ?? ''}`;
    log.warn(text);
    await this.records.enter(trial, 'rolled-back', { why, isLeft: restored?.done === false });
    await runtime.settle();
    this.trial = undefined;
    this.tell('apply-rolled-back', trial.by, trial.hash, text, { why, back: trial.before });
  }

  /** By hand, with nothing on trial: to the latest other configuration that was kept. */
  private async goBack(by: string): Promise<void> {
    const { runtime, archive, load, log, clock } = this.parts;
    const before: InForce = { config: runtime.config(), files: this.files };
    const old = before.config.hash;
    const target = archive.ledger().good.find((hash) => hash !== old);
    const files = target === undefined ? undefined : await archive.files(target);
    if (target === undefined || !files)
      throw new Fault(
        'there is no earlier configuration to return to',
        'millgate apply --history lists what is known.',
      );
    const { result } = await load({ from: 'files', files });
    const errors = result.ok ? [] : result.problems.filter(({ severity }) => severity === 'error').map(formatProblem);
    if (!result.ok)
      throw new Fault(
        `configuration ${target} is not valid any more: ${errors.join('; ')}`,
        'Apply a file instead: millgate apply FILE.',
      );
    const found = changes(before.config, result.config);
    const fixed = found.find(({ needsRestart }) => needsRestart !== undefined);
    if (fixed) throw new Fault(changeText(fixed), '');
    const words = found.slice(0, MAX_CHANGES).map(changeText);
    const trial: Trial = { hash: target, before: old, how: 'rollback', by, atMs: clock.wallMs(), changes: words };
    await this.records.prepare(trial, [before, { config: result.config, files }]);
    let edited = '';
    try {
      await runtime.reconfigure(result.config);
      edited = await this.replaceFiles(files, before.files);
    } catch (error) {
      if (runtime.config() !== before.config) await runtime.reconfigure(before.config);
      await this.records.enter(trial, 'failed', { why: messageOf(error) });
      throw error;
    }
    this.files = files;
    await this.records.enter(trial, 'kept', { bad: old });
    await runtime.settle();
    const text = `rollback by ${by}: configuration ${old} → ${target}${edited}`;
    log.warn(text);
    this.tell('rollback', by, target, text, { changes: words });
  }

  /** All of them or, as far as the disk lets us, none. */
  private async replaceFiles(files: ConfigurationFiles, left: ConfigurationFiles): Promise<string> {
    const { records, parts } = this;
    try {
      return await records.replace(files, left);
    } catch (error) {
      await records.replace(left, files).catch((again: unknown) => parts.log.error(messageOf(again)));
      throw error;
    }
  }

  private refuseReload(reasons: readonly string[]): void {
    const { log, runtime } = this.parts;
    log.error('reload: the files are refused as a whole, and what runs goes on unchanged:');
    for (const reason of reasons) log.error(reason);
    const message = `reload refused: ${reasons.length} ${reasons.length === 1 ? 'problem' : 'problems'}, the first: ${reasons[0]}`;
    runtime.event({ kind: 'audit', what: 'reload-refused', by: BY_SIGNAL, message });
  }

  private tell(what: string, by: string, config: string, message: string, details: object = {}): void {
    this.parts.runtime.event({ kind: 'audit', what, by, config, message, ...details });
  }
}
