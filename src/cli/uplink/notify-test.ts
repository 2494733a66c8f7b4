/** The command `notify test`: sends a message of a notifier now, so that nobody finds out in the first alarm that none arrives. */
import { readFile } from 'node:fs/promises';
import { readSecret } from '../../config/file/secrets.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import { nearest } from '../../core/suggest.ts';
import { noticeText } from '../../uplink/notify/notice-text.ts';
import { createSender, placeOf } from '../../uplink/notify/senders.ts';
import { loadOrFail } from '../configuration.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from '../terminal/context.ts';

/** `notify test NAME`. Works without a gateway. Exit 1 with what the other side said when it does not take the message. */
export async function testNotifier(
  verb: string,
  name: string | undefined,
  options: CommonOptions,
  context: CliContext,
): Promise<ExitCode> {
  if (verb !== 'test')
    throw new Fault(`there is no order ${JSON.stringify(verb)}`, 'Write: millgate notify test NAME', EXIT.usage);
  const { notify: notifiers = [], gateway } = await loadOrFail(options, context);
  const found = notifiers.find((one) => one.name === name) ?? (name === undefined ? only(notifiers) : undefined);
  if (!found)
    throw unknown(
      name,
      notifiers.map((one) => one.name),
    );
  const { clock, env } = context;
  const send = createSender(found, {
    clock,
    gateway: gateway.id,
    secrets: (ref) => readSecret(ref, { env, warn: (message) => warn(context, [message]) }),
    readFile: (path) => readFile(path),
  });
  const message = 'This is a test: nothing is wrong.';
  const notice = { id: 'test', occurrence: 1, priority: found.priority, message, atMs: clock.wallMs() };
  const teller = { gateway: gateway.id, location: gateway.location, timezone: gateway.timezone };
  const refused = await send(noticeText({ notices: [notice], more: {} }, teller, clock.wallMs()), context.signal);
  const to = placeOf(found.target);
  if (options.json) printJson(context, { name: found.name, to, ok: true, refused: refused ?? null });
  else print(context, [`${found.name}: ${to} took the message`, ...(refused === undefined ? [] : [refused])]);
  return EXIT.ok;
}

function only<T>(all: readonly T[]): T | undefined {
  return all.length === 1 ? all[0] : undefined;
}

function unknown(name: string | undefined, names: readonly string[]): Fault {
  if (names.length === 0)
    return new Fault('the file has no notifier', 'Add one under notify:; docs/notify.md shows how.', EXIT.usage);
  const near = name === undefined ? undefined : nearest(name, names);
  return new Fault(
    name === undefined ? 'which notifier is meant?' : `there is no notifier ${JSON.stringify(name)}`,
    near === undefined ? `Notifiers are: ${names.join(', ')}.` : `Did you mean ${near}?`,
    EXIT.usage,
  );
}
