import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../double/command-line.ts';

const ROOT = join(import.meta.dirname, '../..');

function put(file: string, text: string, mode = 0o644): void {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

/** An unpacked release of a version, as small as one can be. */
function release(version: string): string {
  const folder = temporaryFolder();
  cpSync(join(ROOT, 'scripts/install'), join(folder, 'install'));
  put(join(folder, 'files/usr/lib/millgate/version'), version);
  cpSync(join(ROOT, 'scripts/deb/keep-or-return.sh'), join(folder, 'files/usr/lib/millgate/keep-or-return.sh'));
  put(join(folder, 'files/usr/bin/millgate'), '#!/bin/sh\n', 0o755);
  put(join(folder, 'files/etc/default/millgate'), '');
  return folder;
}

describe('scripts/install', () => {
  /** Installs a release; each `mv` and `rm` first notes which version of the program there is. */
  function install(root: string, version: string): string[] {
    const log = join(root, 'seen');
    const tools = temporaryFolder();
    for (const tool of ['mv', 'rm', 'cp', 'ln']) {
      const look = `cat ${root}/usr/lib/millgate/version >>${log} 2>&1 || echo none >>${log}; echo >>${log}`;
      put(join(tools, tool), `#!/bin/sh\n${look}\nexec /bin/${tool} "$@"\n`, 0o755);
    }
    const env = { ...process.env, PATH: `${tools}:${process.env.PATH}` };
    execFileSync('sh', [join(release(version), 'install'), '--root', root], { env, encoding: 'utf8' });
    return [
      ...new Set(
        readFileSync(log, 'utf8')
          .split('\n')
          .filter((line) => line !== ''),
      ),
    ];
  }
  const installed = (root: string) => readFileSync(join(root, 'usr/lib/millgate/version'), 'utf8');

  it('puts the new program in the place of the old one in one step', () => {
    const root = temporaryFolder();
    install(root, 'one');
    writeFileSync(join(root, 'seen'), '');
    expect(install(root, 'two')).toEqual(['one', 'two']);
    expect(installed(root)).toBe('two');
    writeFileSync(join(root, 'seen'), '');
    expect(install(root, 'three')).toEqual(['two', 'three']);
  });

  it('takes the place of a folder, too, as versions before made it', () => {
    const root = temporaryFolder();
    put(join(root, 'usr/lib/millgate/version'), 'zero');
    install(root, 'one');
    expect(installed(root)).toBe('one');
  });

  it('takes everything away again', () => {
    const root = temporaryFolder();
    install(root, 'one');
    install(root, 'two');
    execFileSync('sh', [join(release('two'), 'install'), '--root', root, '--uninstall'], { encoding: 'utf8' });
    expect(readdirSync(join(root, 'usr/lib')).filter((name) => name.includes('millgate'))).toEqual([]);
    expect(existsSync(join(root, 'usr/bin/millgate'))).toBe(false);
  });

  it.each([
    ['/usr/bin/node', '/usr/bin/node'],
    ['/opt/node/bin/node', '/opt/node/bin/node'],
    ['/home/ann/.nvm/versions/node/v24.11.0/bin/node', '/usr/lib/millgate/bin/node'],
    ['/root/.volta/bin/node', '/usr/lib/millgate/bin/node'],
  ])('runs the program on %s by %s, which the service can see', (machines, expected) => {
    const script = `. ${join(ROOT, 'scripts/deb/lay-out.sh')}; node_for ${machines}`;
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' }).trim()).toBe(expected);
  });
});

describe('the package after an upgrade', () => {
  /** Runs postinst on a machine with systemd whose service is in this state; gives what was asked of the service. */
  function configure(state: string, before: string | undefined): string[] {
    const folder = temporaryFolder();
    const log = join(folder, 'asked');
    writeFileSync(log, '');
    mkdirSync(join(folder, 'systemd'));
    for (const tool of ['systemd-sysusers', 'systemd-tmpfiles', 'udevadm', 'deb-systemd-helper'])
      put(join(folder, 'bin', tool), '#!/bin/sh\n', 0o755);
    put(join(folder, 'bin/systemctl'), `#!/bin/sh\ncase $1 in show) echo ${state} ;; esac\n`, 0o755);
    put(join(folder, 'bin/deb-systemd-invoke'), `#!/bin/sh\necho "$@" >>${log}\n`, 0o755);
    const script = readFileSync(join(ROOT, 'scripts/deb/postinst'), 'utf8');
    put(join(folder, 'postinst'), script.replaceAll('/run/systemd/system', join(folder, 'systemd')), 0o755);
    const args = [join(folder, 'postinst'), 'configure', ...(before === undefined ? [] : [before])];
    execFileSync('sh', args, { env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` } });
    return readFileSync(log, 'utf8').trim().split('\n');
  }

  it.each([
    ['a first installation starts it', 'inactive', undefined, 'start millgate.service'],
    ['one that runs is started again', 'active', '0.1.0', 'restart millgate.service'],
    ['one that failed gets another try', 'failed', '0.1.0', 'restart millgate.service'],
    ['one that waits for its next start is started again', 'activating', '0.1.0', 'restart millgate.service'],
    ['one that somebody stopped stays stopped', 'inactive', '0.1.0', ''],
  ])('%s', (_, state, before, asked) => {
    expect(configure(state, before)).toEqual([asked]);
  });
});
