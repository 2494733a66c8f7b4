/** Describes one unit that answered: who it is, or where it has registers. */
import type { ProfileFacts } from '../../config/profiles/profile-book.ts';
import { EXIT, Fault } from '../../core/errors.ts';
import type { CliContext, CommonOptions } from '../terminal/context.ts';
import { type ChannelKeys, type Identified, identify, scanFile } from './scan-identify.ts';
import { type RegisterRange, surveyRegisters } from './scan-survey.ts';

/** What is known of a unit that answered: who it is, and where it has registers if no profile says so. */
export interface UnitDescription {
  /** Undefined: it was not asked, or has fallen silent. */
  readonly who: Identified | undefined;
  readonly registers: readonly RegisterRange[];
}

/** How many unknown units of a scan are searched for their registers: some seconds each. */
const MOST_SURVEYS = 4;

/**
 * Asks a unit who it is; an unknown one is searched for registers. After Ctrl-C, and where the unit or the line is gone
 * by now, what is known stays as it is.
 *
 * @param index how many units were described before it
 * @throws Fault (exit 77, 78) that has nothing to do with the unit
 */
export async function describeUnit(
  channel: ChannelKeys,
  unit: number,
  index: number,
  profiles: readonly ProfileFacts[],
  options: CommonOptions,
  context: CliContext,
): Promise<UnitDescription> {
  let who: Identified | undefined;
  try {
    if (context.signal.aborted) return { who, registers: [] };
    who = await identify(channel, unit, profiles, options, context);
    const isUnknown = who.isThere && who.profiles.length === 0;
    if (!isUnknown || index >= MOST_SURVEYS) return { who, registers: [] };
    return { who, registers: await surveyRegisters(scanFile(options, context), channel, unit, context) };
  } catch (error) {
    if (context.signal.aborted || (error instanceof Fault && error.exitCode === EXIT.unavailable))
      return { who, registers: [] };
    throw error;
  }
}
