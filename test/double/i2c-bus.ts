import type { OpenWire, Wire } from '../../hal/i2c/wire.ts';
import type { Clock } from '../../src/core/clock.ts';

/** A device on the fake bus, as bytes: what it is written, and what it answers to a read. Throws to not acknowledge. */
export interface FakeDevice {
  write(bytes: Uint8Array): void;
  read(length: number): Uint8Array;
}

/** What goes wrong with transfers: `nack` and `hang` until taken away, an error for as many transfers as said. */
export type BusTrouble =
  | { readonly kind: 'nack' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'error'; readonly code: string; left: number };

/** A bus in memory, with the errors a kernel gives. */
export interface FakeBus {
  readonly open: OpenWire;
  readonly devices: Map<number, FakeDevice>;
  /** By address; `all` for every address. */
  readonly trouble: Map<number | 'all', BusTrouble>;
  /** Every transfer: address and bytes written, in order. */
  readonly written: { address: number; bytes: number[] }[];
  readonly counts: { opened: number; closed: number; most: number };
  /** Lets every transfer that hangs end. */
  release(): void;
}

function errno(code: string): Error {
  return Object.assign(new Error(`${code}: transfer`), { code });
}

/** A bus with these devices. No transfer may overlap another. */
export function fakeBus(clock: Clock, devices: Record<number, FakeDevice>): FakeBus {
  let under = 0;
  let hanging: (() => void)[] = [];
  const bus: FakeBus = {
    devices: new Map(Object.entries(devices).map(([address, device]) => [Number(address), device])),
    trouble: new Map(),
    written: [],
    counts: { opened: 0, closed: 0, most: 0 },
    release() {
      for (const go of hanging) go();
      hanging = [];
    },
    async open() {
      bus.counts.opened++;
      return { ...wire };
    },
  };
  const transfer = async <T>(address: number, work: (device: FakeDevice) => T): Promise<T> => {
    under++;
    bus.counts.most = Math.max(bus.counts.most, under);
    try {
      const trouble = bus.trouble.get(address) ?? bus.trouble.get('all');
      if (trouble?.kind === 'hang') await new Promise<void>((resolve) => hanging.push(resolve));
      if (trouble?.kind === 'slow') await clock.sleep(trouble.ms);
      if (trouble?.kind === 'error' && trouble.left-- > 0) throw errno(trouble.code);
      const device = bus.devices.get(address);
      if (!device || trouble?.kind === 'nack') throw errno('ENXIO');
      return work(device);
    } finally {
      under--;
    }
  };
  const note = (address: number, bytes: Uint8Array): void => void bus.written.push({ address, bytes: [...bytes] });
  const wire: Wire = {
    read: (address, length) => transfer(address, (device) => device.read(length)),
    write: (address, bytes) =>
      transfer(address, (device) => {
        note(address, bytes);
        device.write(bytes);
      }),
    readRegister: (address, register, length) =>
      transfer(address, (device) => {
        const pointer = Uint8Array.of(register);
        note(address, pointer);
        device.write(pointer);
        return device.read(length);
      }),
    quick: (address) => transfer(address, () => {}),
    close: async () => void bus.counts.closed++,
  };
  return bus;
}

/** A chip with up to 256 byte registers and a pointer that counts up. `onWrite` plays what the chip does then. */
export function byteRegisters(
  start: Record<number, number | readonly number[]>,
  onWrite: (register: number, value: number, registers: Uint8Array) => void = () => {},
): FakeDevice & { readonly registers: Uint8Array } {
  const registers = new Uint8Array(256);
  for (const [at, value] of Object.entries(start))
    registers.set(typeof value === 'number' ? [value] : value, Number(at));
  let pointer = 0;
  return {
    registers,
    write(bytes) {
      pointer = bytes[0]!;
      for (const value of bytes.subarray(1)) {
        registers[pointer] = value;
        onWrite(pointer, value, registers);
        pointer = (pointer + 1) & 0xff;
      }
    },
    read: (length) => Uint8Array.from({ length }, () => registers[pointer++ & 0xff]!),
  };
}

/** A chip with 16-bit registers, high byte first, and a pointer that stays. */
export function wordRegisters(
  start: Record<number, number>,
  onWrite: (register: number, value: number, registers: Map<number, number>) => void = () => {},
): FakeDevice & { readonly registers: Map<number, number> } {
  const registers = new Map(Object.entries(start).map(([at, value]) => [Number(at), value]));
  let pointer = 0;
  return {
    registers,
    write(bytes) {
      pointer = bytes[0]!;
      if (bytes.length < 3) return;
      const value = (bytes[1]! << 8) | bytes[2]!;
      registers.set(pointer, value);
      onWrite(pointer, value, registers);
    },
    read(length) {
      const word = registers.get(pointer) ?? 0;
      return Uint8Array.from({ length }, (_, index) => (index % 2 === 0 ? word >> 8 : word & 0xff));
    },
  };
}

/** A TMP102 that shows a temperature of 12 bits, °C; after power-on. */
export function fakeTmp102(celsius: number): FakeDevice & { show(celsius: number): void } {
  const rawOf = (shown: number): number => (Math.round(shown * 16) << 4) & 0xffff;
  const device = wordRegisters({ 0: rawOf(celsius), 1: 0x60a0, 2: 0x4b00, 3: 0x5000 });
  return { ...device, show: (shown) => void device.registers.set(0, rawOf(shown)) };
}
