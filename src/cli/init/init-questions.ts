/** Asks the questions of `init` that no flag has answered. */
import { realpathSync } from 'node:fs';
import { basename } from 'node:path';
import type { ConfigProblem } from '../../config/config.ts';
import { EXIT, Fault, messageOf } from '../../core/errors.ts';
import { toName } from '../../core/fields.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import { loadText } from '../configuration.ts';
import { refuseOwned } from '../owner.ts';
import { limitsOf, searchSerial } from '../scan/scan.ts';
import { identify, type Likely, profilesFor, titleOf } from '../scan/scan-identify.ts';
import { profileText, registerLines, selfDescription, type UnitRow, unitTable } from '../scan/scan-text.ts';
import { type CliContext, print, warn } from '../terminal/context.ts';
import { Ended, type Prompt } from '../terminal/prompt.ts';
import { parseTag, renderFile } from './init-file.ts';
import { channelKeys, type InitOptions, planOf } from './init-options.ts';

/** What is filled in step by step: the flags, and what was answered. */
export type Answers = { -readonly [Key in keyof InitOptions]: InitOptions[Key] };

/**
 * Asks for whatever the flags leave open: where the device is (its unit is searched if wanted), what it is, and where
 * readings go.
 *
 * @param answers the flags; each answer is filled in as it is given, as if it had been a flag
 * @throws Ended after Ctrl-C; Fault (exit 69 or 77) when a port cannot be used
 */
export async function askForTheRest(
  answers: Answers,
  file: string,
  prompt: Prompt,
  context: CliContext,
): Promise<void> {
  if (answers.port === undefined && answers.host === undefined) await askPlace(answers, prompt);
  const suggested = await askUnit(answers, prompt, context);
  if (answers.profile === undefined && (answers.tag ?? []).length === 0)
    await askMeaning(answers, suggested, file, prompt, context);
  const isName = (text: string): string | undefined =>
    NAME_PATTERN.test(text) ? undefined : 'a-z, 0-9, - and _, beginning with a letter or digit';
  answers.device ??= await prompt.text('Name of the device, part of every tag', {
    fallback: answers.profile ?? `unit-${answers.unit}`,
    check: isName,
  });
  answers.id ??= await prompt.text('Name of this gateway, part of every topic', {
    fallback: toName(context.hostname) ?? 'gateway',
    check: isName,
  });
  answers.location ??= (await prompt.text('Where it is: enterprise/site/area, or nothing')) || undefined;
  if (answers.broker === undefined) await askBroker(answers, prompt);
}

async function askPlace(answers: Answers, prompt: Prompt): Promise<void> {
  const { serialPorts } = await import('../../../hal/scan.ts');
  const place = await prompt.choose('Where is the device?', [
    ...serialPorts().map((port) => ({ label: `serial port ${port}${numberOf(port)}`, value: port })),
    { label: 'on the network: Modbus TCP, or a converter', value: 'network' },
    { label: 'at another serial port, by its path', value: 'path' },
  ]);
  if (place === 'network')
    answers.host = await prompt.text('Address or name of the device, with :PORT if it is not 502', { check: needed });
  else if (place === 'path') answers.port = await prompt.text('Path of the serial port', { check: needed });
  else answers.port = place;
}

/** Which number the kernel gave a port whose name stays. */
function numberOf(port: string): string {
  try {
    const real = realpathSync(port);
    return real === port ? '' : ` (${basename(real)} now)`;
  } catch {
    return '';
  }
}

function needed(answer: string): string | undefined {
  return answer === '' ? 'something is needed here' : undefined;
}

