/** The command `write`: writes one value to a tag. */

import type { WriteResult } from '../../hal/driver.ts';
import { type JsonTag, jsonValue } from '../api/json.ts';
import type { WriteAnswer } from '../api/view.ts';
import { type Config, readTagsOf } from '../config/config.ts';
import { EXIT, type ExitCode, messageOf } from '../core/errors.ts';
import type { Shown, Value } from '../core/reading.ts';
import { operator } from './alarms.ts';
import type { GatewayClient } from './client.ts';
import { loadOrFail } from './configuration.ts';
import { writeDirectly } from './direct.ts';
import { ownerOf } from './owner.ts';
import { selectTags } from './select.ts';
import { openJournal } from './stopped.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from './terminal/context.ts';
import { formatWithUnit, plain } from './terminal/format.ts';

/** Options of `write`. */
interface WriteOptions extends CommonOptions {
  readonly text?: boolean;
}

/** What became of a write, as JSON has it. */
interface Written extends Omit<Extract<WriteAnswer, { ok: false }>, 'ok' | 'kind' | 'why'> {
  readonly ok: boolean;
  readonly readBack?: number | boolean | string | null;
  readonly kind?: 'refused' | 'unknown' | 'mismatch';
  readonly why?: string;
}

/** A write, and how the values of its tag are shown. */
interface Attempt {
  readonly written: Written;
  readonly known: (Shown & { readonly unit?: string | undefined }) | undefined;
}

const OUTCOME = {
  refused: 'not written',
  unknown: 'perhaps written',
  mismatch: 'sent, but not what the device holds now',
} as const;

/**
 * `write TAG VALUE`: through the gateway if it runs, else directly. Exit 0 when the value was read back, 77 when it was
 * refused, 1 when it is not known or not so that the device holds it.
 */
export async function write(tag: string, text: string, options: WriteOptions, context: CliContext): Promise<ExitCode> {
  const value = options.text ? text : parsedValue(text);
  const gateway = await ownerOf(options, context);
  const { written, known }: Attempt = gateway
    ? await throughGateway(gateway, tag, value, context)
    : await withoutGateway(tag, value, options, context);
  if (options.json) printJson(context, written);
  else if (written.ok)
    print(context, [`${tag} = ${formatWithUnit(written.readBack ?? jsonValue(value), known?.unit, known)}`]);
  else warn(context, [`millgate: ${tag}: ${OUTCOME[written.kind ?? 'refused']}: ${plain(written.why ?? '')}.`]);
  if (written.ok) return EXIT.ok;
  return written.kind === 'refused' ? EXIT.permission : EXIT.failed;
}

async function throughGateway(
  gateway: GatewayClient,
  tag: string,
  value: Value,
  context: CliContext,
): Promise<Attempt> {
  const written = await gateway.post<Written>('/api/v1/write', { tag, value: jsonValue(value), by: operator(context) });
  const known = (await gateway.get<JsonTag[]>('/api/v1/tags')).find((each) => each.tag === tag);
  return { written, known };
}

async function withoutGateway(tag: string, value: Value, options: WriteOptions, context: CliContext): Promise<Attempt> {
  const config = await loadOrFail(options, context);
  const known = readTagsOf(config);
  selectTags(
    [tag],
    known.map((each) => each.tag.id),
  );
  const result = await audited(tag, value, config, context);
  const written = result.ok
    ? { ok: true, tag, readBack: result.readBack === undefined ? null : jsonValue(result.readBack) }
    : { ...result, tag };
  return { written, known: known.find((each) => each.tag.id === tag) };
}

/** Writes a tag directly, and puts it into the journal of the gateway that does not run, whatever became of it. */
async function audited(tag: string, value: Value, config: Config, context: CliContext): Promise<WriteResult> {
  const { auditOf, COMMANDS_ARE_OFF } = await import('../gateway/writer.ts');
  const journal = await openJournal(config, context);
  const audit = (result: WriteResult): Promise<void> => {
    const body = auditOf(tag, value, { kind: 'person', by: operator(context) }, result);
    return journal.event({ ...body, message: `${body.message} (no gateway ran)`, direct: true });
  };
  let isSent = false;
  try {
    const result: WriteResult = config.commands.enabled
      ? await writeDirectly(config, tag, value, context, () => {
          isSent = true;
        })
      : { ok: false, kind: 'refused', why: COMMANDS_ARE_OFF };
    await audit(result);
    return result;
  } catch (error) {
    await audit({ ok: false, kind: isSent ? 'unknown' : 'refused', why: messageOf(error) });
    throw error;
  } finally {
    await journal.close();
  }
}

/** What a person types: a number, a switch, or else a text. */
function parsedValue(text: string): Value {
  if (/^(true|on)$/i.test(text)) return true;
  if (/^(false|off)$/i.test(text)) return false;
  if (/^[-+]?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text.replace('+', ''));
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
  return text;
}
