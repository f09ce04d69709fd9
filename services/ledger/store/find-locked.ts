import type { Pool } from 'pg';
import type { AccountId } from '../../../shared/contracts/primitives.ts';

/** The transaction that has locked an account, as its row names it. */
export type Holder = string & { readonly __brand: 'Holder' };

/** Accounts that are locked, and by whom. */
export type Locks = ReadonlyMap<AccountId, Holder>;

interface LockRow {
  id: AccountId;
  holder: Holder;
}

function locksOf(rows: readonly LockRow[]): Locks {
  return new Map(rows.map(({ id, holder }) => [id, holder]));
}

/** Of these accounts those that are locked just now, by another ledger's batch as well. Waits for no account. */
export async function lockedNow(pool: Pool, ids: readonly AccountId[]): Promise<Locks> {
  const { rows } = await pool.query<LockRow>({
    name: 'locked-now',
    text: `
      WITH free AS MATERIALIZED (SELECT id FROM accounts WHERE id = ANY ($1::uuid[]) FOR UPDATE SKIP LOCKED)
      SELECT id, xmax::text AS holder FROM accounts
      WHERE id = ANY ($1::uuid[]) AND id NOT IN (SELECT id FROM free)`,
    values: [ids],
  });
  return locksOf(rows);
}

/**
 * Of these accounts those that one of these transactions has locked. Takes no locks itself, and can't tell a lock that is
 * from one that was: until an account is locked anew its row goes on naming who had it.
 */
export async function lockedBy(
  pool: Pool,
  holders: readonly Holder[],
  ids: readonly AccountId[],
): Promise<Locks> {
  const { rows } = await pool.query<LockRow>({
    name: 'locked-by',
    text: `
      SELECT id, xmax::text AS holder FROM accounts
      WHERE id = ANY ($1::uuid[]) AND xmax::text = ANY ($2::text[])`,
    values: [ids, holders],
  });
  return locksOf(rows);
}

/** The server's processes that these transactions are in; none of one prepared, or of a savepoint that was released. */
export async function processesOf(pool: Pool, holders: readonly Holder[]): Promise<number[]> {
  const { rows } = await pool.query<{ pid: number }>({
    name: 'processes-of',
    text: `
      SELECT DISTINCT pid FROM pg_locks
      WHERE locktype = 'transactionid' AND granted AND pid IS NOT NULL AND transactionid::text = ANY ($1::text[])`,
    values: [holders],
  });
  return rows.map(({ pid }) => pid);
}
