/** The command `check`: every problem of a file, and what a valid one will do. */
import type { JsonReading } from '../../api/json.ts';
import type { GatewayStatus } from '../../api/view.ts';
import { type Config, readTagsOf } from '../../config/config.ts';
import type { Forecast } from '../../config/forecast/forecast.ts';
import { EXIT, type ExitCode, Fault } from '../../core/errors.ts';
import type { Finding } from '../../doctor/finding.ts';
import type { GatewayClient } from '../client.ts';
import { load } from '../configuration.ts';
import { type Machine, machineAt } from '../doctor/read-machine.ts';
import { ownerOf } from '../owner.ts';
import { type CliContext, type CommonOptions, configFile, print, printJson, warn } from '../terminal/context.ts';

/** Tags of one question to a running gateway. */
const TAGS_A_QUESTION = 500;

/** Options of `check`. */
interface CheckOptions extends CommonOptions {
  /** Also read each tag once. */
  readonly online?: boolean;
}

/**
 * `check [FILE]`: every problem of the configuration on standard error and exit 78; else what will happen, and what this
 * machine lacks for it, on standard output. With `--online` each tag is read once, and exit is 1 when one of them is bad.
 * With `--json` everything is one document on standard output.
 */
export async function check(
  named: string | undefined,
  options: CheckOptions,
  context: CliContext,
  machine: Machine = machineAt('/', context),
): Promise<ExitCode> {
  const asked = named === undefined ? options : { ...options, config: named };
  const { file } = configFile(asked, context);
  const loaded = await load(file, context);
  const problems = loaded.ok ? loaded.warnings : loaded.problems;
  const { formatProblems } = await import('../../config/file/problems.ts');
  if (!options.json && problems.length > 0) warn(context, [formatProblems(problems)]);
  if (!loaded.ok) {
    if (options.json) printJson(context, { ok: false, file, problems });
    return EXIT.configInvalid;
  }
  const [{ forecast }, { checkLines }] = await Promise.all([
    import('../../config/forecast/forecast.ts'),
    import('./check-text.ts'),
  ]);
  const expected = forecast(loaded.config);
  const missing = await missingHere(loaded.config, expected, file, machine);
  const readings = options.online ? await readOnce(loaded.config, asked, context) : undefined;
  const bad = [...(readings?.values() ?? [])].filter(isWrong);
  if (options.json) {
    const read = readings && { readings: [...readings.values()] };
    printJson(context, { ok: bad.length === 0, file, problems, forecast: expected, machine: missing, ...read });
  } else print(context, checkLines({ forecast: expected, machine: missing, readings }, context));
  if (bad.length === 0) return EXIT.ok;
  warn(context, [`millgate: ${bad.length} of ${readings?.size} tags are bad; millgate doctor tells what to do.`]);
  return EXIT.failed;
}

/** A line of text that did not come yet is nothing wrong. */
function isWrong({ quality, why }: JsonReading): boolean {
  return quality === 'bad' && why !== 'waiting';
}

/** Ports that are not there, and rights that are missing, where `check` runs. */
async function missingHere(
  config: Config,
  forecast: Forecast,
  file: string,
  machine: Machine,
): Promise<readonly Finding[]> {
  const [{ gatherPorts }, { portFindings }, { inOrder }] = await Promise.all([
    import('../doctor/doctor-gather.ts'),
    import('../../doctor/ports.ts'),
    import('../../doctor/finding.ts'),
  ]);
  const { channels, devices, user } = await gatherPorts(config, forecast, file, machine);
  return inOrder(portFindings(channels, devices, user));
}

/** Reads every tag once: through the gateway if it runs, else channel by channel. */
async function readOnce(
  config: Config,
  options: CommonOptions,
  context: CliContext,
): Promise<ReadonlyMap<string, JsonReading>> {
  const gateway = await ownerOf(options, context);
  const readings = gateway ? await readThrough(gateway, config, context) : await readWithout(config, context);
  return new Map(readings.map((reading) => [reading.tag, reading]));
}

/** The tags that devices are asked for. */
function idsOf(config: Config): string[] {
  return readTagsOf(config).map(({ tag }) => tag.id);
}

async function readThrough(gateway: GatewayClient, config: Config, context: CliContext): Promise<JsonReading[]> {
  const status = await gateway.get<GatewayStatus>('/api/v1/status');
  const known = new Set((await gateway.get<{ tag: string }[]>('/api/v1/tags')).map(({ tag }) => tag));
  const wanted = idsOf(config);
  const readable = wanted.filter((tag) => known.has(tag));
  if (status.config.hash !== config.hash)
    warn(context, [
      `millgate: the gateway runs configuration ${status.config.hash}, not this one (${config.hash}): values are read by ` +
        `its addresses${readable.length < wanted.length ? `, and ${wanted.length - readable.length} tags are not in it` : ''}.`,
    ]);
  const readings: JsonReading[] = [];
  for (let index = 0; index < readable.length; index += TAGS_A_QUESTION) {
    const tags = readable.slice(index, index + TAGS_A_QUESTION);
    readings.push(...(await gateway.post<JsonReading[]>('/api/v1/read', { tags })));
  }
  return readings;
}

/** A channel that cannot be opened makes its own tags bad, and no others. */
async function readWithout(config: Config, context: CliContext): Promise<JsonReading[]> {
  const { readDirectly } = await import('../direct.ts');
  const readings = await Promise.all(
    config.channels.map(async (channel): Promise<JsonReading[]> => {
      const only = { ...config, channels: [channel] };
      try {
        return await readDirectly(only, idsOf(only), context);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        warn(context, [`millgate: ${error.message}`]);
        return idsOf(only).map((tag) => ({ tag, t: context.clock.wallMs(), quality: 'bad', why: 'not-connected' }));
      }
    }),
  );
  return readings.flat();
}
