import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Files of a machine below a folder: texts by path; `-> TARGET` is a link, `#!…` a program. Below /dev, all may use them. */
export type MachineFiles = Readonly<Record<string, string>>;

/** The files of a quiet Raspberry Pi with one USB adapter, read by the user `tech`. */
export const QUIET_MACHINE: MachineFiles = {
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\ntech:x:1000:1000::/home/tech:/bin/sh\nmillgate:x:990:990::/:/bin/false\n',
  '/etc/group': 'root:x:0:\ndialout:x:20:millgate\ntech:x:1000:\nmillgate:x:990:\n',
  '/etc/localtime': '-> /usr/share/zoneinfo/Europe/London',
  '/usr/share/zoneinfo/Europe/London': '',
  '/proc/self/status': 'Name:\tnode\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t1000 20 \n',
  '/proc/self/mounts': '/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n/dev/sda1 /data ext4 ro 0 0\n',
  '/proc/meminfo': 'MemTotal:        3884968 kB\nMemAvailable:    3012340 kB\n',
  '/dev/ttyUSB0': '',
  '/dev/serial/by-id/usb-FTDI_A10-if00-port0': '-> ../../ttyUSB0',
  '/dev/i2c-1': '',
  '/sys/devices/platform/soc/soc:firmware/get_throttled': '0\n',
  '/usr/bin/timedatectl': '#!/bin/sh\nprintf "NTP=yes\\nNTPSynchronized=yes\\nTimezone=Europe/London\\n"\n',
  '/usr/bin/systemctl':
    '#!/bin/sh\nprintf "LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\nNRestarts=2\\nType=notify\\nWatchdogUSec=30s\\nUser=millgate\\nSupplementaryGroups=dialout\\nReadWritePaths=-/etc/millgate\\n"\n',
};

/** Writes them below `root`; links to absolute paths lead below it, too. */
export function writeMachine(root: string, files: MachineFiles): string {
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    const target = /^-> (.*)$/.exec(text)?.[1];
    if (target !== undefined)
      symlinkSync(path.startsWith('/proc/') || !target.startsWith('/') ? target : join(root, target), file);
    else writeFileSync(file, text);
    if (text.startsWith('#!')) chmodSync(file, 0o755);
    if (path.startsWith('/dev/') && target === undefined) chmodSync(file, 0o666);
  }
  return root;
}