/** Finds settings and unit: by a scan, or as the technician knows them. Gives the profiles that fit. */
async function askUnit(answers: Answers, prompt: Prompt, context: CliContext): Promise<readonly Likely[]> {
  const { port } = answers;
  const isKnown = answers.baud !== undefined && answers.parity !== undefined && answers.unit !== undefined;
  if (port !== undefined && !isKnown) {
    const how = await prompt.choose('Baud rate, parity and unit id of the device?', [
      { label: 'find them: scan the line (it only reads)', value: 'scan' },
      { label: 'I know them', value: 'known' },
    ]);
    const row = how === 'scan' ? await scanFor(port, answers, prompt, context) : undefined;
    if (row) return row.who?.profiles ?? [];
    answers.baud ??= await prompt.text('Baud rate', {
      fallback: '9600',
      check: (text) => (/^\d{3,7}$/.test(text) ? undefined : 'a number such as 9600'),
    });
    answers.parity ??= await prompt.choose('Parity?', [
      { label: 'none', value: 'none' },
      { label: 'even', value: 'even' },
      { label: 'odd', value: 'odd' },
    ]);
    answers.stopBits ??= await prompt.text('Stop bits', {
      fallback: '1',
      check: (text) => (/^[12]$/.test(text) ? undefined : '1 or 2'),
    });
  }
  if (answers.host !== undefined && answers.unit === undefined) {
    const how = await prompt.choose('Unit id of the device?', [
      { label: 'find it: ask the host (it only reads)', value: 'scan' },
      { label: 'I know it', value: 'known' },
    ]);
    const row = how === 'scan' ? await searchHost(answers, prompt, context) : undefined;
    if (row) return row.who?.profiles ?? [];
  }
  answers.unit ??= await prompt.text('Unit id', {
    fallback: '1',
    check: (text) =>
      /^\d{1,3}$/.test(text) && Number(text) <= 255 ? undefined : 'a number up to 247 (255 over the network)',
  });
  return answers.profile === undefined && (answers.tag ?? []).length === 0 ? ask(answers, context) : [];
}

/** A scan of the port; undefined when nothing was found and the settings are to be typed in. */
async function scanFor(
  port: string,
  answers: Answers,
  prompt: Prompt,
  context: CliContext,
): Promise<UnitRow | undefined> {
  const limits = {
    ...limitsOf({
      ...(answers.baud !== undefined && { baud: answers.baud }),
      ...(answers.parity !== undefined && { parity: answers.parity }),
    }),
  };
  const { rows } = await searchSerial(
    port,
    limits,
    { ...(answers.config !== undefined && { config: answers.config }) },
    context,
    'Ctrl-C ends init.',
  );
  if (context.signal.aborted) throw new Ended();
  if (rows.length === 0) {
    warn(context, [`Nothing answered on ${port}. Check power, A and B; or type the settings in.`]);
    return undefined;
  }
  return chooseRow(rows, answers, prompt, context);
}

/** A search of the units at the host; undefined when none answered and the unit is to be typed in. */
async function searchHost(answers: Answers, prompt: Prompt, context: CliContext): Promise<UnitRow | undefined> {
  const { searchUnits } = await import('../scan/scan-hosts.ts');
  const { host, port } = channelKeys(answers, context) as { host: string; port: number };
  await refuseOwned([{ kind: 'tcp', host, port }], answers, context);
  const { findings, rows } = await searchUnits(
    { kind: 'hosts', hosts: [host], port },
    answers.config === undefined ? {} : { config: answers.config },
    context,
    'Ctrl-C ends init.',
  );
  if (context.signal.aborted) throw new Ended();
  if (rows.length > 0) return chooseRow(rows, answers, prompt, context);
  const [finding] = findings;
  const why = finding?.state === 'closed' ? finding.reason : `No unit answered at ${host}:${port}.`;
  warn(context, [`${why} Type the unit in; the file can be written all the same.`]);
  return undefined;
}

/** Shows the units that were found; the one that is chosen becomes the answer. */
async function chooseRow(
  rows: readonly UnitRow[],
  answers: Answers,
  prompt: Prompt,
  context: CliContext,
): Promise<UnitRow> {
  print({ ...context, stdout: context.stderr }, [...unitTable(rows, context), ...registerLines(rows)]);
  const row =
    rows.length === 1
      ? rows[0]!
      : await prompt.choose(
          'Which one first? Others are added to the file afterwards.',
          rows.map((each) => ({
            label: `unit ${each.unit}  ${selfDescription(each.who)}  ${profileText(each.who)}`.trimEnd(),
            value: each,
          })),
        );
  if (row.where.kind === 'serial') {
    const { baud, parity, stopBits } = row.where.setting;
    answers.baud = String(baud);
    answers.parity = parity;
    answers.stopBits = String(stopBits);
  } else if (row.where.framing === 'rtu') answers.framing = 'rtu';
  answers.unit = String(row.unit);
  return row;
}

