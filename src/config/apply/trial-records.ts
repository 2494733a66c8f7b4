/** Keeps a trial on the disk so that at any instant one whole configuration can be returned to. */
import { dirname, join } from 'node:path';
import type { ConfigurationEntry, ConfigurationFiles, ConfigurationStatus } from '../../core/configuration.ts';
import type { Logger } from '../../core/log.ts';
import type { Config } from '../config.ts';
import { isOwn, mainName } from '../file/disk-files.ts';
import {
  type Archive,
  entered,
  installFiles,
  keepCopies,
  type Place,
  putAside,
  removeStaged,
  type Trial,
} from './archive.ts';
import { diskFault, stagedName } from './durable.ts';

/** A configuration with its files. */
export interface InForce {
  readonly config: Config;
  readonly files: ConfigurationFiles;
}

/** Whether the files in force are back in their places, and what to say of it. */
interface Restored {
  readonly done: boolean;
  readonly text: string;
}

/** What there is to say of the end of a trial besides its outcome. */
interface Verdict {
  readonly why?: string;
  /** A configuration that counts as good no more. */
  readonly bad?: string;
  /** The rejected files are still in place: the trial stays noted, so that the next start puts them aside. */
  readonly isLeft?: boolean;
}

/**
 * What of a trial is on the disk: at any instant enough to come back to one whole configuration. The order of steps: the
 * new file beside the old one, both configurations in the archive, then the note of the trial; only what is kept takes
 * the place of the file.
 */
export class TrialRecords {
  private readonly archive: Archive;
  private readonly place: Place;
  private readonly log: Logger;

  constructor({ archive, place, log }: { readonly archive: Archive; readonly place: Place; readonly log: Logger }) {
    this.archive = archive;
    this.place = place;
    this.log = log;
  }

  /** Says that a trial begins, once all that is needed to undo it is there. Throws `Fault` when it may not be written. */
  async prepare(trial: Trial, both: readonly InForce[]): Promise<void> {
    const { disk, file } = this.place;
    try {
      const next = both.find(({ config }) => config.hash === trial.hash)!;
      const path = await disk.realPath(file);
      if (trial.how === 'apply') await disk.write(stagedName(path), next.files[mainName(file)]!, path);
    } catch (error) {
      throw diskFault(file, error);
    }
    try {
      for (const { config, files } of both) await this.archive.keep(config.hash, files);
      await this.archive.note({ ...this.archive.ledger(), trial });
    } catch (error) {
      await removeStaged(this.place).catch(() => {});
      throw diskFault('the folder of the store', error);
    }
  }

  /** Puts the main file of a configuration in the place of another; what to say of an edit by hand that was there. */
  install(files: ConfigurationFiles, left: ConfigurationFiles): Promise<string> {
    const main = mainName(this.place.file);
    return this.replace({ [main]: files[main]! }, { [main]: left[main]! });
  }

  /** The same for all files of a configuration. */
  async replace(files: ConfigurationFiles, left: ConfigurationFiles): Promise<string> {
    try {
      return await this.put(files, left);
    } catch (error) {
      throw diskFault(this.place.file, error);
    }
  }

  /** After a reload: puts the files in force back and the rejected one aside; what became of it. Never throws. */
  async restore(files: ConfigurationFiles, rejected: ConfigurationFiles): Promise<Restored> {
    try {
      const aside = await putAside(this.place, rejected);
      const edited = await this.put(files, rejected);
      return { done: true, text: `. The rejected file is kept as ${aside}${edited}` };
    } catch (error) {
      this.log.error(`the file before could not be put back: ${diskFault(this.place.file, error).message}`);
      return { done: false, text: '. The rejected file is still in place until the next start' };
    }
  }

  /** Says what became of a trial. Never throws. */
  async enter(trial: Trial, outcome: ConfigurationEntry['outcome'], { why, bad, isLeft }: Verdict = {}): Promise<void> {
    const { hash, how, by, atMs, changes } = trial;
    const { archive } = this;
    const ledger = entered(archive.ledger(), { hash, how, by, atMs, outcome, why, changes });
    try {
      await archive.note({ ...ledger, good: ledger.good.filter((each) => each !== bad), ...(isLeft && { trial }) });
      if (outcome !== 'kept') await removeStaged(this.place);
    } catch (error) {
      const { message } = diskFault('the store', error);
      this.log.error(`what became of configuration ${hash} could not be noted: ${message}`);
    }
  }

  /** Whether the files on the disk are these. */
  async compare(files: ConfigurationFiles): Promise<ConfigurationStatus['onDisk']> {
    try {
      return (await this.differing(files)).length === 0 ? 'same' : 'different';
    } catch {
      return 'unreadable';
    }
  }

  /** Names of the files on the disk that are not these, from the folder of the main file. Throws `Fault` when they cannot be read. */
  async edited(files: ConfigurationFiles): Promise<readonly string[]> {
    try {
      return await this.differing(files);
    } catch (error) {
      throw diskFault(dirname(this.place.file), error);
    }
  }

  private async differing(files: ConfigurationFiles): Promise<readonly string[]> {
    const { disk, file } = this.place;
    const folder = dirname(file);
    const beside = (await disk.list(join(folder, 'conf.d'))).map((name) => `conf.d/${name}`);
    const names = new Set([...Object.keys(files), ...beside.filter((name) => isOwn(name, mainName(file)))]);
    const found: string[] = [];
    for (const name of names) if ((await disk.read(join(folder, name))) !== files[name]) found.push(name);
    return found;
  }

  /** Somebody may have edited a file since it was loaded: that text is copied before another takes its place. */
  private async put(files: ConfigurationFiles, left: ConfigurationFiles): Promise<string> {
    const copies = await keepCopies(this.place, files, [left], 'edited');
    await installFiles(this.place, files, left);
    return copies.length === 0 ? '' : `. An edit by hand that was not in force is kept as ${copies.join(', ')}`;
  }
}
