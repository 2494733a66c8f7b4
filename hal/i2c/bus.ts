/** One I²C bus, one transfer at a time, with a deadline and repair of a stuck connection. */

import { type Clock, underBoth, unlessAborted } from '../../src/core/clock.ts';
import { codeOf, messageOf } from '../../src/core/errors.ts';
import { NotConnected } from '../driver.ts';
import { hex, I2cFault } from './fault.ts';
import type { OpenWire, Wire } from './wire.ts';

/** What a bus is made of. */
interface BusSettings {
  /** As messages call it: `/dev/i2c-1`. */
  readonly name: string;
  /** Longest wait for one transfer, ms. */
  readonly timeoutMs: number;
  /** How often a transfer is made again that was not acknowledged or went wrong; not after its deadline. */
  readonly retries: number;
}

/** A bus is stuck when this many transfers in a row failed on the bus itself, for at least this long. */
const STUCK_AFTER = 8;
const STUCK_AFTER_MS = 1000;

/** Transfers that may hang in the kernel at once: each holds a thread of Node's pool of four. */
const MOST_HANGING = 2;

/** What went wrong on the bus since it last worked, whoever was asked. */
interface Trouble {
  readonly count: number;
  readonly sinceMs: number;
  readonly address: number;
}

/**
 * One bus, one transfer at a time. Each has a deadline; after anything but a missing acknowledge the bus is closed and
 * opened again, because the file may have been left without its address. A transfer that hangs is left to end by
 * itself, and its file is closed then: closing it earlier could hand its number to somebody else.
 */
export class Bus {
  readonly settings: BusSettings;
  private readonly openWire: OpenWire;
  private readonly clock: Clock;
  private wire: Wire | undefined;
  private line: AbortController | undefined;
  /** Why the last connection ended, when it was not closed. */
  private lost: NotConnected | undefined;
  private tail: Promise<unknown> = Promise.resolve();
  private hanging = 0;
  /** The transfer under way, whether or not anybody still waits for it. */
  private working: { readonly wire: Wire; readonly ended: Promise<unknown> } | undefined;
  private readonly retired = new WeakSet<Wire>();
  private trouble: Trouble | undefined;

  constructor(settings: BusSettings, openWire: OpenWire, clock: Clock) {
    this.settings = settings;
    this.openWire = openWire;
    this.clock = clock;
  }

