/** Writes the tags of a register list as a device of a configuration file. */
import { isMap, isScalar, parseDocument } from 'yaml';
import { EXIT, Fault } from '../../core/errors.ts';
import type { RegisterList } from './register-list.ts';
import type { ListedTag } from './row.ts';

interface DevicePlan {
  readonly device: string;
  readonly channel: string;
  readonly unit: number;
}

/** The lines of the device, to stand below `devices:`. */
export function deviceLines({ tags, order }: RegisterList, { device, channel, unit }: DevicePlan): string[] {
  return [
    `  ${device}:`,
    `    channel: ${channel}`,
    `    unit: ${unit}`,
    ...(order === undefined || order === 'ABCD' ? [] : [`    order: ${order}`]),
    '    tags:',
    ...tags.map((tag) =>
      `      ${JSON.stringify(tag.name)}: { ${pairsOf(tag).join(', ')} }`.replace(
        /^ {6}"([a-z][\w-]*[a-z_-])":/,
        yamlKey,
      ),
    ),
  ];
}

/** Names that YAML takes for nothing else need no quotes. */
function yamlKey(quoted: string, name: string): string {
  return /^(true|false|null|yes|no|on|off|y|n)$/.test(name) ? quoted : `      ${name}:`;
}

function pairsOf(tag: ListedTag): string[] {
  const bits = tag.bit === undefined ? '' : `.${tag.bit}${tag.lastBit === undefined ? '' : `-${tag.lastBit}`}`;
  const pairs: [string, string | number | boolean | undefined][] = [
    ['address', `${tag.table}:${tag.start}${bits}`],
    ['type', tag.type],
    ['length', tag.type === 'string' ? tag.count : undefined],
    ['order', tag.order],
    ['scale', tag.scale],
    ['offset', tag.offset],
    ['unit', tag.type === 'bool' || tag.type === 'string' ? undefined : tag.unit],
    ['writable', tag.writable || undefined],
    ['description', tag.description],
  ];
  return pairs.flatMap(([key, value]) => {
    if (value === undefined) return [];
    const isPlain = typeof value !== 'string' || key === 'type' || key === 'order';
    return [`${key}: ${isPlain ? value : JSON.stringify(value)}`];
  });
}

/**
 * A configuration file with the device added at the end of its devices; nothing else in it changes.
 *
 * @throws Fault when it has the device already, or its devices are not written one below the other
 */
export function withDevice(text: string, lines: readonly string[], device: string, file: string): string {
  const document = parseDocument(text);
  const root = document.contents;
  const pair = isMap(root) ? root.items.find(({ key }) => isScalar(key) && key.value === 'devices') : undefined;
  if (!pair) return `${text.replace(/\n*$/, '\n')}\ndevices:\n${lines.join('\n')}\n`;
  const devices = pair.value;
  if (!isMap(devices) || devices.flow || !devices.range)
    throw new Fault(`${file}: its devices are not written one below the other`, 'Paste the device into it.');
  if (devices.has(device))
    throw new Fault(`${file}: it has a device ${device} already`, 'Write --device NAME for another.', EXIT.usage);
  const first = devices.items[0]?.key;
  const start = isScalar(first) && first.range ? first.range[0] : devices.range[0];
  const indent = start - (text.lastIndexOf('\n', start - 1) + 1);
  const end = devices.range[1];
  const own = lines.map((line) => `${' '.repeat(indent)}${line.slice(2)}`).join('\n');
  const before = text.slice(0, end).replace(/\s*$/, '\n');
  const after = text.slice(end);
  return `${before}${own}\n${after === '' || after.startsWith('\n') ? after : `\n${after}`}`;
}
