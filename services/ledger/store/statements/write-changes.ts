import type { HoldId } from '../../../../shared/contracts/primitives.ts';
import type { Account } from '../../domain/account.ts';
import type { Entry } from '../../domain/entry.ts';
import type { BatchChanges } from '../../domain/execute-batch.ts';
import type { Hold } from '../../domain/hold.ts';
import type { KeptRefusal } from '../../domain/refusals.ts';
import type { Statement } from '../pipeline.ts';
import {
  arrayOf,
  bigint,
  bytesOf,
  enumeration,
  integer,
  json,
  smallint,
  text,
  tid,
  timestamptz,
  uuid,
  type ColumnType,
} from './array-types.ts';
import type { OutboxMessage } from '../outbox-message.ts';

/** A row of the outbox that was just written. */
export interface WrittenOutboxRow {
  id: bigint;
  message_id: string;
}

/** A table's columns as the statement takes them: one parameter per column, in this order. */
interface Columns<Row> {
  readonly [column: string]: Column<Row>;
}

interface Column<Row> extends Pick<ColumnType<never>, 'declared' | 'valueOf'> {
  readonly parameter: (rows: readonly Row[]) => Buffer | string;
}

function column<Row, Value>(
  { declared, valueOf, parameter }: ColumnType<Value>,
  valueIn: (row: Row) => Value,
): Column<Row> {
  return { declared, valueOf, parameter: (rows) => parameter(rows.map(valueIn)) };
}

const accountStatus = enumeration('account_status');
const entryKind = enumeration('entry_kind');
const holdStatus = enumeration('hold_status');
const dueAction = enumeration('due_action');
const outboxTopic = enumeration('outbox_topic');

const changedAccountColumns: Columns<Account> = {
  id: column(uuid, (account) => account.id),
  balance: column(bigint, (account) => account.balance),
  held: column(bigint, (account) => account.held),
  overdraft_limit: column(bigint, (account) => account.overdraftLimit),
  status: column(accountStatus, (account) => account.status),
  seq: column(bigint, (account) => BigInt(account.seq)),
  chain_head: column(bytesOf(32), (account) => account.chainHead),
  last_entry_at: column(timestamptz, (account) => account.lastEntryAt),
};

const openedAccountColumns: Columns<Account> = {
  ...changedAccountColumns,
  name: column(text, (account) => account.name),
  currency: column(text, (account) => account.currency),
  decimals: column(smallint, (account) => account.decimals),
  metadata: column(json, (account) => account.metadata),
};

const entryColumns: Columns<Entry> = {
  account_id: column(uuid, (entry) => entry.accountId),
  seq: column(bigint, (entry) => BigInt(entry.seq)),
  command_id: column(uuid, (entry) => entry.commandId),
  kind: column(entryKind, (entry) => entry.kind),
  amount: column(bigint, (entry) => entry.amount),
  balance: column(bigint, (entry) => entry.balance),
  held: column(bigint, (entry) => entry.held),
  overdraft_limit: column(bigint, (entry) => entry.overdraftLimit),
  hold_id: column(uuid, (entry) => entry.holdId),
  at: column(timestamptz, (entry) => entry.at),
  fingerprint: column(bytesOf(16), (entry) => entry.fingerprint),
  details: column(json, (entry) => entry.details),
  format_version: column(smallint, (entry) => entry.formatVersion),
  hash: column(bytesOf(32), (entry) => entry.hash),
};

const newHoldColumns: Columns<Hold> = {
  account_id: column(uuid, (hold) => hold.accountId),
  id: column(uuid, (hold) => hold.id),
  amount: column(bigint, (hold) => hold.amount),
  remaining: column(bigint, (hold) => hold.remaining),
  status: column(holdStatus, (hold) => hold.status),
  due_at: column(timestamptz, (hold) => hold.dueAt),
  on_due: column(dueAction, (hold) => hold.onDue),
  reference: column(text, (hold) => hold.reference),
  command_id: column(uuid, (hold) => hold.commandId),
  traceparent: column(text, (hold) => hold.traceparent),
  version: column(integer, (hold) => hold.version),
};

/** A hold that was there before, and its row's place in the table. */
interface LocatedHold {
  readonly hold: Hold;
  readonly ctid: string;
}

const changedHoldColumns: Columns<LocatedHold> = {
  ctid: column(tid, ({ ctid }) => ctid),
  remaining: column(bigint, ({ hold }) => hold.remaining),
  due_at: column(timestamptz, ({ hold }) => hold.dueAt),
  status: column(holdStatus, ({ hold }) => hold.status),
  version: column(integer, ({ hold }) => hold.version),
};

