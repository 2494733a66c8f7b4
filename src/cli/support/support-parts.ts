/** Makes the files of a support archive, each or the reason why it is missing. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { arch, cpus, freemem, loadavg, platform, release, totalmem, uptime } from 'node:os';
import { dirname, join } from 'node:path';
import type { EventsPage } from '../../api/rules-view.ts';
import type { Config } from '../../config/config.ts';
import { type ExitCode, Fault, messageOf } from '../../core/errors.ts';
import { programVersion } from '../../core/file-system.ts';
import { check } from '../check/check.ts';
import type { GatewayClient } from '../client.ts';
import { doctor } from '../doctor/doctor.ts';
import type { Machine } from '../doctor/read-machine.ts';
import { ledger } from '../status/ledger.ts';
import { status } from '../status/status.ts';
import { openStopped } from '../stopped.ts';
import { type CliContext, type CommonOptions, colorsFor } from '../terminal/context.ts';

/** A file for the archive, or why there is none. */
export type Part = { readonly name: string } & (
  | { readonly content: string; readonly keep: 'head' | 'tail'; readonly maxBytes: number }
  | { readonly missing: string }
);

const MEGABYTE = 1_000_000;

/** Events and log lines reach back so far. */
const EVENTS_BACK_MS = 86_400_000;
const LOG_LINES = '5000';
const KERNEL_LINES = '500';

/** Events of one question, and at most. */
const EVENTS_A_PAGE = 1000;
const MAX_EVENTS = 20_000;

/** Width of the texts, columns. */
const COLUMNS = 100;

/** The configuration as it lies on the disk: the file, what is merged into it, and the profiles beside it. */
export function configurationParts(file: string): Part[] {
  const folder = dirname(file);
  const below = (name: string): string[] => {
    try {
      return readdirSync(join(folder, name))
        .filter((each) => each.endsWith('.yaml'))
        .sort()
        .map((each) => `${name}/${each}`);
    } catch {
      return [];
    }
  };
  const others = [...below('conf.d'), ...below('profiles')];
  return [
    fileGiven('config/millgate.yaml', file),
    ...others.map((name) => fileGiven(`config/${name}`, join(folder, name))),
  ];
}

function fileGiven(name: string, path: string): Part {
  try {
    const { size } = statSync(path);
    if (size > MEGABYTE) return { name, missing: `it has ${size} bytes, which is no configuration` };
    return text(name, readFileSync(path, 'utf8'));
  } catch (error) {
    return { name, missing: messageOf(error) };
  }
}

function text(name: string, content: string, keep: 'head' | 'tail' = 'head', maxBytes = MEGABYTE): Part {
  return { name: name.slice(0, 80), content, keep, maxBytes };
}

/** What the commands that only look would print. */
export async function commandParts(options: CommonOptions, context: CliContext, machine: Machine): Promise<Part[]> {
  const plain = { ...options, json: false };
  const json = { ...options, json: true };
  return [
    await captured('doctor.txt', context, (inner) => doctor(plain, inner, machine)),
    await captured('check.txt', context, (inner) => check(undefined, plain, inner, machine)),
    await captured('status.txt', context, (inner) => status(plain, inner)),
    await captured('status.json', context, (inner) => status(json, inner)),
    await captured('ledger.json', context, (inner) => ledger(json, inner)),
  ];
}

/** Runs a command with its output kept, whatever becomes of it. */
async function captured(
  name: string,
  context: CliContext,
  run: (inner: CliContext) => Promise<ExitCode>,
): Promise<Part> {
  let output = '';
  const keep = { write: (words: string) => (output += words) };
  const inner: CliContext = {
    ...context,
    stdout: keep,
    stderr: keep,
    isTerminal: false,
    colors: colorsFor(false, {}),
    columns: () => COLUMNS,
  };
  try {
    await run(inner);
  } catch (error) {
    if (context.signal.aborted) throw error;
    output += `${messageOf(error)}\n`;
  }
  return text(name, output, 'head', 2 * MEGABYTE);
}

