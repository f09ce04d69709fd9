import type { Client } from 'pg';

/** How many sessions of this client's database wait for a lock on accounts that someone else has. */
export async function lockWaiters(books: Client): Promise<number> {
  const { rows } = await books.query<{ waiting: number }>(
    `SELECT count(*)::int AS waiting FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'`,
  );
  return rows[0]?.waiting ?? 0;
}
