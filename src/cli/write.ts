/** The command `write`: writes one value to a tag. */
import { jsonValue } from '../api/json.ts';
import type { WriteAnswer } from '../api/view.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import type { Value } from '../core/reading.ts';
import { runningGateway } from './client.ts';
import { loadOrFail } from './configuration.ts';
import { writeDirectly } from './direct.ts';
import { selectTags } from './select.ts';
import { type CliContext, type CommonOptions, print, printJson, warn } from './terminal/context.ts';
import { formatValue } from './terminal/format.ts';

/** Options of `write`. */
interface WriteOptions extends CommonOptions {
  readonly text?: boolean;
}

/** What became of a write, as JSON has it. */
interface Written extends Omit<Extract<WriteAnswer, { ok: false }>, 'ok' | 'kind' | 'why'> {
  readonly ok: boolean;
  readonly readBack?: number | boolean | string | null;
  readonly kind?: 'refused' | 'failed' | 'mismatch';
  readonly why?: string;
}

/**
 * `write TAG VALUE`: through the gateway if it runs, else directly. Exit 0 when the value was read back, 77 when it was
 * refused, 1 when it is not known or not so that the device holds it.
 */
export async function write(tag: string, text: string, options: WriteOptions, context: CliContext): Promise<ExitCode> {
  const value = options.text ? text : parsedValue(text);
  const gateway = await runningGateway(options, context);
  const written: Written = gateway
    ? await gateway.post<Written>('/api/v1/write', { tag, value: jsonValue(value) })
    : await withoutGateway(tag, value, options, context);
  if (options.json) printJson(context, written);
  else if (written.ok) print(context, [`${tag} = ${formatValue(written.readBack ?? jsonValue(value))}`]);
  else warn(context, [`millgate: ${tag}: not written: ${written.why}.`]);
  if (written.ok) return EXIT.ok;
  return written.kind === 'refused' ? EXIT.permission : EXIT.failed;
}

async function withoutGateway(tag: string, value: Value, options: WriteOptions, context: CliContext): Promise<Written> {
  const config = await loadOrFail(options, context);
  const known = config.channels.flatMap(({ devices }) => devices).flatMap(({ tags }) => tags);
  selectTags(
    [tag],
    known.map((each) => each.tag.id),
  );
  if (!config.commands.enabled)
    throw new Fault(
      `${config.file}: writing is switched off. Allow it: commands: {enabled: true}, and writable: {…} at the tag.`,
      EXIT.permission,
    );
  const result = await writeDirectly(config, tag, value, context);
  if (!result.ok) return { ...result, tag };
  return { ok: true, tag, readBack: result.readBack === undefined ? null : jsonValue(result.readBack) };
}

/** What a person types: a number, a switch, or else a text. */
function parsedValue(text: string): Value {
  if (/^(true|on)$/i.test(text)) return true;
  if (/^(false|off)$/i.test(text)) return false;
  if (/^[-+]?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text.replace('+', ''));
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
  return text;
}