/** Asks the device itself what it is; that it does not answer is said, and is no end. */
async function ask(answers: Answers, context: CliContext): Promise<readonly Likely[]> {
  const profiles = await profilesFor(answers, context);
  try {
    const who = await identify(channelKeys(answers, context), Number(answers.unit), profiles, answers, context);
    if (!who.isThere)
      warn(context, [
        `Unit ${answers.unit} does not answer now. Check its power and the settings; the file can be written all the same.`,
      ]);
    else if (selfDescription(who) !== '')
      warn(context, [`Unit ${answers.unit} says of itself: ${selfDescription(who)}`]);
    return who.profiles;
  } catch (error) {
    if (context.signal.aborted) throw new Ended();
    if (!(error instanceof Fault) || error.code !== EXIT.unavailable) throw error;
    warn(context, [`${messageOf(error)} The file can be written all the same.`]);
    return [];
  }
}

/** A profile, or tags one by one. */
async function askMeaning(
  answers: Answers,
  suggested: readonly Likely[],
  file: string,
  prompt: Prompt,
  context: CliContext,
): Promise<void> {
  const way = await prompt.choose('What does it measure?', [
    ...suggested.map(({ profile, title, isSure }) => ({
      label: `${profile}: ${title}${isSure ? '' : ' (its values fit; make sure that it is one)'}`,
      value: profile,
    })),
    { label: 'tags by hand, from its register list or from millgate probe', value: 'tags' },
    { label: 'a profile from the list', value: 'list' },
  ]);
  if (way === 'list') {
    const profiles = await profilesFor(answers, context);
    answers.profile = await prompt.choose(
      'Profile?',
      profiles.map((each) => ({ label: `${each.name}: ${titleOf(each)}`, value: each.name })),
    );
  } else if (way !== 'tags') answers.profile = way;
  else await askTags(answers, file, prompt, context);
}

/** Tags one by one, each checked as it is typed, with the whole file that it would be in. */
async function askTags(answers: Answers, file: string, prompt: Prompt, context: CliContext): Promise<void> {
  const check = async (text: string): Promise<string | undefined> => {
    const tags = answers.tag ?? [];
    if (text === '') return tags.length === 0 ? 'at least one tag is needed' : undefined;
    try {
      const { name } = parseTag(text);
      if (tags.some((tag) => parseTag(tag).name === name)) return `there is a tag ${name} already`;
      const plan = planOf({ ...answers, tag: [...tags, text], location: undefined, broker: undefined }, context);
      const loaded = await loadText(file, renderFile(plan, file), context);
      return loaded.ok ? undefined : tagProblems(loaded.problems, `devices.${plan.device}.tags.${name}`);
    } catch (error) {
      return messageOf(error);
    }
  };
  for (;;) {
    const isFirst = (answers.tag ?? []).length === 0;
    const more = isFirst ? 'Tag, such as voltage=holding:100,float32,CDAB,unit=V' : 'Another tag, or nothing';
    const tag = await prompt.text(more, { check });
    if (tag === '') return;
    answers.tag = [...(answers.tag ?? []), tag];
  }
}

/** What is wrong with one tag; undefined where the file has other troubles, which come with their own questions. */
function tagProblems(problems: readonly ConfigProblem[], path: string): string | undefined {
  const own = problems.filter((each) => each.path.startsWith(path) && each.severity === 'error');
  return (
    own.map((each) => `${each.path.slice(path.length + 1)}: ${each.message}`.replace(/^: /, '')).join('\n') || undefined
  );
}

async function askBroker(answers: Answers, prompt: Prompt): Promise<void> {
  const check = (text: string): string | undefined =>
    text === '' || /^mqtts?:\/\/[^/\s]+$/.test(text) ? undefined : 'mqtt://HOST:1883 or mqtts://HOST:8883, or nothing';
  answers.broker =
    (await prompt.text('MQTT broker, such as mqtts://broker.plant.lan:8883, or nothing for now', { check })) ||
    undefined;
  if (answers.broker === undefined || answers.username !== undefined) return;
  answers.username = (await prompt.text('User name there, or nothing')) || undefined;
  if (answers.username === undefined || answers.passwordFile !== undefined || answers.passwordEnv !== undefined) return;
  answers.passwordFile =
    (await prompt.text('File that holds the password (never the password itself), or nothing', {
      fallback: '/etc/millgate/mqtt.password',
    })) || undefined;
}
