import type { FoundDevice } from '../../hal/scan.ts';
import { EXIT, type ExitCode } from '../core/errors.ts';
import { isNotConnected, noConnection } from './direct.ts';
import { type CliContext, type CommonOptions, print, printJson, tableWidth, warn } from './terminal/context.ts';
import { plain } from './terminal/format.ts';
import { createProgress } from './terminal/progress.ts';
import { renderTable } from './terminal/table.ts';

/** `scan i2c-N`: the addresses that acknowledge, and which chips they are or may be. Exit 69 when there is none. */
export async function scanI2cBus(bus: number, options: CommonOptions, context: CliContext): Promise<ExitCode> {
  const { searchI2cBus } = await import('../../hal/scan.ts');
  const progress = createProgress(context);
  let found: FoundDevice[];
  try {
    found = await searchI2cBus(bus, context.clock, context.signal, (address, done) =>
      progress.show(done, undefined, `address ${hex(address)}`),
    );
  } catch (error) {
    throw isNotConnected(error) ? noConnection(error) : error;
  } finally {
    progress.end();
  }
  return showChips(bus, found, options, context);
}

/** Prints what was found on a bus, and the lines for the file. Exit 69 when it is nothing. */
export function showChips(
  bus: number,
  found: readonly FoundDevice[],
  options: CommonOptions,
  context: CliContext,
): ExitCode {
  if (options.json) printJson(context, { bus, found });
  else if (found.length > 0) print(context, table(found, context));
  if (found.length === 0)
    warn(context, [
      `Nothing acknowledged on /dev/i2c-${bus}. Check power, SDA and SCL (swapped?), the pull-up resistors, and whether it is this bus.`,
    ]);
  else if (!options.json) warn(context, hint(bus, found));
  return found.length > 0 ? EXIT.ok : EXIT.unavailable;
}

function table(found: readonly FoundDevice[], context: CliContext): string[] {
  const rows = found.map(({ address, chip, candidates, trouble }) => [
    hex(address),
    chip ?? (candidates.length > 0 ? `may be ${candidates.join(' or ')}` : 'not known here'),
    plain(trouble ?? ''),
  ]);
  const columns = [
    { title: 'address' },
    { title: 'chip', cut: 'end', minWidth: 12 },
    { title: 'trouble', cut: 'end', drop: 1 },
  ] as const;
  return renderTable(columns, rows, tableWidth(context), context.colors.dim);
}

/** Lines for the file. */
function hint(bus: number, found: readonly FoundDevice[]): string[] {
  const first = found.find(({ chip, candidates }) => chip !== undefined || candidates.length > 0);
  if (!first) return [];
  const chip = first.chip ?? first.candidates[0]!;
  return [
    '',
    'For the file:',
    `  channels: {sensors: {driver: i2c, bus: ${bus}}}`,
    `  devices: {${chip}: {channel: sensors, unit: ${hex(first.address)}, chip: ${chip}}}`,
  ];
}

function hex(address: number): string {
  return `0x${address.toString(16).padStart(2, '0')}`;
}
