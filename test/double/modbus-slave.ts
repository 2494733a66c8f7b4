/**
 * Slaves whose every register tells where it is and when it was read, so that a value under a wrong name or from an
 * earlier question shows. Written from the protocol, not with our own codec.
 */
export interface ModbusSlaves {
  /** The answer's PDU; undefined when the unit does not exist. */
  answer: (unit: number, pdu: Uint8Array) => Uint8Array | undefined;
  /** Whether there is such a unit. */
  has(unit: number): boolean;
  /** How many reads the unit has served. */
  scans(unit: number): number;
  /** Registers and coils that were written, over what the slaves make up; keys `unit/address`. */
  readonly registers: Map<string, number>;
  readonly coils: Map<string, boolean>;
}

/** What a register reads: all factors are odd, so that one step of any of them changes it. */
export function expectedRegister(unit: number, address: number, scan: number): number {
  return (address * 40503 + unit * 7919 + scan * 30011) & 0xffff;
}

/** Whether a bit reads as set. */
export function expectedBit(unit: number, address: number): boolean {
  return (address * 5 + unit) % 3 === 0;
}

export interface SlaveOptions {
  readonly units: readonly number[];
  /** Registers from here on do not exist: exception 02. */
  readonly endOfMap?: number;
  /** Registers that do not exist although their neighbours do: exception 02. */
  readonly missing?: readonly number[];
  /** Functions the slaves know; others are exception 01. */
  readonly functions?: readonly number[];
  /** What a unit does with a request for these registers or bits instead: an exception, or nothing at all. */
  readonly refuses?: (unit: number, start: number, count: number) => number | 'silence' | undefined;
  /** Functions that meet silence instead of exception 01. */
  readonly silentTo?: readonly number[];
  /** Exceptions that the next writes meet, one each; after 05 the write is carried out nevertheless. */
  readonly writeExceptions?: number[];
  /** Writes are acknowledged and forgotten. */
  readonly ignoresWrites?: boolean;
}

export function modbusSlaves(options: SlaveOptions): ModbusSlaves {
  const registers = new Map<string, number>();
  const coils = new Map<string, boolean>();
  const served = new Map<number, number>();
  const endOfMap = options.endOfMap ?? 65_536;
  const register = (unit: number, address: number) =>
    registers.get(`${unit}/${address}`) ?? expectedRegister(unit, address, served.get(unit) ?? 0);
  const bit = (unit: number, address: number) => coils.get(`${unit}/${address}`) ?? expectedBit(unit, address);
  const set = (unit: number, address: number, value: number) => {
    if (!options.ignoresWrites) registers.set(`${unit}/${address}`, value & 0xffff);
  };

  const read = (unit: number, code: number, start: number, count: number): number[] => {
    served.set(unit, (served.get(unit) ?? 0) + 1);
    if (code <= 2) {
      const bytes = new Array<number>(Math.ceil(count / 8)).fill(0);
      for (let index = 0; index < count; index++) if (bit(unit, start + index)) bytes[index >> 3]! |= 1 << (index & 7);
      return [code, bytes.length, ...bytes];
    }
    const words = Array.from({ length: count }, (_, index) => register(unit, start + index));
    return [code, 2 * count, ...words.flatMap((word) => [word >> 8, word & 0xff])];
  };

  const answer = (unit: number, pdu: Uint8Array): number[] | undefined => {
    if (!options.units.includes(unit)) return undefined;
    const code = pdu[0]!;
    const word = (at: number) => (pdu[at]! << 8) | pdu[at + 1]!;
    if (options.functions && !options.functions.includes(code)) return [code | 0x80, 1];
    if (options.silentTo?.includes(code)) return undefined;
    const exception = code > 4 ? options.writeExceptions?.shift() : undefined;
    if (exception !== undefined && exception !== 5) return [code | 0x80, exception];
    const start = word(1);
    const span = code === 5 || code === 6 || code === 22 ? 1 : word(3);
    const refusal = options.refuses?.(unit, start, span);
    if (refusal !== undefined) return refusal === 'silence' ? undefined : [code | 0x80, refusal];
    const isHole = options.missing?.some((hole) => start <= hole && hole < start + span);
    if (isHole || start + span > endOfMap) return [code | 0x80, 2];
    switch (code) {
      case 1:
      case 2:
      case 3:
      case 4:
        return read(unit, code, start, span);
      case 5:
        if (!options.ignoresWrites) coils.set(`${unit}/${start}`, pdu[3] === 0xff);
        return [...pdu];
      case 6:
        set(unit, start, word(3));
        return [...pdu];
      case 15:
        for (let index = 0; index < span; index++)
          coils.set(`${unit}/${start + index}`, ((pdu[6 + (index >> 3)]! >> (index & 7)) & 1) === 1);
        return [...pdu.subarray(0, 5)];
      case 16:
        for (let index = 0; index < span; index++) set(unit, start + index, word(6 + 2 * index));
        return [...pdu.subarray(0, 5)];
      case 22:
        set(unit, start, (register(unit, start) & word(3)) | (word(5) & ~word(3)));
        return [...pdu];
      default:
        return [code | 0x80, 1];
    }
  };

  return {
    answer: (unit, pdu) => {
      const isAccepted = pdu[0]! > 4 && options.writeExceptions?.[0] === 5;
      const bytes = answer(unit, pdu);
      return bytes && Uint8Array.from(isAccepted ? [pdu[0]! | 0x80, 5] : bytes);
    },
    has: (unit) => options.units.includes(unit),
    scans: (unit) => served.get(unit) ?? 0,
    registers,
    coils,
  };
}

/** CRC of an RTU frame, bit by bit as the specification draws it. */
export function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}

/** An RTU frame around a PDU. */
export function rtuFrame(unit: number, pdu: Uint8Array): Uint8Array {
  const body = Uint8Array.of(unit, ...pdu);
  const crc = slowCrc(body);
  return Uint8Array.of(...body, crc & 0xff, crc >> 8);
}

/** A Modbus TCP frame around a PDU. */
export function mbapFrame(transaction: number, unit: number, pdu: Uint8Array): Uint8Array {
  const length = pdu.length + 1;
  return Uint8Array.of(transaction >> 8, transaction & 0xff, 0, 0, length >> 8, length & 0xff, unit, ...pdu);
}
