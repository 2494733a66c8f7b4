/** Matches lines against patterns, and stops those that run wild. */
import { createContext, Script } from 'node:vm';
import { type Checked, failed, passed } from '../../src/core/checked.ts';
import { codeOf, messageOf } from '../../src/core/errors.ts';

/** Longest pattern, characters. */
const LONGEST_PATTERN = 500;

/** A pattern that takes longer than this on one line is stopped, ms. A busy host may take as long without its fault: */
export const LONGEST_MATCH_MS = 50;

/** … so it is tried this often on one line, and not used again only after this many lines in a row. */
const TRIES = 2;
const LINES = 2;

/**
 * Checks a pattern: a regular expression that cannot run wild for a reason one can see.
 *
 * @param kind whether a group named `value` must say which part of the line is the value
 */
export function checkPattern(text: string, kind: 'with a value' | 'without a value' = 'with a value'): Checked<RegExp> {
  const wrong = (message: string) => failed(['pattern'], message);
  if (text.length > LONGEST_PATTERN)
    return wrong(`the pattern has more than ${LONGEST_PATTERN} characters: shorten it`);
  let pattern: RegExp;
  try {
    pattern = new RegExp(text);
  } catch (error) {
    return wrong(whyInvalid(messageOf(error)));
  }
  if (kind === 'with a value' && !text.includes('(?<value>'))
    return wrong(
      'the pattern does not say which part of the line is the value: put that part in a group, (?<value>[-+0-9.]+)',
    );
  const nested = nestedRepeat(text);
  if (nested !== undefined)
    return wrong(
      `the pattern repeats a part that itself repeats, "${nested}", which can take for ever: remove one of the two repeats`,
    );
  if (/\\[1-9]|\\k</.test(text))
    return wrong('the pattern refers back to a group (\\1, \\k<…>), which can take for ever: remove that');
  return passed(pattern);
}

/** What the runtime finds wrong with a pattern, in our words. */
function whyInvalid(message: string): string {
  if (message.endsWith('Unterminated group')) return 'a "(" in the pattern is not closed: add ")"';
  if (message.endsWith("Unmatched ')'"))
    return 'a ")" in the pattern has no "(": remove it, or write \\) for the character';
  if (message.endsWith('Unterminated character class')) return 'a "[" in the pattern is not closed: add "]"';
  if (message.endsWith('Nothing to repeat'))
    return 'a * + or ? in the pattern has nothing before it to repeat: write \\* \\+ or \\? for the character itself';
  if (message.endsWith('\\ at end of pattern'))
    return 'the pattern ends with a single \\: write \\\\ for the character itself';
  if (message.endsWith('Invalid group'))
    return 'a "(?" in the pattern begins no group: write (?<value>…) for the value, or \\( for the character';
  if (message.endsWith('Duplicate capture group name'))
    return 'two groups of the pattern have the same name: rename one';
  return `the pattern is not a regular expression (${message.replace(/^.*: /, '')}): correct it`;
}

/** The first group that repeats without bound and holds something that does: the common form of exponential patterns. */
function nestedRepeat(text: string): string | undefined {
  const starts: { at: number; repeats: boolean }[] = [];
  let inClass = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\') index++;
    else if (inClass) inClass = character !== ']';
    else if (character === '[') inClass = true;
    else if (character === '(') starts.push({ at: index, repeats: false });
    else if (character === ')') {
      const group = starts.pop();
      const isRepeated = isUnbounded(text, index + 1);
      if (group?.repeats && isRepeated) return text.slice(group.at, index + 2);
      const outer = starts.at(-1);
      if (outer && (group?.repeats || isRepeated)) outer.repeats = true;
    } else if (isUnbounded(text, index)) {
      const group = starts.at(-1);
      if (group) group.repeats = true;
    }
  }
  return undefined;
}

function isUnbounded(text: string, at: number): boolean {
  return /^(?:[*+]|\{\d+,\})/.test(text.slice(at, at + 12));
}

/** The groups of a match; `none`: the line is another; `slow`: the pattern ran out of time. */
export type Match = { readonly [group: string]: string | undefined } | 'none' | 'slow';

/** Matches a pattern against a line. */
type Matcher = (pattern: RegExp, line: string) => Match;

/**
 * A matcher whose patterns are stopped after {@link LONGEST_MATCH_MS}: what a pattern costs cannot be read from it. One
 * that was stopped on several lines in a row is `slow` from then on without being tried.
 */
export function boundedMatcher(): Matcher {
  const script = new Script('pattern.exec(line)');
  const sandbox: { pattern: RegExp | undefined; line: string } = { pattern: undefined, line: '' };
  const context = createContext(sandbox);
  const stopped = new Map<RegExp, number>();

  const once = (): RegExpExecArray | null | 'stopped' => {
    try {
      return script.runInContext(context, { timeout: LONGEST_MATCH_MS }) as RegExpExecArray | null;
    } catch (error) {
      if (codeOf(error) !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      return 'stopped';
    }
  };

  return (pattern, line) => {
    const before = stopped.get(pattern) ?? 0;
    if (before >= LINES) return 'slow';
    sandbox.pattern = pattern;
    sandbox.line = line;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const match = once();
      if (match === 'stopped') continue;
      if (before > 0) stopped.delete(pattern);
      return match ? { ...match.groups } : 'none';
    }
    stopped.set(pattern, before + 1);
    return 'slow';
  };
}
