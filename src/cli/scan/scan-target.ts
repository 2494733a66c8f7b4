/** Reads the words of `scan`: options, targets, numbers, ranges, rates and parities. */
import { EXIT, Fault } from '../../core/errors.ts';
import type { CommonOptions } from '../terminal/context.ts';

/** Options of `scan`. */
export interface ScanOptions extends CommonOptions {
  readonly baud?: string;
  readonly parity?: string;
  readonly stopBits?: string;
  readonly units?: string;
  readonly timeout?: string;
  readonly all?: boolean;
}

/** What a scan was asked to look at. */
type ScanTarget =
  | { readonly kind: 'serial'; readonly port: string }
  | { readonly kind: 'i2c'; readonly bus: number }
  | { readonly kind: 'hosts'; readonly hosts: readonly string[]; readonly port: number }
  /** A channel of the file, or a host. */
  | { readonly kind: 'name'; readonly name: string; readonly port: number };

const MODBUS_PORT = 502;

/** A range of hosts is no larger than a class C network: more is not one machine's neighbourhood. */
const MOST_HOSTS = 256;

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/**
 * What TARGET is, by its form: a path, `i2c-1`, an address, `192.168.1.0/24`, `192.168.1.10-50`, HOST:PORT, or a name.
 *
 * @throws Fault (exit 2) that shows the forms
 */
export function parseTarget(text: string): ScanTarget {
  const bus = /^(?:\/dev\/)?i2c-(\d{1,3})$/.exec(text);
  if (bus) return { kind: 'i2c', bus: Number(bus[1]) };
  if (/^(\/|\.\.?\/|COM\d+$)/.test(text) && !/\s/.test(text)) return { kind: 'serial', port: text };
  if (/^(tty|serial)/.test(text)) return { kind: 'serial', port: `/dev/${text}` };
  const [, host, digits] = /^(.+?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = digits === undefined ? MODBUS_PORT : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) throw wrong(text);
  const hosts = hostRange(host);
  if (hosts) return { kind: 'hosts', hosts, port };
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$/.test(host)) throw wrong(text);
  return digits === undefined ? { kind: 'name', name: host, port } : { kind: 'hosts', hosts: [host], port };
}

/** The addresses of a range; undefined when the text is none. Network and broadcast address of a network are left out. */
function hostRange(text: string): string[] | undefined {
  const [first, rest] = text.split(/[/-]/, 2) as [string, string?];
  const from = numberOf(first);
  if (from === undefined) return undefined;
  if (rest === undefined) return [first];
  if (text.includes('/')) {
    const bits = Number(rest);
    if (!/^\d{1,2}$/.test(rest) || bits > 32) throw wrong(text);
    if (2 ** (32 - bits) > MOST_HOSTS) throw tooMany(text);
    const size = 2 ** (32 - bits);
    const start = from - (from % size);
    const inside = size > 2 ? 1 : 0;
    return Array.from({ length: size - 2 * inside }, (_, index) => addressOf(start + inside + index));
  }
  const last = /^\d{1,3}$/.test(rest) ? from - (from % 256) + Number(rest) : numberOf(rest);
  if (last === undefined || last < from || (/^\d{1,3}$/.test(rest) && Number(rest) > 255)) throw wrong(text);
  if (last - from >= MOST_HOSTS) throw tooMany(text);
  return Array.from({ length: last - from + 1 }, (_, index) => addressOf(from + index));
}

function numberOf(address: string): number | undefined {
  const parts = IPV4.exec(address)?.slice(1).map(Number);
  if (!parts || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((number, part) => number * 256 + part, 0);
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}

function wrong(text: string): Fault {
  return new Fault(
    `${JSON.stringify(text.slice(0, 80))} is nothing to scan`,
    'Write a channel of the file, /dev/ttyUSB0, 192.168.1.20, 192.168.1.0/24, 192.168.1.10-50, plc.lan:502, or i2c-1.',
    EXIT.usage,
  );
}

function tooMany(text: string): Fault {
  return new Fault(`${text}: more than ${MOST_HOSTS} hosts`, 'Scan one part at a time, such as a /24.', EXIT.usage);
}

/**
 * Numbers and ranges such as `1-247` or `1,3,10-20`, each once and in their order.
 *
 * @param name of the option, for messages
 * @throws Fault (exit 2)
 */
export function parseNumbers(name: string, text: string, least: number, most: number): number[] {
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const [, from, to] = /^\s*(\d{1,7})(?:\s*-\s*(\d{1,7}))?\s*$/.exec(part) ?? [];
    const first = Number(from);
    const last = to === undefined ? first : Number(to);
    if (from === undefined || first < least || last > most || last < first || last - first > 1000)
      throw new Fault(
        `--${name} ${text}: expected numbers from ${least} to ${most} such as ${least === most ? least : `${Math.max(least, 1)},${Math.min(most, Math.max(least, 1) + 1)}`}.`,
        '',
        EXIT.usage,
      );
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return [...numbers];
}

/** Parities by name or letter. */
export function parseParities(text: string): ('none' | 'even' | 'odd')[] {
  return text.split(',').map((word) => {
    const parity = (['none', 'even', 'odd'] as const).find((each) =>
      [each, each[0]].includes(word.trim().toLowerCase()),
    );
    if (!parity) throw new Fault(`--parity ${text}: there is no such parity`, 'Write none, even or odd.', EXIT.usage);
    return parity;
  });
}
