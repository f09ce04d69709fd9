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
