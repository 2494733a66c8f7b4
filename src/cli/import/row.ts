/** What one row of a register list is on its way to a tag. */
import type { ModbusType, Order, Table } from '../../../hal/modbus/map/address.ts';
import type { Place } from './cells.ts';
import type { Field } from './columns.ts';
import type { Row } from './sheet.ts';

/** A tag that the list describes. */
export interface ListedTag {
  readonly line: number;
  readonly name: string;
  readonly table: Table;
  /** Protocol address, from 0. */
  readonly start: number;
  readonly count: number;
  readonly type: ModbusType;
  readonly bit?: number;
  readonly lastBit?: number;
  readonly scale?: number;
  readonly offset?: number;
  readonly unit?: string;
  readonly order?: Order;
  readonly min?: number;
  readonly max?: number;
  readonly writable: boolean;
  readonly description?: string;
}

/** A row with its cells by field, and the section in which it stands. */
export interface Entry {
  readonly row: Row;
  readonly cell: (field: Field) => string;
  readonly section: Table | undefined;
  readonly place: Place;
}

/** A tag before its name is made unique, and what was guessed of it alone. */
export interface Draft extends ListedTag {
  /** Its name in the words of the list. */
  readonly said: string;
  readonly isTableGuessed: boolean;
  readonly isTypeGuessed: boolean;
  readonly isSignGuessed: boolean;
}
