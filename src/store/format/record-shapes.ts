/** Remembers the shapes of records, as most commits have the same ones. */
import type { TagId } from '../../core/reading.ts';
import { type ByteReader, ByteWriter } from './bytes.ts';

/** A device with an ordered list of fields, as the records of one shape have them. */
export interface Shape {
  readonly device: string;
  readonly flags: number;
  readonly names: readonly string[];
}

/** A shape as it was read. */
export interface KnownShape extends Shape {
  /** The full names of its tags. */
  readonly tags: readonly TagId[];
  /** As it lies encoded: what a preset dictionary should hold. */
  readonly bytes: Uint8Array;
  /** The same as a text, to find it by. */
  readonly key: string;
}

/** Devices, and shapes of each, that are remembered. */
const MOST_DEVICES = 4096;
const MOST_SHAPES = 32;

/** Remembers shapes, since the commits of a run have the same ones: their names are made of bytes once. */
export class KnownShapes {
  private readonly byDevice = new Map<string, KnownShape[]>();

  /** Reads the next shape. */
  next(input: ByteReader): KnownShape {
    const start = input.offset;
    const device = input.text();
    const alike = this.byDevice.get(device) ?? [];
    for (const shape of alike) {
      if (!input.startsWith(start, shape.bytes)) continue;
      input.offset = start + shape.bytes.length;
      return shape;
    }
    const flags = input.byte();
    const names = Array.from({ length: input.count() }, () => input.text());
    const bytes = input.copy(start, input.offset);
    const tags = names.map((name) => `${device}/${name}`);
    const shape = { device, flags, names, tags, bytes, key: Buffer.from(bytes).toString('latin1') };
    if (this.byDevice.size >= MOST_DEVICES) this.byDevice.clear();
    if (alike.length >= MOST_SHAPES) alike.shift();
    alike.push(shape);
    this.byDevice.set(device, alike);
    return shape;
  }
}

/** Remembers how the last shape of each device was written: most records have the one of the record before, with its very list. */
export class WrittenShapes {
  private readonly byDevice = new Map<string, { readonly shape: Shape; readonly bytes: Uint8Array }>();
  private readonly out = new ByteWriter();

  /** The shape as it lies encoded. */
  bytesOf(shape: Shape): Uint8Array {
    const { device, flags, names } = shape;
    const known = this.byDevice.get(device);
    if (known && known.shape.names === names && known.shape.flags === flags) return known.bytes;
    const { out } = this;
    out.reset();
    out.text(device);
    out.byte(flags);
    out.varint(names.length);
    for (const name of names) out.text(name);
    const bytes = out.finish();
    if (this.byDevice.size >= MOST_DEVICES) this.byDevice.clear();
    this.byDevice.set(device, { shape, bytes });
    return bytes;
  }
}
