/** The command `write`: writes one value to a tag. */

import { type JsonTag, jsonValue } from '../api/json.ts';
import type { WriteAnswer } from '../api/view.ts';
import { readTagsOf } from '../config/config.ts';
import { EXIT, type ExitCode, Fault } from '../core/errors.ts';
import type { Shown, Value } from '../core/reading.ts';
import type { GatewayClient } from './client.ts';
import { loadOrFail } from './configuration.ts';
import { writeDirectly } from './direct.ts';
import { ownerOf } from './owner.ts';
import { selectTags } from './select.ts';
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
    ? await throughGateway(gateway, tag, value)
    : await withoutGateway(tag, value, options, context);
  if (options.json) printJson(context, written);
  else if (written.ok)
    print(context, [`${tag} = ${formatWithUnit(written.readBack ?? jsonValue(value), known?.unit, known)}`]);
  else warn(context, [`millgate: ${tag}: ${OUTCOME[written.kind ?? 'refused']}: ${plain(written.why ?? '')}.`]);
  if (written.ok) return EXIT.ok;
  return written.kind === 'refused' ? EXIT.permission : EXIT.failed;
}

async function throughGateway(gateway: GatewayClient, tag: string, value: Value): Promise<Attempt> {
  const written = await gateway.post<Written>('/api/v1/write', { tag, value: jsonValue(value) });
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
  if (!config.commands.enabled)
    throw new Fault(
      `${config.file}: writing is switched off`,
      'Allow it: commands: {enabled: true}, and writable: {…} at the tag.',
      EXIT.permission,
    );
  const result = await writeDirectly(config, tag, value, context);
  const written = result.ok
    ? { ok: true, tag, readBack: result.readBack === undefined ? null : jsonValue(result.readBack) }
    : { ...result, tag };
  return { written, known: known.find((each) => each.tag.id === tag) };
}

/** What a person types: a number, a switch, or else a text. */
function parsedValue(text: string): Value {
  if (/^(true|on)$/i.test(text)) return true;
  if (/^(false|off)$/i.test(text)) return false;
  if (/^[-+]?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text.replace('+', ''));
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
  return text;
}
