import { widthOf } from '../../src/cli/terminal/table.ts';

/** What a terminal shows of the bytes it is sent: enough of one to see what a person would see. */
export class Terminal {
  columns: number;
  rows: number;
  /** Everything that was written, as it came. */
  written = '';
  isCursorShown = true;
  isOnAlternatePage = false;
  doesWrap = true;
  private main: string[][] = [];
  private alternate: string[][] = [];
  private row = 0;
  private column = 0;
  private resizeListeners = new Set<() => void>();

  constructor(columns = 80, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  /** Lines on the page that is shown now, without colours, trailing blanks and blank lines left out. */
  get lines(): string[] {
    const lines = Array.from(this.page, (line) => (line ?? []).join('').trimEnd());
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }

  onResize = (listener: () => void): (() => void) => {
    this.resizeListeners.add(listener);
    return () => this.resizeListeners.delete(listener);
  };

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    for (const listener of this.resizeListeners) listener();
  }

  write(text: string): boolean {
    this.written += text;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is made of control characters
    for (const part of text.match(/\u001b\[[?\d;]*[A-Za-z]|\n|[^\u001b\n]+/g) ?? []) {
      if (part.startsWith('\u001b[')) this.control(part.slice(2, -1), part.at(-1)!);
      else if (part === '\n') this.moveTo(this.row + 1, 0);
      else this.put(part);
    }
    return true;
  }

  private get page(): string[][] {
    return this.isOnAlternatePage ? this.alternate : this.main;
  }

  private get line(): string[] {
    this.page[this.row] ??= [];
    return this.page[this.row]!;
  }

  private put(text: string): void {
    const { line } = this;
    while (line.length < this.column) line.push(' ');
    for (const character of text) {
      const width = widthOf(character);
      if (width === 0 && this.column > 0) line[this.column - 1] += character;
      if (width > 0) line[this.column++] = character;
      // The right half of a wide character has no text of its own.
      if (width > 1) line[this.column++] = '';
    }
  }

  private moveTo(row: number, column: number): void {
    this.row = row;
    this.column = column;
  }

  private control(argument: string, command: string): void {
    if (command === 'h' || command === 'l') this.mode(argument, command === 'h');
    else if (command === 'H') {
      const [row = 1, column = 1] = argument.split(';').map(Number);
      this.moveTo(row - 1, column - 1);
    } else if (command === 'K') this.line.length = argument === '2' ? 0 : Math.min(this.line.length, this.column);
    else if (command === 'J') {
      if (argument === '2') this.page.length = 0;
      else this.page.length = Math.min(this.page.length, this.row);
    } else if (command !== 'm') throw new Error(`the terminal does not know ESC[${argument}${command}`);
  }

  private mode(argument: string, on: boolean): void {
    if (argument === '?25') this.isCursorShown = on;
    else if (argument === '?7') this.doesWrap = on;
    else if (argument === '?1049') {
      this.isOnAlternatePage = on;
      this.moveTo(on ? 0 : this.main.length, 0);
      if (on) this.alternate = [];
    } else throw new Error(`the terminal does not know mode ${argument}`);
  }
}