/** The journal of the last day, one event a line: from the gateway, or from the store of a stopped one. */
export async function eventsPart(
  gateway: GatewayClient | undefined,
  config: Config | undefined,
  context: CliContext,
): Promise<Part> {
  const name = 'events.jsonl';
  const sinceMs = Math.max(0, Math.floor(context.clock.wallMs() - EVENTS_BACK_MS));
  try {
    const events = gateway
      ? await eventsThrough(gateway, sinceMs)
      : config && (await eventsStored(config, sinceMs, context));
    if (events === undefined)
      return { name, missing: 'the configuration is not valid, so that the store is not known' };
    return text(name, events.map((event) => `${JSON.stringify(event)}\n`).join(''), 'tail', 2 * MEGABYTE);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { name, missing: error.message };
  }
}

async function eventsThrough(gateway: GatewayClient, sinceMs: number): Promise<unknown[]> {
  const events: unknown[] = [];
  let where: string | undefined = `from=${sinceMs}`;
  while (where !== undefined && events.length < MAX_EVENTS) {
    const page: EventsPage = await gateway.get(`/api/v1/events?${where}&limit=${EVENTS_A_PAGE}`);
    events.push(...page.events);
    where = page.next === undefined ? undefined : `after=${page.next}`;
  }
  return events;
}

async function eventsStored(config: Config, sinceMs: number, context: CliContext): Promise<unknown[]> {
  const store = await openStopped(config, { ...context, stderr: { write: () => true } });
  try {
    const { next, oldest } = await store.status();
    const events: unknown[] = [];
    for (let seq = Math.max(oldest.events, next.events - MAX_EVENTS); seq < next.events; ) {
      const page = await store.peekEvents(seq, EVENTS_A_PAGE);
      for (const [index, { wallMs, body }] of page.events.entries())
        if (wallMs >= sinceMs) events.push({ seq: page.from + index, t: wallMs, ...body });
      seq = Math.max(page.next, seq + 1);
    }
    return events;
  } finally {
    await store.close();
  }
}

/** Every tag with its last reading. */
export async function tagsPart(gateway: GatewayClient | undefined): Promise<Part> {
  const name = 'tags.json';
  if (!gateway) return { name, missing: 'no gateway runs' };
  return text(name, `${JSON.stringify(await gateway.get('/api/v1/tags'), undefined, 1)}\n`);
}

/** The last lines of the service's log and of the kernel's. */
export async function logParts(machine: Machine): Promise<Part[]> {
  const format = ['--no-pager', '-o', 'short-iso'];
  const [journal, kernel] = await Promise.all([
    machine.ask('journalctl', ['-u', 'millgate', '-n', LOG_LINES, ...format]),
    machine.ask('journalctl', ['-k', '-n', KERNEL_LINES, ...format]),
  ]);
  const missing =
    'journalctl gives nothing to this user; run it with sudo, or as a member of the group systemd-journal';
  return [
    journal === undefined ? { name: 'journal.log', missing } : text('journal.log', journal, 'tail', 3 * MEGABYTE),
    kernel === undefined ? { name: 'kernel.log', missing } : text('kernel.log', kernel, 'tail', MEGABYTE),
  ];
}

/** Versions and facts of the machine. */
export function systemPart(machine: Machine): Part {
  const osRelease = /^PRETTY_NAME="?([^"\n]*)/m.exec(machine.text('/etc/os-release') ?? '')?.[1];
  const facts = {
    millgate: programVersion(),
    node: process.versions.node,
    system: { name: osRelease, platform: platform(), kernel: release(), architecture: arch(), libc: libraryOf() },
    board: machine.text('/proc/device-tree/model')?.replaceAll('\0', '') ?? cpus()[0]?.model,
    processors: cpus().length,
    load: loadavg().map((each) => Number(each.toFixed(2))),
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    upSeconds: Math.round(uptime()),
    serialPorts: machine.names('/dev/serial/by-id'),
    devices: machine.names('/dev').filter((name) => /^(tty(USB|ACM|AMA|S)\d+|i2c-\d+|gpiochip\d+)$/.test(name)),
    mounts: (machine.text('/proc/self/mounts') ?? '').split('\n').filter((line) => line.startsWith('/dev/')),
  };
  return text('system.json', `${JSON.stringify(facts, undefined, 2)}\n`);
}

/** The C library that native modules have to fit. */
function libraryOf(): string | undefined {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime;
}
