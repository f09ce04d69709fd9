import type { Client } from 'pg';
import { eventually } from './eventually.ts';

/** How many sessions of this client's database wait for a lock on accounts that someone else has. */
export async function lockWaiters(books: Client): Promise<number> {
  const { rows } = await books.query<{ waiting: number }>(
    `SELECT count(*)::int AS waiting FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'`,
  );
  return rows[0]?.waiting ?? 0;
}

/** Who gives connections to the books. */
interface WithBooks {
  books(): Promise<Client>;
}

/** A statement that takes locks. */
interface Lock {
  readonly text: string;
  readonly values?: unknown[];
}

/** The locks that a batch takes. */
export function lockOn(accountIds: readonly string[]): Lock {
  return { text: 'SELECT FROM accounts WHERE id = ANY ($1) FOR UPDATE', values: [accountIds] };
}

/**
 * Does something while another session has the locks that a statement takes. They are given back also when it fails: else
 * every later test would wait for them, and jest for the connection.
 */
export async function whileLocked<T>(stack: WithBooks, lock: Lock, work: () => Promise<T>): Promise<T> {
  const other = await stack.books();
  try {
    await other.query('BEGIN');
    await other.query(lock);
    return await work();
  } finally {
    await other.end();
  }
}

/**
 * Asks while accounts are locked until both of two ledgers wait for them: the broker chooses which one gets a command.
 *
 * @param ask is told how often it was asked before.
 * @returns all answers, once the locks are given back.
 */
export async function askUntilBothWait<T>(
  stack: WithBooks,
  accountIds: readonly string[],
  ask: (asked: number) => Promise<T>,
  limitMs: number,
): Promise<T[]> {
  const answers: Promise<T>[] = [];
  const onlooker = await stack.books();
  try {
    await whileLocked(stack, lockOn(accountIds), async () =>
      eventually(async () => {
        answers.push(ask(answers.length));
        return (await lockWaiters(onlooker)) === 2 ? true : undefined;
      }, limitMs),
    );
  } finally {
    await onlooker.end();
  }
  return Promise.all(answers);
}
