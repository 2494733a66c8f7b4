const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/**
 * CRC-16/MODBUS of `bytes[from, to)`: start 0xFFFF, reflected polynomial 0xA001 (MODBUS over Serial Line V1.02, 6.2.2).
 * On the wire the low byte comes first. By table, because resynchronising on noise checks many candidates.
 */
export function crc16(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0xffff;
  for (let index = from; index < to; index++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[index]!) & 0xff]!;
  return crc;
}

/** Whether `bytes[from, to)` ends with the checksum of what is before it. */
export function hasValidCrc(bytes: Uint8Array, from: number, to: number): boolean {
  return crc16(bytes, from, to - 2) === (bytes[to - 2]! | (bytes[to - 1]! << 8));
}
