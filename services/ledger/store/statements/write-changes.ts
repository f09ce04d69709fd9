import type { QueryConfig } from 'pg';
import type { Account } from '../../domain/account.ts';
import type { Entry } from '../../domain/entry.ts';
import type { BatchChanges } from '../../domain/execute-batch.ts';
import type { Hold } from '../../domain/hold.ts';
import type { KeptRefusal } from '../../domain/refusals.ts';
import { formatMicros } from '../../domain/time.ts';
import { arrayLiteral, type ColumnValue } from './array-literal.ts';
import type { OutboxMessage } from '../outbox-message.ts';

export interface OutboxRow {
  id: bigint;
  message_id: string;
}

/** A table's columns as the statement takes them: one array parameter per column, in this order. */
interface Columns<Row> {
  readonly [column: string]: readonly [type: string, value: (row: Row) => ColumnValue];
}

const openedAccountColumns: Columns<Account> = {
  id: ['uuid', (account) => account.id],
  name: ['text', (account) => account.name],
  currency: ['text', (account) => account.currency],
  decimals: ['smallint', (account) => account.decimals],
  balance: ['bigint', (account) => account.balance],
  held: ['bigint', (account) => account.held],
  overdraft_limit: ['bigint', (account) => account.overdraftLimit],
  status: ['account_status', (account) => account.status],
  metadata: ['json', (account) => account.metadata],
  seq: ['bigint', (account) => account.seq],
  chain_head: ['bytea', (account) => account.chainHead],
  last_entry_at: ['timestamptz', (account) => formatMicros(account.lastEntryAt)],
};

const changedAccountColumns: Columns<Account> = {
  id: ['uuid', (account) => account.id],
  balance: ['bigint', (account) => account.balance],
  held: ['bigint', (account) => account.held],
  overdraft_limit: ['bigint', (account) => account.overdraftLimit],
  status: ['account_status', (account) => account.status],
  seq: ['bigint', (account) => account.seq],
  chain_head: ['bytea', (account) => account.chainHead],
  last_entry_at: ['timestamptz', (account) => formatMicros(account.lastEntryAt)],
};

const entryColumns: Columns<Entry> = {
  account_id: ['uuid', (entry) => entry.accountId],
  seq: ['bigint', (entry) => entry.seq],
  command_id: ['uuid', (entry) => entry.commandId],
  kind: ['entry_kind', (entry) => entry.kind],
  amount: ['bigint', (entry) => entry.amount],
  balance: ['bigint', (entry) => entry.balance],
  held: ['bigint', (entry) => entry.held],
  overdraft_limit: ['bigint', (entry) => entry.overdraftLimit],
  hold_id: ['uuid', (entry) => entry.holdId],
  at: ['timestamptz', (entry) => formatMicros(entry.at)],
  fingerprint: ['bytea', (entry) => entry.fingerprint],
  details: ['json', (entry) => entry.details],
  format_version: ['smallint', (entry) => entry.formatVersion],
  hash: ['bytea', (entry) => entry.hash],
};

const newHoldColumns: Columns<Hold> = {
  account_id: ['uuid', (hold) => hold.accountId],
  id: ['uuid', (hold) => hold.id],
  amount: ['bigint', (hold) => hold.amount],
  remaining: ['bigint', (hold) => hold.remaining],
  status: ['hold_status', (hold) => hold.status],
  due_at: ['timestamptz', (hold) => formatMicros(hold.dueAt)],
  on_due: ['due_action', (hold) => hold.onDue],
  command_id: ['uuid', (hold) => hold.commandId],
  traceparent: ['text', (hold) => hold.traceparent],
  version: ['integer', (hold) => hold.version],
};

const changedHoldColumns: Columns<Hold> = {
  account_id: ['uuid', (hold) => hold.accountId],
  id: ['uuid', (hold) => hold.id],
  remaining: ['bigint', (hold) => hold.remaining],
  status: ['hold_status', (hold) => hold.status],
  version: ['integer', (hold) => hold.version],
};

const refusalColumns: Columns<KeptRefusal> = {
  account_id: ['uuid', (kept) => kept.accountId],
  command_id: ['uuid', (kept) => kept.commandId],
  at: ['timestamptz', (kept) => formatMicros(kept.at)],
  fingerprint: ['bytea', (kept) => kept.fingerprint],
  code: ['text', (kept) => kept.refusal.code],
  detail: ['json', (kept) => JSON.stringify(kept.refusal)],
};

const outboxColumns: Columns<OutboxMessage> = {
  topic: ['outbox_topic', (message) => message.topic],
  message_id: ['text', (message) => message.messageId],
  payload: ['text', (message) => message.payload],
};

let parameters = 0;
/** `unnest($1::uuid[], $2::text[]) AS new (id, name)`, with the numbers that come next. */
function rowsFrom<Row>(columns: Columns<Row>): string {
  const arrays = Object.values(columns).map(([type]) => `$${(parameters += 1)}::${type}[]`);
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
const text = `
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
    text,
    values: [
      ...arraysOf(openedAccountColumns, changes.openedAccounts),
      ...arraysOf(changedAccountColumns, changes.changedAccounts),
      ...arraysOf(entryColumns, changes.entries),
      ...arraysOf(newHoldColumns, changes.newHolds),
      ...arraysOf(changedHoldColumns, changes.changedHolds),
      ...arraysOf(refusalColumns, changes.refusals),
      arrayLiteral('bigint', sentOutboxIds),
      ...arraysOf(outboxColumns, messages),
    ],
  };
}

function arraysOf<Row>(columns: Columns<Row>, rows: readonly Row[]): unknown[] {
  return Object.values(columns).map(([type, value]) => arrayLiteral(type, rows.map(value)));
}
