/**
 * Cells of ten minutes: what a chart of days or months reads in place of minutes. Of the minutes only the counts are kept,
 * since gaps are looked for by the minute, however wide a column is.
 */
import { ByteReader, ByteWriter, CodecError } from '../format/bytes.ts';
import { deflate, inflate } from '../format/segment.ts';
import {
  type Cell,
  CountedRuns,
  emptyCell,
  type MinuteRollup,
  mergeInto,
  RUN_WIDTH,
  readExtremes,
  readMarks,
  writeExtremes,
  writeMarks,
} from './rollup.ts';

/** Length of a cell, which begins at a multiple of it since 1970. */
export const CELL_MINUTES = 10;

/** How encoded cells begin; see {@link encodeCells}. */
const PLAIN = 1;
const DEFLATED = 2;

/** What is no longer stays as it is: to inflate it would take longer than to read it. */
const MOST_PLAIN_BYTES = 2000;

/**
 * Minutes as cells: a byte that says whether the rest is deflated, then runs of minutes with the same counts (how many
 * runs, and of each the minutes passed over, the minutes in it, their count and their bad count), minimum, maximum and sum
 * of the cells with a count, and marks. Which cells there are, and how many readings they have, follows from the runs.
 *
 * @param minutes in order of time, each once
 */
export function encodeCells(minutes: readonly MinuteRollup[]): Uint8Array {
  const runs = new CountedRuns();
  const cells = new Map<number, Cell>();
  for (const one of minutes) {
    runs.add(one.minute, 1, one.count, one.bad);
    mergeInto(cells, beginOf(one.minute), one);
  }
  const out = new ByteWriter();
  out.varint(runs.numbers.length / RUN_WIDTH);
  let end = 0;
  for (let at = 0; at < runs.numbers.length; at += RUN_WIDTH) {
    const [minute, length, count, bad] = runs.numbers.slice(at, at + RUN_WIDTH) as [number, number, number, number];
    for (const number of [minute - end, length, count, bad]) out.varint(number);
    end = minute + length;
  }
  const own = [...cells.values()];
  writeExtremes(out, own);
  writeMarks(out, own);
  const plain = out.finish();
  const isLong = plain.length > MOST_PLAIN_BYTES;
  return Buffer.concat([Uint8Array.of(isLong ? DEFLATED : PLAIN), isLong ? deflate(plain) : plain]);
}

/**
 * The reverse of {@link encodeCells}: the cells, and the runs as {@link CountedRuns} has them. Throws `CodecError` for what
 * was never written.
 *
 * @param name of the file, for the message about damage
 */
export function decodeCells(name: string, bytes: Uint8Array): { readonly cells: Cell[]; readonly runs: number[] } {
  const form = bytes[0];
  if (form !== PLAIN && form !== DEFLATED) throw new CodecError(`form ${form} of cells is not known`);
  const plain = form === PLAIN ? bytes.subarray(1) : inflate(name, bytes.subarray(1));
  const input = new ByteReader(plain);
  const runs: number[] = [];
  const cells: Cell[] = [];
  let open: Cell | undefined;
  let minute = 0;
  for (let left = input.count(); left > 0; left--) {
    minute += input.varint();
    const [length, count, bad] = [input.varint(), input.varint(), input.varint()];
    runs.push(minute, length, count, bad);
    for (const end = minute + length; minute < end; ) {
      const begin = beginOf(minute);
      if (open?.minute !== begin) {
        open = emptyCell(begin);
        cells.push(open);
      }
      const minutes = Math.min(end, begin + CELL_MINUTES) - minute;
      open.count += minutes * count;
      open.bad += minutes * bad;
      minute += minutes;
    }
  }
  readExtremes(input, cells);
  if (input.offset < plain.length) readMarks(input, cells);
  return { cells, runs };
}

function beginOf(minute: number): number {
  return minute - (minute % CELL_MINUTES);
}
