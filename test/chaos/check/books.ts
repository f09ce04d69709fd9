import type { Client } from 'pg';
import type { DueAction, EntryKind } from '../../../shared/contracts/outcomes.ts';
import { callersCommandIdSchema } from '../../../shared/contracts/primitives.ts';

/** An entry as it is in the books; amounts in minor units, times in ms since 1970. */
export interface JournalEntry {
  readonly accountId: string;
  readonly seq: number;
  readonly commandId: string;
  readonly kind: EntryKind;
  readonly amount: number;
  readonly balance: number;
  readonly held: number;
  readonly holdId: string | null;
  readonly reference: string | null;
  /** Of what makes or extends a hold, or of a caller who ends it: when it is due, in seconds since 1970. */
  readonly dueS: number | null;
  /** Of a transfer: the other account. */
  readonly otherAccountId: string | null;
  /** On the account that a transfer has paid: the transfer's command. */
  readonly transferId: string | null;
  readonly atMs: number;
}

export interface BookedHold {
  readonly id: string;
  readonly accountId: string;
  readonly amount: number;
  readonly status: string;
  readonly dueMs: number;
  readonly onDue: DueAction;
  readonly reference: string | null;
  /** Of the subtract that made it. */
  readonly commandId: string;
}

/** What the books say when everything has come to rest. */
export interface Books {
  /** Each account's entries in the order of their seqs. */
  readonly journals: ReadonlyMap<string, readonly JournalEntry[]>;
  /** The code of each kept refusal, by `idOf`. */
  readonly refusals: ReadonlyMap<string, string>;
  readonly holds: readonly BookedHold[];
  readonly outboxRows: number;
  readonly deadlocks: number;
}

/** A command's id means something on its account alone. */
export function idOf({ accountId, id }: { readonly accountId: string; readonly id: string }): string {
  return `${accountId}/${id}`;
}

/** Whether it ends the hold that it is about. */
export function endsHold({ kind, holdId }: JournalEntry): boolean {
  return holdId !== null && kind !== 'subtract' && kind !== 'extend';
}

/** Whether the ledger wrote it by itself, as a hold fell due or a transfer came in: no caller can have such a command id. */
export function isOwnDoing({ commandId }: JournalEntry): boolean {
  return !callersCommandIdSchema.safeParse(commandId).success;
}

export async function readBooks(client: Client): Promise<Books> {
  const entries = await client.query<JournalEntry>(
    `SELECT account_id AS "accountId", seq::int, command_id AS "commandId", kind, amount::float8, balance::float8,
            held::float8, hold_id AS "holdId", details ->> 'reference' AS reference,
            coalesce(details ->> 'to', details ->> 'from') AS "otherAccountId", details ->> 'commandId' AS "transferId",
            (details ->> 'dueAt')::float8 AS "dueS",
            (extract(epoch FROM at) * 1000)::float8 AS "atMs"
     FROM entries ORDER BY account_id, seq`,
  );
  const journals = new Map<string, JournalEntry[]>();
  for (const entry of entries.rows) {
    const journal = journals.get(entry.accountId);
    if (journal === undefined) journals.set(entry.accountId, [entry]);
    else journal.push(entry);
  }
  const refusals = await client.query<{ accountId: string; id: string; code: string }>(
    'SELECT account_id AS "accountId", command_id AS id, code FROM refusals',
  );
  const holds = await client.query<BookedHold>(
    `SELECT id, account_id AS "accountId", command_id AS "commandId", amount::float8, status, on_due AS "onDue", reference, (extract(epoch FROM due_at) * 1000)::float8 AS "dueMs"
     FROM holds`,
  );
  return {
    journals,
    refusals: new Map(refusals.rows.map((row) => [idOf(row), row.code])),
    holds: holds.rows,
    ...(await readCounters(client)),
  };
}

/** Messages still to be told, and dead-locks that Postgres has had to end. */
export async function readCounters(client: Client): Promise<Pick<Books, 'outboxRows' | 'deadlocks'>> {
  const { rows } = await client.query<Pick<Books, 'outboxRows' | 'deadlocks'>>(
    `SELECT (SELECT count(*)::int FROM outbox) AS "outboxRows",
            (SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()) AS deadlocks`,
  );
  return rows[0] ?? { outboxRows: 0, deadlocks: 0 };
}
