/** A chip of lines as the kernel lists it. */
export interface GpioChip {
  /** `gpiochip0`; the number may be another one after the next boot. */
  readonly name: string;
  /** What the chip is called by its driver or the device tree: `pinctrl-bcm2711`. */
  readonly label: string;
  /** How many lines it has; offsets go from 0 to one less. */
  readonly lines: number;
  /** Names of the lines by offset; an empty text where a line has none. Empty when the backend cannot tell names. */
  readonly lineNames: readonly string[];
}

/** Pull resistor inside the chip. `as-is` leaves what the firmware set. */
export type Bias = 'as-is' | 'pull-up' | 'pull-down' | 'disabled';

/** How an output drives its line. */
export type Drive = 'push-pull' | 'open-drain' | 'open-source';

/** Which changes of a line are reported: `rising` is from inactive to active, so activeLow turns it round. */
export type Edges = 'none' | 'rising' | 'falling' | 'both';

/** How a line is to be set up. Values are logical: true is active. */
export type LineSetup =
  | {
      readonly direction: 'input';
      readonly activeLow: boolean;
      readonly bias: Bias;
      /** How long a level has to last, µs; 0: no debouncing. */
      readonly debounceUs: number;
      readonly edges: Edges;
    }
  | {
      readonly direction: 'output';
      readonly activeLow: boolean;
      readonly drive: Drive;
      /** The value the line has from the first moment. */
      readonly initial: boolean;
    };

/** One change of a line. */
export interface Edge {
  /** True for a change to active. */
  readonly active: boolean;
  /** When it happened, on the clock of {@link GpioPort.nowMs}. */
  readonly stampMs: number;
  /** How many edges of this line are known to be lost right before this one. */
  readonly missed: number;
}

/** A line that is held. Everything throws {@link LineFault}. */
export interface OpenLine {
  /** Which edges it reports: those asked for, or both. */
  readonly edges: Edges;
  /** The level now; true is active. */
  value(): boolean;
  /** Drives an output. */
  set(active: boolean): void;
  /** The edges since the last call, oldest first, at most what one buffer holds; never waits. */
  drain(): readonly Edge[];
  /** Gives the line back. Idempotent, never throws. */
  close(): void;
}

/**
 * One way to the lines of this machine: the character device, or sysfs. All calls are synchronous, because the kernel
 * answers them in microseconds.
 */
export interface GpioPort {
  readonly backend: 'chardev' | 'sysfs';
  /** Every chip that may be opened. Throws {@link LineFault} `denied` when there are chips but none may. */
  chips(): readonly GpioChip[];
  /** Takes a line. Throws {@link LineFault}. */
  open(chip: GpioChip, offset: number, setup: LineSetup): OpenLine;
  /** The clock that stamps edges, ms. It runs as fast as the gateway's monotonic clock, from another start. */
  nowMs(): number;
}

/**
 * Why a line or a chip cannot be used.
 *
 * - `busy` somebody else has it; `no-such` there is no such chip or line; `denied` this user may not
 * - `unsupported` the chip or the backend cannot do what was asked; `gone` the chip was taken away
 */
export type LineTrouble = 'busy' | 'no-such' | 'denied' | 'unsupported' | 'gone';

/** A {@link LineTrouble} with its cause and remedy in one line. */
export class LineFault extends Error {
  readonly trouble: LineTrouble;

  constructor(trouble: LineTrouble, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LineFault';
    this.trouble = trouble;
  }
}

/** What to do when this user may not open `what`. */
export function deniedMessage(what: string): string {
  return (
    `${what}: permission denied. Add the user to the group "gpio": sudo usermod -aG gpio USER (millgate for the ` +
    'service), then log in again or restart the service; the udev rule in hal/gpio/README.md gives the group the chips'
  );
}

/** Edges one line keeps while nobody takes them: what the kernel holds at most for one line (64 lines × 16 events). */
export const EDGE_BUFFER = 1024;

/** The name that others see on a line that we hold. */
export function consumerOf(chip: GpioChip, offset: number): string {
  return `millgate:${chip.name}:${offset}`;
}
