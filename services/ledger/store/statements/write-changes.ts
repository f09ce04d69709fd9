import type { QueryConfig } from 'pg';
import type { Account } from '../../domain/account.ts';
import type { Entry } from '../../domain/entry.ts';
import type { BatchChanges } from '../../domain/execute-batch.ts';
import type { Hold } from '../../domain/hold.ts';
import type { KeptRefusal } from '../../domain/refusals.ts';
import {
  bigint,
  bytea,
  enumeration,
  integer,
  json,
  smallint,
  text,
  timestamptz,
  uuid,
  type ArrayType,
} from './array-types.ts';
import type { OutboxMessage } from '../outbox-message.ts';

export interface OutboxRow {
  id: bigint;
  message_id: string;
}

/** A table's columns as the statement takes them: one array parameter per column, in this order. */
interface Columns<Row> {
  readonly [column: string]: Column<Row>;
}

interface Column<Row> {
  readonly type: string;
  readonly parameter: (rows: readonly Row[]) => Buffer | string;
}

function column<Row, Value>(type: ArrayType<Value>, valueOf: (row: Row) => Value | null): Column<Row> {
  return { type: type.name, parameter: (rows) => type.parameter(rows.map(valueOf)) };
}

const accountStatus = enumeration('account_status');
const entryKind = enumeration('entry_kind');
const holdStatus = enumeration('hold_status');
const dueAction = enumeration('due_action');
const outboxTopic = enumeration('outbox_topic');

const openedAccountColumns: Columns<Account> = {
  id: column(uuid, (account) => account.id),
  name: column(text, (account) => account.name),
  currency: column(text, (account) => account.currency),
  decimals: column(smallint, (account) => account.decimals),
  balance: column(bigint, (account) => account.balance),
  held: column(bigint, (account) => account.held),
  overdraft_limit: column(bigint, (account) => account.overdraftLimit),
  status: column(accountStatus, (account) => account.status),
  metadata: column(json, (account) => account.metadata),
  seq: column(bigint, (account) => BigInt(account.seq)),
  chain_head: column(bytea, (account) => account.chainHead),
  last_entry_at: column(timestamptz, (account) => account.lastEntryAt),
};

const changedAccountColumns: Columns<Account> = {
  id: column(uuid, (account) => account.id),
  balance: column(bigint, (account) => account.balance),
  held: column(bigint, (account) => account.held),
  overdraft_limit: column(bigint, (account) => account.overdraftLimit),
  status: column(accountStatus, (account) => account.status),
  seq: column(bigint, (account) => BigInt(account.seq)),
  chain_head: column(bytea, (account) => account.chainHead),
  last_entry_at: column(timestamptz, (account) => account.lastEntryAt),
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
  fingerprint: column(bytea, (entry) => entry.fingerprint),
  details: column(json, (entry) => entry.details),
  format_version: column(smallint, (entry) => entry.formatVersion),
  hash: column(bytea, (entry) => entry.hash),
};

const newHoldColumns: Columns<Hold> = {
  account_id: column(uuid, (hold) => hold.accountId),
  id: column(uuid, (hold) => hold.id),
  amount: column(bigint, (hold) => hold.amount),
  remaining: column(bigint, (hold) => hold.remaining),
  status: column(holdStatus, (hold) => hold.status),
  due_at: column(timestamptz, (hold) => hold.dueAt),
  on_due: column(dueAction, (hold) => hold.onDue),
  command_id: column(uuid, (hold) => hold.commandId),
  traceparent: column(text, (hold) => hold.traceparent),
  version: column(integer, (hold) => hold.version),
};

const changedHoldColumns: Columns<Hold> = {
  account_id: column(uuid, (hold) => hold.accountId),
  id: column(uuid, (hold) => hold.id),
  remaining: column(bigint, (hold) => hold.remaining),
  status: column(holdStatus, (hold) => hold.status),
  version: column(integer, (hold) => hold.version),
};

