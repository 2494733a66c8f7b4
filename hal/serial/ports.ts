/** Lists the serial ports of this machine. */
import { readdirSync } from 'node:fs';

/** The serial ports of this machine, by the names that stay (`/dev/serial/by-id`) where there are such. */
export function serialPorts(): string[] {
  const named = listed('/dev/serial/by-id', /./);
  return named.length > 0 ? named : listed('/dev', /^tty(USB|ACM|AMA|S)\d+$/);
}

function listed(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
