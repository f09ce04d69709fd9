import { types } from 'pg';
import { microsOfMillis, type Micros } from '../../domain/time.ts';

/*
 * Arrays as parameters, in binary form: array_recv in
 * https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/arrayfuncs.c
 *
 * `pg` writes them as text, quoting and escaping each element, and the server reads each out of the text again. There are
 * fifteen thousand elements in a large batch.
 */

/** How the values of a column are sent as one parameter. */
export interface ColumnType<Value> {
  /** The parameter's type: `uuid[]`. */
  readonly declared: string;
  readonly parameter: (values: readonly Value[]) => Buffer | string;
  /** The SQL of the value of row `i`, counted from 1, given that of the parameter. */
  readonly valueOf: (parameter: string) => string;
}

/** As an array of a type of Postgres. */
export type ArrayType<Value> = ColumnType<Value | null>;

interface Element<Value> {
  readonly oid: number;
  readonly size: (value: Value) => number;
  /** Writes so many bytes at `offset`. */
  readonly write: (target: Target, offset: number, value: Value) => void;
}

/** The same bytes twice: a DataView writes numbers several times faster than a Buffer. */
interface Target {
  readonly bytes: Buffer;
  readonly numbers: DataView;
}

export const uuid = binary<string>('uuid', {
  oid: types.builtins.UUID,
  size: () => 16,
  write: writeUuid,
});

export const bigint = binary<bigint>('bigint', {
  oid: types.builtins.INT8,
  size: () => 8,
  write: ({ numbers }, offset, value) => {
    if (BigInt.asIntN(64, value) !== value) throw doesNotFit('bigint', value);
    numbers.setBigInt64(offset, value);
  },
});

export const integer = binary<number>('integer', {
  oid: types.builtins.INT4,
  size: () => 4,
  write: ({ numbers }, offset, value) => {
    if ((value | 0) !== value) throw doesNotFit('integer', value);
    numbers.setInt32(offset, value);
  },
});

export const smallint = binary<number>('smallint', {
  oid: types.builtins.INT2,
  size: () => 2,
  write: ({ numbers }, offset, value) => {
    if ((value << 16) >> 16 !== value) throw doesNotFit('smallint', value);
    numbers.setInt16(offset, value);
  },
});

/** Postgres counts from there. */
const year2000 = microsOfMillis(Date.UTC(2000));

export const timestamptz = binary<Micros>('timestamptz', {
  oid: types.builtins.TIMESTAMPTZ,
  size: () => 8,
  write: ({ numbers }, offset, value) => numbers.setBigInt64(offset, BigInt(value - year2000)),
});

/** The type of `ctid`, a row's place in its table: `(block,row)`. */
export const tid = binary<string>('tid', {
  oid: types.builtins.TID,
  size: () => 6,
  write: ({ numbers }, offset, value) => {
    const comma = value.indexOf(',');
    numbers.setUint32(offset, Number(value.slice(1, comma)));
    numbers.setUint16(offset + 4, Number(value.slice(comma + 1, -1)));
  },
});

/**
 * Values of so many bytes each, one behind the other. In an array of values that could be of any size Postgres walks over all
 * that come before the one that is asked for.
 */
export function bytesOf(length: number): ColumnType<Buffer> {
  return {
    declared: 'bytea',
    parameter: (values) => {
      const odd = values.find((value) => value.length !== length);
      if (odd !== undefined) throw new RangeError(`${odd.length} bytes where ${length} belong`);
      return Buffer.concat(values);
    },
    valueOf: (parameter) => `substring(${parameter}, ${length} * (i - 1) + 1, ${length})`,
  };
}

const utf8 = {
  size: (value: string) => Buffer.byteLength(value),
  write: ({ bytes }: Target, offset: number, value: string) => bytes.write(value, offset),
};

export const text = binary<string>('text', { oid: types.builtins.TEXT, ...utf8 });

export const json = binary<string>('json', { oid: types.builtins.JSON, ...utf8 });

/** As text: its number differs from database to database, and its words need no quotes. */
export function enumeration(name: string): ArrayType<string> {
  return arrayType(name, (values) => `{${values.map((value) => value ?? 'NULL').join(',')}}`);
}

/** Each value is an array itself, of whatever length: as text, of words that need no quotes. */
export function arrayOf(element: string): ColumnType<readonly (string | number)[]> {
  return {
    declared: text.declared,
    parameter: (values) => text.parameter(values.map((value) => `{${value.join(',')}}`)),
    valueOf: (parameter) => `${text.valueOf(parameter)}::${element}[]`,
  };
}

/** A DataView would write the part of it that fits. */
function doesNotFit(type: string, value: bigint | number): RangeError {
  return new RangeError(`${value} is no ${type}`);
}

/** Dimensions, whether there are nulls, the element's type, how many, and from which index on. */
const headerBytes = 20;
/** Without the last two. */
const emptyHeaderBytes = 12;
const lengthBytes = 4;

function binary<Value>(name: string, element: Element<Value>): ArrayType<Value> {
  return arrayType(name, (values) => binaryArray(element, values));
}

function arrayType<Value>(name: string, parameter: ArrayType<Value>['parameter']): ArrayType<Value> {
  return { declared: `${name}[]`, parameter, valueOf: (array) => `(${array})[i]` };
}

function binaryArray<Value>(element: Element<Value>, values: readonly (Value | null)[]): Buffer {
  let length = headerBytes;
  let hasNull = false;
  for (const value of values) {
    length += lengthBytes;
    if (value === null) hasNull = true;
    else length += element.size(value);
  }
  const bytes = Buffer.allocUnsafe(values.length === 0 ? emptyHeaderBytes : length);
  const numbers = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  numbers.setInt32(0, values.length === 0 ? 0 : 1);
  numbers.setInt32(4, hasNull ? 1 : 0);
  numbers.setInt32(8, element.oid);
  if (values.length === 0) return bytes;
  numbers.setInt32(12, values.length);
  numbers.setInt32(16, 1);
  const target = { bytes, numbers };
  let offset = headerBytes;
  for (const value of values) {
    const size = value === null ? -1 : element.size(value);
    numbers.setInt32(offset, size);
    offset += lengthBytes;
    if (value === null) continue;
    element.write(target, offset, value);
    offset += size;
  }
  return bytes;
}

/** The value of a hexadecimal digit, by its character's code. */
const digits = new Uint8Array(128);
for (let digit = 0; digit < 16; digit += 1) {
  const character = digit.toString(16);
  digits[character.charCodeAt(0)] = digit;
  digits[character.toUpperCase().charCodeAt(0)] = digit;
}

/** Faster than through a text without dashes, of which `Buffer` could read the bytes. */
function writeUuid({ bytes }: Target, offset: number, value: string): void {
  let at = offset;
  for (let from = 0; from < 36; from += 2) {
    if (value.charCodeAt(from) === dash) from += 1;
    const high = digits[value.charCodeAt(from)] ?? 0;
    const low = digits[value.charCodeAt(from + 1)] ?? 0;
    bytes[at] = (high << 4) | low;
    at += 1;
  }
}

const dash = '-'.charCodeAt(0);
