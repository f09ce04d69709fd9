import type { Pool } from 'pg';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { isLockTimeout } from './faults.ts';

/** Far longer than any batch of another ledger keeps an account. */
const lockTimeout = '200ms';

/** With so many found that somebody keeps locked, whoever has the others most likely does, too. */
const enough = 5;

/** Of these accounts those that are locked just now, by a batch of another ledger as well. Waits for none. */
export async function lockedNow(pool: Pool, ids: readonly AccountId[]): Promise<AccountId[]> {
  const { rows } = await pool.query<{ id: AccountId }>({
    name: 'locked-now',
    text: `
      WITH free AS MATERIALIZED (SELECT id FROM accounts WHERE id = ANY ($1::uuid[]) FOR UPDATE SKIP LOCKED)
      SELECT id FROM accounts WHERE id = ANY ($1::uuid[]) AND id NOT IN (SELECT id FROM free)`,
    values: [ids],
  });
  return rows.map(({ id }) => id);
}

/**
 * Of these accounts those that somebody keeps locked, for longer than any batch does: each that is locked is waited for.
 * Takes a second at most.
 */
export async function keptLocked(pool: Pool, ids: readonly AccountId[]): Promise<AccountId[]> {
  const kept: AccountId[] = [];
  const locked = await lockedNow(pool, ids);
  for (const [index, id] of locked.entries()) {
    if (await isKeptLocked(pool, id)) kept.push(id);
    if (kept.length === enough) return [...kept, ...locked.slice(index + 1)];
  }
  return kept;
}

async function isKeptLocked(pool: Pool, id: AccountId): Promise<boolean> {
  const client = await pool.connect();
  try {
    await client.query(`BEGIN; SET LOCAL lock_timeout = '${lockTimeout}'`);
    await client.query('SELECT FROM accounts WHERE id = $1 FOR UPDATE', [id]);
    return false;
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    return true;
  } finally {
    // Without an answer it is not fit for anyone else.
    await client.query('ROLLBACK').then(
      () => client.release(),
      () => client.release(true),
    );
  }
}
