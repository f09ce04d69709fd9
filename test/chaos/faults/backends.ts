import { signalAll } from '../../../deploy/local/process-tree.ts';
import type { ChaosStack } from '../stack/chaos-stack.ts';
import { lasting } from './lasting.ts';

/** Ends one session of a ledger. By SIGKILL, Postgres takes down all the others as well and recovers. */
export async function killBackend(
  stack: ChaosStack,
  signal: 'SIGKILL' | 'SIGTERM',
  pick: number,
): Promise<boolean> {
  const pid = await backendOf(stack, pick);
  if (pid === undefined) return false;
  signalAll([pid], signal);
  return true;
}

/** Freezes one session of a ledger, with all the locks that it may have. */
export async function freezeBackend(stack: ChaosStack, forMs: number, pick: number): Promise<boolean> {
  const pid = await backendOf(stack, pick);
  if (pid === undefined) return false;
  signalAll([pid], 'SIGSTOP');
  await lasting(forMs);
  signalAll([pid], 'SIGCONT');
  return true;
}

/** Has a session of its own keep some accounts locked. */
export async function lockAccounts(
  stack: ChaosStack,
  { count, pick, forMs }: { readonly count: number; readonly pick: number; readonly forMs: number },
): Promise<boolean> {
  try {
    const books = await stack.books();
    try {
      await books.query('BEGIN');
      const { rowCount } = await books.query(
        `SELECT FROM accounts WHERE id IN (SELECT id FROM accounts ORDER BY md5(id::text || $1) LIMIT $2)
         ORDER BY id FOR UPDATE`,
        [String(pick), count],
      );
      await lasting(forMs);
      return rowCount !== 0;
    } finally {
      await books.end();
    }
  } catch {
    // Postgres is away: another fault was faster.
    return false;
  }
}

/** A session of a ledger, those that write before those that read; undefined when there is none just now. */
async function backendOf(stack: ChaosStack, pick: number): Promise<number | undefined> {
  try {
    const books = await stack.books();
    const { rows } = await books.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast-ledger'
       ORDER BY query ~* '^(begin|commit|rollback)' DESC, pid`,
    );
    await books.end();
    return rows[pick % Math.max(rows.length, 1)]?.pid;
  } catch {
    // Postgres is away: another fault was faster.
    return undefined;
  }
}