const refusalColumns: Columns<KeptRefusal> = {
  account_id: column(uuid, (kept) => kept.accountId),
  command_id: column(uuid, (kept) => kept.commandId),
  at: column(timestamptz, (kept) => kept.at),
  fingerprint: column(bytea, (kept) => kept.fingerprint),
  code: column(text, (kept) => kept.refusal.code),
  detail: column(json, (kept) => JSON.stringify(kept.refusal)),
};

const outboxColumns: Columns<OutboxMessage> = {
  topic: column(outboxTopic, (message) => message.topic),
  message_id: column(text, (message) => message.messageId),
  payload: column(text, (message) => message.payload),
};

let parameters = 0;
/** `unnest($1::uuid[], $2::text[]) AS new (id, name)`, with the numbers that come next. */
function rowsFrom<Row>(columns: Columns<Row>): string {
  const arrays = Object.values(columns).map(({ type }) => `$${(parameters += 1)}::${type}[]`);
  return `unnest(${arrays.join(', ')}) AS new (${Object.keys(columns).join(', ')})`;
}

function namesOf<Row>(columns: Columns<Row>): string {
  return Object.keys(columns).join(', ');
}

function insert<Row>(table: string, columns: Columns<Row>): string {
  const names = namesOf(columns);
  return `INSERT INTO ${table} (${names}) SELECT ${names} FROM ${rowsFrom(columns)}`;
}

/**
 * Each row is found by its key and then by its place (ctid), which its lock keeps from changing. A plain join on the key
 * would be planned as a walk over the whole table when that was tiny at its last ANALYZE, see `lookUp`.
 */
function update<Row>(table: string, columns: Columns<Row>, keys: readonly string[]): string {
  const changed = Object.keys(columns).filter((name) => !keys.includes(name));
  return `UPDATE ${table} SET ${changed.map((name) => `${name} = new.${name}`).join(', ')}
      FROM ${rowsFrom(columns)}, LATERAL (
        SELECT ctid FROM ${table} WHERE ${keys.map((key) => `${table}.${key} = new.${key}`).join(' AND ')} OFFSET 0
      ) AS found WHERE ${table}.ctid = found.ctid`;
}

/** One statement for all that a batch leaves behind: it is parsed and planned once per connection. */
const sql = `
    WITH opened_accounts AS (${insert('accounts', openedAccountColumns)}),
    changed_accounts AS (${update('accounts', changedAccountColumns, ['id'])}),
    new_entries AS (${insert('entries', entryColumns)}),
    new_holds AS (${insert('holds', newHoldColumns)}),
    changed_holds AS (${update('holds', changedHoldColumns, ['account_id', 'id'])}),
    new_refusals AS (${insert('refusals', refusalColumns)}),
    sent_messages AS (DELETE FROM outbox WHERE id = ANY ($${(parameters += 1)}::bigint[]))
    ${insert('outbox', outboxColumns)}
    RETURNING id, message_id`;

/** Writes a batch's changes and outbox messages, and deletes the outbox rows whose messages the broker has. */
export function writeChanges(
  changes: BatchChanges,
  messages: readonly OutboxMessage[],
  sentOutboxIds: readonly bigint[],
): QueryConfig {
  return {
    name: 'write-changes',
    text: sql,
    values: [
      ...arraysOf(openedAccountColumns, changes.openedAccounts),
      ...arraysOf(changedAccountColumns, changes.changedAccounts),
      ...arraysOf(entryColumns, changes.entries),
      ...arraysOf(newHoldColumns, changes.newHolds),
      ...arraysOf(changedHoldColumns, changes.changedHolds),
      ...arraysOf(refusalColumns, changes.refusals),
      bigint.parameter(sentOutboxIds),
      ...arraysOf(outboxColumns, messages),
    ],
  };
}

function arraysOf<Row>(columns: Columns<Row>, rows: readonly Row[]): unknown[] {
  return Object.values(columns).map(({ parameter }) => parameter(rows));
}
