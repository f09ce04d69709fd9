/** What a column is written from. */
export type ColumnValue = string | number | bigint | Buffer | null;

/** Types whose values are written without any character that has a meaning in an array. */
const plainTypes = new Set([
  'uuid',
  'bigint',
  'integer',
  'smallint',
  'timestamptz',
  'account_status',
  'entry_kind',
  'hold_status',
  'due_action',
  'outbox_topic',
]);

/**
 * A column's values as the parameter of a Postgres array: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 *
 * `pg` writes arrays too, quoting and escaping each element. Nearly all of ours need neither, and there are ten thousand
 * of them in a large batch; only texts are left to it.
 */
export function arrayLiteral(type: string, values: readonly ColumnValue[]): string | readonly ColumnValue[] {
  if (plainTypes.has(type)) return `{${values.map((value) => value?.toString() ?? 'NULL').join(',')}}`;
  if (type === 'bytea') return `{${values.map((value) => byteaElement(value as Buffer)).join(',')}}`;
  return values;
}

function byteaElement(bytes: Buffer): string {
  return `"\\\\x${bytes.toString('hex')}"`;
}
