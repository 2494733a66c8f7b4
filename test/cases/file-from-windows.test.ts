/** A configuration as Notepad, Excel and PowerShell save it: read, or refused with the encoding and the place. */
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../hal/registry.ts';
import { formatProblem } from '../../src/config/file/problems.ts';
import { loadConfig } from '../../src/config/load.ts';
import { BUILT_IN, memoryFiles } from '../config/double/files.ts';

const LINES = [
  '# Pressenstraße 3',
  'channels: {sim: {driver: mock}}',
  'devices:',
  '  oven: {channel: sim, tags: {temp: {address: "sine(min=180,max=220,period=60s)", unit: "°C"}}}',
  '',
];
const DOS = LINES.join('\r\n');

/** The unit of the only tag, or every problem of the file. */
function unitOrProblems(bytes: Buffer): string {
  const files = memoryFiles({ 'millgate.yaml': bytes });
  const loaded = loadConfig({ file: 'millgate.yaml', files, drivers: DRIVERS, hostname: 'gate', profiles: BUILT_IN });
  if (!loaded.ok) return loaded.problems.map(formatProblem).join('\n');
  return loaded.config.channels[0]!.devices[0]!.tags[0]!.unit ?? 'no unit';
}

describe('a file from Windows', () => {
  it.each([
    ['lines that end in CR LF', Buffer.from(DOS)],
    ['UTF-8 with a byte order mark', Buffer.from(`\uFEFF${DOS}`)],
    ['lines that end in CR LF and LF', Buffer.from(DOS.replace('\r\n', '\n'))],
  ])('with %s is read', (_, bytes) => {
    expect(unitOrProblems(bytes)).toBe('°C');
  });

  it('in a code page of Windows is refused at the first letter that is not plain', () => {
    expect(unitOrProblems(Buffer.from(DOS, 'latin1'))).toBe(
      'millgate.yaml:1:14: the byte 0xDF here is not UTF-8 text; it was probably written in a code page of Windows ("ANSI"): save the file again with the encoding UTF-8',
    );
    const [line] = /:4:\d+: the byte 0xB0/.exec(unitOrProblems(Buffer.from(DOS.replace('ß', 'ss'), 'latin1'))) ?? [];
    expect(line).toBeDefined();
  });

  it.each([
    ['UTF-16 with its mark', Buffer.from(`\uFEFF${DOS}`, 'utf16le')],
    ['UTF-16 without a mark', Buffer.from(DOS, 'utf16le')],
    ['UTF-16 of the other byte order', Buffer.from(`\uFEFF${DOS}`, 'utf16le').swap16()],
  ])('as %s is refused by the name of the encoding', (_, bytes) => {
    expect(unitOrProblems(bytes)).toMatch(
      /^millgate\.yaml:1:1: the file is saved as UTF-16 \(.*\): save it again with the encoding UTF-8$/,
    );
  });
});