const refusalColumns: Columns<KeptRefusal> = {
  account_id: column(uuid, (kept) => kept.accountId),
  command_id: column(uuid, (kept) => kept.commandId),
  at: column(timestamptz, (kept) => kept.at),
  fingerprint: column(bytesOf(16), (kept) => kept.fingerprint),
  code: column(text, (kept) => kept.refusal.code),
  detail: column(json, (kept) => JSON.stringify(kept.refusal)),
};

const outboxColumns: Columns<OutboxMessage> = {
  topic: column(outboxTopic, (message) => message.topic),
  message_id: column(text, (message) => message.messageId),
  payload: column(text, (message) => message.payload),
  account_ids: column(arrayOf('uuid'), ({ entries }) => entries.map((range) => range.accountId)),
  first_seqs: column(arrayOf('bigint'), ({ entries }) => entries.map((range) => range.firstSeq)),
  last_seqs: column(arrayOf('bigint'), ({ entries }) => entries.map((range) => range.lastSeq)),
};

/** The next parameter, of a type. */
type Next = (type: string) => string;

/** What a batch does to one table. */
interface TableWrite {
  /** It stands in the statement's name, so that a trace tells what a batch wrote. */
  readonly name: string;
  readonly sql: (next: Next) => Sql;
}

interface Sql {
  readonly write: string;
  /** What must hold once all is written: a query for true. It fails otherwise, and nothing is written. */
  readonly check?: string;
}

interface FilledWrite {
  readonly write: TableWrite;
  readonly values: readonly (Buffer | string)[];
}

/** What a batch changes, as the parameters of the statement that writes it. Empty when nothing changes. */
export type FilledChanges = readonly FilledWrite[];

/** Fills a write with rows. Without rows there is none: it would take the server as long as some rows do. */
type Fill<Row> = (rows: readonly Row[]) => FilledWrite[];

function fillOf<Row>(columns: Columns<Row>, write: TableWrite): Fill<Row> {
  return (rows) => (rows.length === 0 ? [] : [{ write, values: valuesOf(columns, rows) }]);
}

function insert<Row>(name: string, table: string, columns: Columns<Row>): Fill<Row> {
  return fillOf(columns, { name, sql: (next) => ({ write: insertSql(table, columns, next) }) });
}

function insertSql<Row>(table: string, columns: Columns<Row>, next: Next): string {
  const { rows, valueOf } = rowsOf(columns, next);
  const names = Object.keys(columns);
  return `INSERT INTO ${table} (${names.join(', ')}) SELECT ${names.map(valueOf).join(', ')} FROM ${rows}`;
}

/**
 * Each row is found by its key and then by its ctid, which its lock keeps from changing. A plain join on the key
 * would be planned as a walk over the whole table when that was tiny at its last ANALYZE, see `lookUp`.
 */
function updateByKey<Row>(name: string, table: string, columns: Columns<Row>, key: string): Fill<Row> {
  const sql = (next: Next): Sql => {
    const { rows, valueOf } = rowsOf(columns, next);
    const write = `UPDATE ${table} SET ${changesOf(columns, key, valueOf)}
      FROM ${rows}, LATERAL (SELECT ctid FROM ${table} WHERE ${key} = ${valueOf(key)} OFFSET 0) AS found
      WHERE ${table}.ctid = found.ctid`;
    return { write };
  };
  return fillOf(columns, { name, sql });
}

/**
 * For rows that the same transaction has read while nobody else could change them, and has not changed since. Should
 * somebody have changed one all the same, who doesn't ask for locks, it fails: an update that finds nothing says nothing.
 *
 * SQL has no RAISE outside of a function. A text that is no boolean fails its cast, and the server's error quotes it.
 */
function updateByCtid<Row>(name: string, table: string, columns: Columns<Row>): Fill<Row> {
  const sql = (next: Next): Sql => {
    const { rows, valueOf, count } = rowsOf(columns, next);
    const write = `UPDATE ${table} SET ${changesOf(columns, 'ctid', valueOf)} FROM ${rows}
      WHERE ${table}.ctid = ${valueOf('ctid')} RETURNING 1`;
    const check = `SELECT CASE WHEN count(*) = ${count} THEN true
      ELSE (count(*) || ' of the ${table} to be changed lay where they were read')::boolean END FROM written_${name}`;
    return { write, check };
  };
  return fillOf(columns, { name, sql });
}