  /** Opens the bus. Rejects with `NotConnected`: it is not there, may not be used, or was stuck and still is. */
  async connect(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.line) return;
    const line = new AbortController();
    this.line = line;
    try {
      const stuck = this.trouble;
      await underBoth(signal, line.signal, async (either) => {
        if (stuck && stuck.count >= STUCK_AFTER) await this.probe(stuck, either);
        else await this.inTurn(() => this.opened(), either);
      });
    } catch (error) {
      if (this.line === line) this.line = undefined;
      throw error;
    }
  }

  /**
   * Makes one transfer, when its turn has come.
   *
   * @param retries how often it may be made again after noise; 0 where the device may have taken what it did not
   *   acknowledge, and must not get it twice
   * @throws I2cFault the device or this transfer failed; `NotConnected` the bus is gone or stuck; the signal's reason
   */
  async transfer<T>(
    address: number,
    work: (wire: Wire) => Promise<T>,
    signal: AbortSignal,
    retries = this.settings.retries,
  ): Promise<T> {
    return this.whileOpen(signal, (either) => this.inTurn(() => this.tried(address, work, either, retries), either));
  }

  /** Waits while others may use the bus; throws as {@link transfer} does when the bus goes away meanwhile. */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.whileOpen(signal, (either) => this.clock.sleep(ms, either));
  }

  /** Idempotent; transfers under way end as `NotConnected`. */
  async close(): Promise<void> {
    const closing = this.wire;
    this.lost = undefined;
    this.wire = undefined;
    this.line?.abort(new NotConnected(`${this.settings.name}: the bus was closed`));
    this.line = undefined;
    if (closing) await this.retire(closing);
  }

  private whileOpen<T>(signal: AbortSignal, work: (either: AbortSignal) => Promise<T>): Promise<T> {
    if (this.line) return underBoth(signal, this.line.signal, work);
    throw this.lost ?? new NotConnected(`${this.settings.name}: the bus is closed. Connect it first`);
  }

  /** The mutex of the bus. The turn lasts until the work is over, also when nobody waits for it any more. */
  private inTurn<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const turn = this.tail.then(() => {
      signal.throwIfAborted();
      return work();
    });
    this.tail = turn.catch(() => {});
    return unlessAborted(turn, signal);
  }

  private async probe({ address }: Trouble, signal: AbortSignal): Promise<void> {
    try {
      await this.inTurn(() => this.once(address, (wire) => wire.read(address, 1)), signal);
    } catch (error) {
      if (error instanceof I2cFault && error.origin === 'bus')
        throw new NotConnected(this.stuckText(), { cause: error });
      if (!(error instanceof I2cFault)) throw error;
    }
    this.trouble = undefined;
  }

  private async tried<T>(
    address: number,
    work: (wire: Wire) => Promise<T>,
    signal: AbortSignal,
    retries: number,
  ): Promise<T> {
    for (let retriesLeft = retries; ; retriesLeft--) {
      try {
        const result = await this.once(address, work);
        this.trouble = undefined;
        return result;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof I2cFault)) throw error;
        if (error.origin === 'bus') this.blame(address, error);
        else this.trouble = undefined;
        if (retriesLeft <= 0 || !isWorthRetrying(error)) throw error;
      }
    }
  }

  /** One transfer with its deadline; what goes wrong comes as `I2cFault`, or as `NotConnected` when the bus is gone. */
  private async once<T>(address: number, work: (wire: Wire) => Promise<T>): Promise<T> {
    const wire = await this.opened();
    let cancel = () => {};
    const deadline = new Promise<'late'>((resolve) => {
      cancel = this.clock.after(this.settings.timeoutMs, () => resolve('late'));
    });
    const working = work(wire);
    const ended = working.catch(() => {});
    this.working = { wire, ended };
    void ended.then(() => {
      if (this.working?.wire === wire) this.working = undefined;
    });
    try {
      const first = await Promise.race([working.then((result) => ({ result })), deadline]);
      if (first !== 'late') return first.result;
    } catch (error) {
      const fault = faultOf(address, error, this.settings.name);
      if (fault instanceof NotConnected) throw this.lose(fault);
      if (!isNoAcknowledge(fault)) await this.retire(wire);
      throw fault;
    } finally {
      cancel();
    }
    await this.retire(wire);
    throw new I2cFault('timeout', `${hex(address)}: no answer in ${this.settings.timeoutMs} ms. ${HELD_LOW}`, 'bus');
  }

  private async opened(): Promise<Wire> {
    if (this.wire) return this.wire;
    if (this.hanging >= MOST_HANGING) throw this.lose(`${this.hanging} transfers hang in the kernel. ${HELD_LOW}`);
    const line = this.line;
    const made = await this.openWire().catch((error: unknown) => {
      throw error instanceof NotConnected ? this.lose(error) : error;
    });
    if (this.line !== line || !line) {
      await shut(made);
      throw new NotConnected(`${this.settings.name}: closed while it was being opened`);
    }
    this.wire = made;
    return made;
  }

  /** Closes a file: now, or when the transfer that hangs in it is over. */
  private async retire(wire: Wire): Promise<void> {
    if (this.wire === wire) this.wire = undefined;
    if (this.retired.has(wire)) return;
    this.retired.add(wire);
    if (this.working?.wire !== wire) return shut(wire);
    this.hanging++;
    void this.working.ended.then(() => {
      this.hanging--;
      return shut(wire);
    });
  }

  private blame(address: number, fault: I2cFault): void {
    const nowMs = this.clock.monoMs();
    const { count, sinceMs } = this.trouble ?? { count: 0, sinceMs: nowMs };
    this.trouble = { count: count + 1, sinceMs, address };
    if (count + 1 < STUCK_AFTER || nowMs - sinceMs < STUCK_AFTER_MS) return;
    const lost = new NotConnected(this.stuckText(), { cause: fault });
    throw this.lose(lost);
  }

  private stuckText(): string {
    return `${this.settings.name}: the bus is stuck, no transfer gets through. ${HELD_LOW}`;
  }

  private lose(why: string | NotConnected): NotConnected {
    const lost = typeof why === 'string' ? new NotConnected(`${this.settings.name}: ${why}`) : why;
    const closing = this.wire;
    this.lost = lost;
    this.wire = undefined;
    this.line?.abort(lost);
    this.line = undefined;
    if (closing) void this.retire(closing);
    return lost;
  }
}

const HELD_LOW =
  'A device holds SDA or SCL low: switch the power of the sensors off and on, and check wiring and pull-ups.';

async function shut(wire: Wire): Promise<void> {
  try {
    await wire.close();
  } catch {
    // It is gone already, which is what was wanted.
  }
}

/** Whether nobody acknowledged: there is no such device, or it has no power. */
export function isNoAcknowledge({ why, origin }: I2cFault): boolean {
  return why === 'timeout' && origin === 'device';
}

/** What passes by itself: noise, a lost arbitration, one missed acknowledge. Not what hung, nor what cannot work. */
function isWorthRetrying(fault: I2cFault): boolean {
  return fault.why === 'garbled' || isNoAcknowledge(fault);
}

/** The system's error in the words of readings; see the README for the table. */
function faultOf(address: number, error: unknown, bus: string): I2cFault | NotConnected {
  const cause = { cause: error };
  const at = hex(address);
  if (error instanceof I2cFault || error instanceof NotConnected) return error;
  switch (codeOf(error)) {
    case 'ENXIO':
    case 'EREMOTEIO':
      return new I2cFault('timeout', `${at}: no acknowledge. Check power, wiring and address.`, 'device', cause);
    case 'ETIMEDOUT':
      return new I2cFault('timeout', `${at}: the transfer timed out. ${HELD_LOW}`, 'bus', cause);
    case 'EBUSY': {
      const remedy = `Unload it: ls /sys/bus/i2c/devices names it.`;
      return new I2cFault('device-busy', `${at}: a kernel driver uses this address. ${remedy}`, 'device', cause);
    }
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
      return new I2cFault('illegal-function', `${at}: ${bus} cannot make this kind of transfer.`, 'device', cause);
    case 'ENODEV':
    case 'ENOENT':
    case 'EBADF':
      return new NotConnected(`${bus}: the bus is gone (${messageOf(error)}). Is the adapter plugged in?`, cause);
    default:
      return new I2cFault('garbled', `${at}: the transfer failed (${messageOf(error)}).`, 'bus', cause);
  }
}
