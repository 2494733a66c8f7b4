/** Finds the processes that hold a port, and those that run a gateway. */
import { readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Process, User } from '../../doctor/facts.ts';
import type { Machine } from './read-machine.ts';

/** Programs that open serial ports unasked. */
const GRABBERS = ['ModemManager', 'brltty'];

/** Longest command line that is shown, characters. */
const SHOWN_COMMAND = 80;

/** The numbers of all processes that are seen. */
function processNumbers(machine: Machine): number[] {
  return machine
    .names('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Programs that grab ports, and run now. */
export function grabbersOf(machine: Machine): Process[] {
  return processNumbers(machine).flatMap((pid) => {
    const command = machine.text(`/proc/${pid}/comm`)?.trim();
    return command !== undefined && GRABBERS.includes(command) ? [{ pid, command }] : [];
  });
}

/** Processes that run a gateway. */
export function gatewaysOf(machine: Machine): Process[] {
  return processNumbers(machine).flatMap((pid) => {
    const words = (machine.text(`/proc/${pid}/cmdline`) ?? '').split('\0');
    const program = words.findIndex((word) => basename(word) === 'millgate' || word.endsWith('src/cli.js'));
    if (program === -1 || program > 3 || words[program + 1] !== 'run') return [];
    const command = ['millgate', ...words.slice(program + 1)].join(' ').trim();
    return [{ pid, command: command.slice(0, SHOWN_COMMAND) }];
  });
}

/** Which of these files are open in which process, as far as this user may see. */
export function holdersOf(machine: Machine, files: readonly string[]): ReadonlyMap<string, readonly Process[]> {
  const holders = new Map<string, Process[]>();
  if (files.length === 0) return holders;
  const wanted = new Set(files);
  for (const pid of processNumbers(machine)) {
    if (pid === process.pid) continue;
    const open = new Set(
      machine.names(`/proc/${pid}/fd`).flatMap((descriptor) => {
        const target = linkOf(join(machine.root, 'proc', String(pid), 'fd', descriptor));
        return target !== undefined && wanted.has(target) ? [target] : [];
      }),
    );
    const command = open.size > 0 ? (machine.text(`/proc/${pid}/comm`)?.trim() ?? 'a process') : '';
    for (const file of open) holders.set(file, [...(holders.get(file) ?? []), { pid, command }]);
  }
  return holders;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** The rights of a process: `self`, or a number. Undefined when it is not seen. */
export function userOfProcess(machine: Machine, pid: number | 'self', as: User['as']): User | undefined {
  const status = machine.text(`/proc/${pid}/status`);
  if (status === undefined) return undefined;
  const numbers = (label: string): number[] =>
    (new RegExp(`^${label}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '')
      .split(/\s+/)
      .filter((word) => word !== '')
      .map(Number);
  // Real, effective, saved, file system: the second is the one that opens files.
  const uid = numbers('Uid')[1];
  const gid = numbers('Gid')[1];
  if (uid === undefined || gid === undefined) return undefined;
  return { name: userName(machine, uid), uid, groups: [gid, ...numbers('Groups')], as };
}

/** The rights that a service has which runs as this user, with the groups that its unit adds. */
export function userByName(machine: Machine, name: string, addedGroups: readonly string[]): User | undefined {
  const entry = linesOf(machine, '/etc/passwd').find((fields) => fields[0] === name);
  if (!entry) return undefined;
  const groups = linesOf(machine, '/etc/group')
    .filter(([group, , , members = '']) => addedGroups.includes(group!) || members.split(',').includes(name))
    .map((fields) => Number(fields[2]));
  return { name, uid: Number(entry[2]), groups: [Number(entry[3]), ...groups], as: 'service' };
}

function userName(machine: Machine, uid: number): string {
  return linesOf(machine, '/etc/passwd').find((fields) => Number(fields[2]) === uid)?.[0] ?? String(uid);
}

/** The name of a group; undefined when it has none. */
export function groupName(machine: Machine, gid: number): string | undefined {
  return linesOf(machine, '/etc/group').find((fields) => Number(fields[2]) === gid)?.[0];
}

function linesOf(machine: Machine, file: string): string[][] {
  return (machine.text(file) ?? '').split('\n').map((line) => line.split(':'));
}
