import type { Client } from 'pg';

/** How many sessions of this client's database wait for a lock on accounts that someone else has. */
export async function lockWaiters(books: Client): Promise<number> {
  const { rows } = await books.query<{ waiting: number }>(
    `SELECT count(*)::int AS waiting FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'`,
  );
  return rows[0]?.waiting ?? 0;
}

/**
 * Does something while another session has the locks that a statement takes. They are given back also when it fails: else
 * every later test would wait for them, and jest for the connection.
 */
export async function whileLocked<T>(
  other: Client,
  lock: { text: string; values?: readonly unknown[] },
  work: () => Promise<T>,
): Promise<T> {
  try {
    await other.query('BEGIN');
    await other.query(lock.text, [...(lock.values ?? [])]);
    return await work();
  } finally {
    await other.end();
  }
}
