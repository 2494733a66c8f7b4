import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../../src/cli/terminal/table.ts';
import { terminalOutput, toAscii } from '../../../src/cli/terminal/terminal-output.ts';
import { Terminal } from '../../double/terminal.ts';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';

describe('text on a terminal', () => {
  it.each([
    [{ LANG: 'de_DE.UTF-8' }, '45.2 °C ▁▄█ ×…'],
    [{ LANG: 'de_DE.utf8' }, '45.2 °C ▁▄█ ×…'],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, '45.2 oC _~# x~'],
    [{ LANG: 'de_DE.ISO-8859-1' }, '45.2 oC _~# x~'],
    [{}, '45.2 oC _~# x~'],
  ])('is written with %j as "%s"', (env, shown) => {
    const terminal = new Terminal();
    terminalOutput(terminal, env).write('45.2 °C ▁▄█ ×…');
    expect(terminal.lines).toEqual([shown]);
  });

  it.each(['温度 °C', 'Ω', 'µm²'])('in ASCII is as wide as before: %s', (text) => {
    expect(toAscii(text)).toMatch(/^[ -~]+$/);
    expect(displayWidth(toAscii(text))).toBe(displayWidth(text));
  });
});

describe('a terminal that was taken over', () => {
  it('is given back at the end of the process, and only once', () => {
    const terminal = new Terminal();
    const output = terminalOutput(terminal, {});
    output.write(ENTER);
    expect(terminal).toMatchObject({ isOnAlternatePage: true, isCursorShown: false, doesWrap: false });
    output.restore();
    expect(terminal).toMatchObject({ isOnAlternatePage: false, isCursorShown: true, doesWrap: true });
    const { length } = terminal.written;
    output.restore();
    expect(terminal.written.length).toBe(length);
  });

  it('is taken again when the process goes on after Ctrl-Z', () => {
    const terminal = new Terminal();
    const output = terminalOutput(terminal, {});
    output.resume();
    expect(terminal.written).toBe('');
    output.write(ENTER);
    output.restore();
    const { length } = terminal.written;
    output.write('drawn too late');
    expect(terminal.written.length).toBe(length);
    output.resume();
    expect(terminal).toMatchObject({ isOnAlternatePage: true, isCursorShown: false });
    output.restore();
    expect(terminal).toMatchObject({ isOnAlternatePage: false, isCursorShown: true });
  });

  it('is left alone when it was not', () => {
    const terminal = new Terminal();
    terminalOutput(terminal, {}).restore();
    expect(terminal.written).toBe('');
  });
});
