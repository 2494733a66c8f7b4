/** Asks the questions of `init` that no flag has answered. */
import { realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { EXIT, Fault, messageOf } from '../../core/errors.ts';
import { toName } from '../../core/fields.ts';
import { NAME_PATTERN } from '../../core/quantity.ts';
import { limitsOf, searchSerial } from '../scan/scan.ts';
import { identify, type Likely, profilesFor, titleOf } from '../scan/scan-identify.ts';
import { profileText, registerLines, selfDescription, type UnitRow, unitTable } from '../scan/scan-text.ts';
import { type CliContext, print, warn } from '../terminal/context.ts';
import { Ended, type Prompt } from '../terminal/prompt.ts';
import { parseTag } from './init-file.ts';
import { channelKeys, type InitOptions } from './init-options.ts';

/** What is filled in step by step: the flags, and what was answered. */
type Answers = { -readonly [Key in keyof InitOptions]: InitOptions[Key] };

/**
 * Asks for whatever the flags leave open: where the device is (the line is scanned if wanted), what it is, and where
 * readings go.
 *
 * @returns options as if all of them had been flags
 * @throws Ended after Ctrl-C; Fault (exit 69 or 77) when a port cannot be used
 */
export async function askForTheRest(options: InitOptions, prompt: Prompt, context: CliContext): Promise<InitOptions> {
  const answers: Answers = { ...options };
  if (answers.port === undefined && answers.host === undefined) await askPlace(answers, prompt);
  const suggested = await askUnit(answers, prompt, context);
  if (answers.profile === undefined && (answers.tag ?? []).length === 0)
    await askMeaning(answers, suggested, prompt, context);
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
  return answers;
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
  const onError = { ...context, stdout: context.stderr };
  print(onError, [...unitTable(rows, context), ...registerLines(rows)]);
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
  if (row.where.kind !== 'serial') return undefined;
  const { baud, parity, stopBits } = row.where.setting;
  answers.baud = String(baud);
  answers.parity = parity;
  answers.stopBits = String(stopBits);
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
  else answers.tag = await askTags(prompt);
}

async function askTags(prompt: Prompt): Promise<string[]> {
  const tags: string[] = [];
  const check = (text: string): string | undefined => {
    if (text === '') return tags.length === 0 ? 'at least one tag is needed' : undefined;
    try {
      parseTag(text);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  };
  for (;;) {
    const more = tags.length === 0 ? 'Tag, such as voltage=holding:100,float32,CDAB,unit=V' : 'Another tag, or nothing';
    const tag = await prompt.text(more, { check });
    if (tag === '') return tags;
    tags.push(tag);
  }
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
