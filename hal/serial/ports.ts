/** Lists the serial ports of this machine. */
import { existsSync, readdirSync } from 'node:fs';

/** The serial ports of this machine, by the names that stay (`/dev/serial/by-id`) where there are such. */
export function serialPorts(): string[] {
  const named = listed('/dev/serial/by-id', /./);
  return named.length > 0 ? named : listed('/dev', /^tty(USB|ACM|AMA|S)\d+$/);
}

function listed(folder: string, pattern: RegExp): string[] {
  try {
    return (
      readdirSync(folder)
        .filter((name) => pattern.test(name))
        .map((name) => `${folder}/${name}`)
        // The name of an adapter that was just pulled out leads nowhere for a moment.
        .filter((path) => existsSync(path))
    );
  } catch {
    return [];
  }
}
