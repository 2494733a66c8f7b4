/** Gives stored records as JSON texts, for those who only send them on. */
import type { DeviceRecord } from '../../core/reading.ts';
import { createRecordText } from '../../core/record-text.ts';
import { ByteWriter } from '../format/bytes.ts';
import { KnownShapes } from '../format/record-shapes.ts';
import { decodeTrueRecords, type WallOffset } from '../format/restamp.ts';
import type { Pieces, Texts } from '../protocol.ts';
import { type StoredTexts, TEXTS_BYTES } from '../store.ts';

const COMMA = 0x2c;

/** Turns stored bodies into the text that goes out. */
type TextWriter = (found: Pieces, offsets: readonly WallOffset[]) => Texts;

/** A writer with a cache of names of its own. It stops after {@link TEXTS_BYTES}. */
export function createTextWriter(): TextWriter {
  const recordText = createRecordText();
  const known = new KnownShapes();

  const textOf = (record: DeviceRecord): string => {
    try {
      return recordText(record);
    } catch (error) {
      // It is refused when it is to be sent, and set aside with its number: the rest goes.
      if (error instanceof TypeError) return '';
      throw error;
    }
  };

  return ({ from, pieces, next }, offsets) => {
    const page = new ByteWriter();
    const ends = new Uint32Array(next - from);
    const fields = new Uint32Array(next - from);
    const wallMs = new Float64Array(next - from);
    let count = 0;
    for (const { first, body } of pieces) {
      const records = decodeTrueRecords(body, first, offsets, known);
      for (let index = Math.max(0, from + count - first); index < records.length; index++) {
        if (first + index >= next || page.size >= TEXTS_BYTES) break;
        const record = records[index]!;
        if (count > 0) page.byte(COMMA);
        page.characters(textOf(record));
        ends[count] = page.size;
        fields[count] = record.fields.length;
        wallMs[count] = record.at.wallMs;
        count++;
      }
    }
    const columns = { ends: ends.slice(0, count), fields: fields.slice(0, count), wallMs: wallMs.slice(0, count) };
    return { from, next: count < ends.length ? from + count : next, page: page.finish(), ...columns };
  };
}

/** The columns as one object a record, for the queues of those who send them. */
export function textsOf({ from, next, page, ends, fields, wallMs }: Texts): StoredTexts {
  const texts = Array.from(ends, (end, index) => {
    const start = index === 0 ? 0 : ends[index - 1]! + 1;
    return { page, start, end, fields: fields[index]!, wallMs: wallMs[index]! };
  });
  return { from, texts, next };
}
