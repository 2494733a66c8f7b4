/** Finds a line by the name or the number that the file gives. */
import { type GpioChip, LineFault } from './port.ts';

/** A line as the kernel finds it. */
interface Place {
  readonly chip: GpioChip;
  readonly offset: number;
}

/** How a line is named in the file: by its name, or by its offset on the chip. */
export type LineName =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'offset'; readonly offset: number };

/**
 * Labels of the chip that the 40-pin header of a Raspberry Pi is on, one for each generation: the chip that is meant
 * where no chip is named, as these machines have others for their own use.
 */
const HEADER_CHIPS = ['pinctrl-rp1', 'pinctrl-bcm2711', 'pinctrl-bcm2835'];

/**
 * Finds a line. A named chip is found by its label or its name; `auto` searches every chip for the line's name, and takes
 * an offset to be of the only chip, or of the header's.
 *
 * A chip that has no line called `GPIO` and a number counts them by offset (`GPIO17` is 17): old kernels, and sysfs
 * without a device tree. A name found twice is refused rather than guessed.
 *
 * @param wanted `auto`, `gpiochipN` or a label
 * @throws LineFault `no-such`, naming what there is
 */
export function findLine(chips: readonly GpioChip[], wanted: string, line: LineName): Place {
  const candidates = wanted === 'auto' ? chips : [chipNamed(chips, wanted)];
  if (line.kind === 'offset') return within(onlyChip(candidates, `offset ${line.offset}`), line.offset);
  const found = candidates.flatMap((chip) =>
    chip.lineNames.flatMap((name, offset) => (name === line.name ? [{ chip, offset }] : [])),
  );
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const places = found.map(({ chip, offset }) => `${offset} of ${chip.label}`).join(' and ');
    throw noSuch(`line ${line.name} is there more than once: ${places}. Name the chip, and write the offset`);
  }
  const number = /^GPIO(\d{1,4})$/.exec(line.name)?.[1];
  const counting = candidates.filter((chip) => !chip.lineNames.some((name) => /^GPIO\d+$/.test(name)));
  if (number !== undefined && counting.length > 0 && counting.length === candidates.length)
    return within(onlyChip(counting, line.name), Number(number));
  throw noSuch(`no line is called ${line.name}. ${namesOf(candidates)}`);
}

/** The chip of a label or a name. Throws LineFault `no-such`, naming what there is. */
export function chipNamed(chips: readonly GpioChip[], wanted: string): GpioChip {
  const byLabel = chips.filter(({ label }) => label === wanted);
  if (byLabel.length > 1) {
    const names = byLabel.map(({ name }) => name).join(', ');
    throw noSuch(`${byLabel.length} chips have the label ${wanted}: write one of ${names} as chip`);
  }
  const chip = byLabel[0] ?? chips.find(({ name }) => name === wanted);
  if (chip) return chip;
  throw noSuch(`no GPIO chip is called ${wanted}. ${chipsText(chips)}`);
}

function onlyChip(chips: readonly GpioChip[], what: string): GpioChip {
  if (chips.length === 1) return chips[0]!;
  const header = HEADER_CHIPS.flatMap((label) => chips.filter((chip) => chip.label === label))[0];
  if (header) return header;
  throw noSuch(`${what} could be on any of ${chips.length} chips. Write chip: and a label. ${chipsText(chips)}`);
}

function within(chip: GpioChip, offset: number): Place {
  if (offset < chip.lines) return { chip, offset };
  throw noSuch(`${chip.label} has lines 0 to ${chip.lines - 1}, not ${offset}`);
}

function namesOf(chips: readonly GpioChip[]): string {
  const names = chips.flatMap(({ lineNames }) => lineNames.filter((name) => name !== ''));
  if (names.length === 0) return `The lines have no names here: write the offset on the chip. ${chipsText(chips)}`;
  const shown = names.slice(0, 12).join(', ');
  return `There are ${shown}${names.length > 12 ? ` and ${names.length - 12} more (gpioinfo lists them)` : ''}`;
}

function chipsText(chips: readonly GpioChip[]): string {
  if (chips.length === 0) return 'There is no GPIO chip on this machine';
  return `There are ${chips.map(({ name, label, lines }) => `${label} (${name}, ${lines} lines)`).join(', ')}`;
}

function noSuch(message: string): LineFault {
  return new LineFault('no-such', message);
}
