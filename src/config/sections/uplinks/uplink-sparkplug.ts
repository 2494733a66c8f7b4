/** What belongs to an uplink with `format: sparkplug`, and what does not. */
import type { SparkplugConfig } from '../../config.ts';
import type { Report } from '../../file/problems.ts';
import { type Entry, entryOf, spotOf } from '../../file/tree.ts';

/** The keys that matter here. */
interface SparkplugOptions {
  readonly format?: string | undefined;
  readonly group?: string | undefined;
  readonly node?: string | undefined;
  readonly primaryHost?: string | undefined;
  readonly servers?: readonly string[] | undefined;
  readonly commands?: unknown;
}

/** Keys of an edge node. */
const OWN = ['group', 'node', 'primaryHost'] as const;

/** Keys of topics and payloads that Sparkplug has its own for. */
const FIXED = ['topic', 'topics', 'layout', 'compression'] as const;

/**
 * Checks the keys of an edge node. The nodes that were seen so far, by group and node, are in `nodes`, and each has the
 * name of its uplink: two of one name would end each other.
 */
export function checkSparkplug(
  options: SparkplugOptions,
  entry: Entry,
  { gateway, report }: { readonly gateway: { readonly id: string }; readonly report: Report },
  nodes: Map<string, string>,
): SparkplugConfig | undefined {
  if (options.format !== 'sparkplug') {
    for (const key of OWN)
      if (entryOf(entry.node, key))
        report.error(
          spotOf(entry, [key]),
          `${key} belongs to format: sparkplug: write format: sparkplug beside it, or remove ${key}`,
        );
    return undefined;
  }
  for (const key of FIXED)
    if (entryOf(entry.node, key))
      report.error(
        spotOf(entry, [key]),
        `has no effect with format: sparkplug, which has topics and payloads of its own: remove ${key}`,
      );
  if (Array.isArray(options.commands) && options.commands.some((kind) => kind !== 'write'))
    report.error(
      spotOf(entry, ['commands']),
      'hosts of Sparkplug can order writes and nothing else: write commands: [write] or commands: no',
    );
  const { group, node = gateway.id, primaryHost, servers = [] } = options;
  if (group === undefined) {
    report.error(
      spotOf(entry, ['group']),
      'is missing: write the group that this gateway belongs to, as the host shows it, for example group: leeds',
    );
    return undefined;
  }
  // Sparkplug advises against names that differ by capital letters alone (`tck-id-case-sensitivity-sparkplug-ids`).
  const key = `${group}/${node}`.toLowerCase();
  const twin = nodes.get(key);
  const name = String(entry.path.at(-1));
  if (twin !== undefined)
    report.error(
      spotOf(entry, [entryOf(entry.node, 'node') ? 'node' : 'group']),
      `uplink "${twin}" is already the node ${node} of the group ${group}, and hosts take each only once: write for example node: ${node}-2`,
    );
  nodes.set(key, name);
  return { group, node, primaryHost, servers };
}