function changesOf<Row>(columns: Columns<Row>, key: string, valueOf: (column: string) => string): string {
  const changed = Object.keys(columns).filter((each) => each !== key);
  return changed.map((each) => `${each} = ${valueOf(each)}`).join(', ');
}

const openAccounts = insert('opened', 'accounts', openedAccountColumns);
const changeAccounts = updateByKey('accounts', 'accounts', changedAccountColumns, 'id');
const addEntries = insert('entries', 'entries', entryColumns);
const addHolds = insert('holds', 'holds', newHoldColumns);
const changeHolds = updateByCtid('changed', 'holds', changedHoldColumns);
const keepRefusals = insert('refusals', 'refusals', refusalColumns);

/**
 * Most of the work of making the statement: for a moment when Postgres has something else to do.
 *
 * @param holdCtids the ctids of the holds that were there before.
 */
export function fillChanges(changes: BatchChanges, holdCtids: ReadonlyMap<HoldId, string>): FilledChanges {
  return [
    ...openAccounts(changes.openedAccounts),
    ...changeAccounts(changes.changedAccounts),
    ...addEntries(changes.entries),
    ...addHolds(changes.newHolds),
    ...changeHolds(changes.changedHolds.map((hold) => ({ hold, ctid: ctidOf(hold, holdCtids) }))),
    ...keepRefusals(changes.refusals),
  ];
}

function ctidOf({ id }: Hold, holdCtids: ReadonlyMap<HoldId, string>): string {
  const ctid = holdCtids.get(id);
  if (ctid === undefined) throw new Error(`hold ${id} is to be changed but was not read`);
  return ctid;
}

/**
 * Writes a batch's changes and outbox messages, and deletes the outbox rows whose messages the broker has: one statement,
 * of those writes that the batch needs.
 */
export function writeChanges(
  filled: FilledChanges,
  messages: readonly OutboxMessage[],
  sentOutboxIds: readonly bigint[],
): Statement {
  const writes = filled.map(({ write }) => write);
  const name = ['write', ...writes.map((write) => write.name)].join(' ');
  return {
    name,
    text: textOf(name, writes),
    values: [
      ...filled.flatMap(({ values }) => values),
      bigint.parameter(sentOutboxIds),
      ...valuesOf(outboxColumns, messages),
    ],
  };
}

const texts = new Map<string, string>();

/** Made once, as it is parsed and planned once per connection. */
function textOf(name: string, writes: readonly TableWrite[]): string {
  const known = texts.get(name);
  if (known !== undefined) return known;
  let parameters = 0;
  const next: Next = (type) => `$${(parameters += 1)}::${type}`;
  const sqls = writes.map((each) => ({ of: each.name, ...each.sql(next) }));
  const written = sqls.map(({ of, write }) => `written_${of} AS (${write})`);
  const checks = sqls.flatMap(({ check }) => (check === undefined ? [] : `(${check})`));
  const made = `
    WITH ${[...written, `sent AS (DELETE FROM outbox WHERE id = ANY (${next(bigint.declared)}))`].join(',\n    ')}
    ${insertSql('outbox', outboxColumns, next)} WHERE ${['true', ...checks].join(' AND ')}
    RETURNING id, message_id`;
  texts.set(name, made);
  return made;
}

/**
 * The rows as numbers `i`, how many there are, and each column's value in such a row: `($2::text[])[i]`, with the parameters
 * that come next. The first column must be an array.
 *
 * `unnest` of a dozen arrays would keep each of them in a store of its own, before the first row is written.
 */
function rowsOf<Row>(
  columns: Columns<Row>,
  next: Next,
): { rows: string; count: string; valueOf: (column: string) => string } {
  const parameters = Object.entries(columns).map(([name, { declared, valueOf }]) => ({
    name,
    parameter: next(declared),
    valueOf,
  }));
  const values = new Map(parameters.map(({ name, parameter, valueOf }) => [name, valueOf(parameter)]));
  const first = parameters[0]?.parameter;
  return {
    rows: `generate_subscripts(${first}, 1) AS i`,
    count: `cardinality(${first})`,
    valueOf: (name) => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`there is no column ${name}`);
      return value;
    },
  };
}

function valuesOf<Row>(columns: Columns<Row>, rows: readonly Row[]): (Buffer | string)[] {
  return Object.values(columns).map(({ parameter }) => parameter(rows));
}
