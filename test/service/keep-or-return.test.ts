/** An update from `scripts/install`: the program before comes back where no readings flow with the new one. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../double/command-line.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/deb/keep-or-return.sh');

/** A machine on which the new program (b) is in its place; `flowsAfter`: the how-manieth look finds good readings. */
function update(flowsAfter: number) {
  const root = temporaryFolder();
  const bin = join(root, 'doubles');
  const put = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), 0o755);
  };
  put('usr/lib/.millgate-a/program', 'old');
  put('usr/lib/.millgate-b/program', 'new');
  put('usr/bin/millgate', 'old command');
  put('usr/lib/systemd/system/millgate.service', 'old unit');
  symlinkSync('.millgate-b', join(root, 'usr/lib/millgate'));
  put('doubles/systemctl', `#!/bin/sh\necho "$*" >>${root}/ordered\n`);
  put(
    'doubles/millgate',
    `#!/bin/sh\necho look >>${root}/looks\n[ $(wc -l <${root}/looks) -lt ${flowsAfter} ] && echo '"good": 0' || echo '"good": 12'\n`,
  );
  const script = [
    `. ${SCRIPT}`,
    `remember_program ${root}`,
    `echo 'new command' >${root}/usr/bin/millgate`,
    `echo 'new unit' >${root}/usr/lib/systemd/system/millgate.service`,
    `keep_or_return ${root} .millgate-a 4 0`,
  ].join('\n');
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const { status, stderr } = spawnSync('sh', ['-c', script], { env, encoding: 'utf8' });
  const read = (path: string) => readFileSync(join(root, path), 'utf8').trim();
  return {
    status,
    stderr,
    link: readlinkSync(join(root, 'usr/lib/millgate')),
    program: read('usr/lib/millgate/program'),
    command: read('usr/bin/millgate'),
    unit: read('usr/lib/systemd/system/millgate.service'),
    ordered: existsSync(join(root, 'ordered')) ? read('ordered').split('\n') : [],
    isOldGone: !existsSync(join(root, 'usr/lib/.millgate-a')),
    isCopyGone: !existsSync(join(root, 'usr/lib/.millgate-was')),
  };
}

describe('an update', () => {
  it('with which readings flow is kept, and the program before goes', () => {
    expect(update(3)).toMatchObject({
      status: 0,
      stderr: '',
      link: '.millgate-b',
      command: 'new command',
      ordered: [],
      isOldGone: true,
      isCopyGone: true,
    });
  });

  it('with which none flow is taken back: program, command and unit, and the gateway starts again', () => {
    expect(update(1000)).toMatchObject({
      status: 1,
      stderr: '',
      link: '.millgate-a',
      program: 'old',
      command: 'old command',
      unit: 'old unit',
      ordered: ['daemon-reload', 'restart millgate.service'],
      isOldGone: false,
      isCopyGone: true,
    });
  });
});
