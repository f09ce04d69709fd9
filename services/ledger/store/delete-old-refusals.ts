import type { Pool } from 'pg';
import { refusalsKeptMs } from '../../../shared/contracts/limits.ts';
import { booksNow } from './statements/books-now.ts';

/** Rows deleted by one statement, and statements per turn: together half a million a minute, in locks of milliseconds. */
const rowsPerStatement = 5_000;
const statementsPerTurn = 100;

/**
 * Deletes the refusals that no longer have to be kept. The clock is asked in a sub-select, so that the index can be used:
 * a volatile function bounds no scan.
 *
 * @returns how many were deleted.
 */
export async function deleteOldRefusals(pool: Pool): Promise<number> {
  let deleted = 0;
  for (let statement = 0; statement < statementsPerTurn; statement += 1) {
    const { rowCount } = await pool.query({
      name: 'delete-old-refusals',
      text: `
        DELETE FROM refusals WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM refusals
          WHERE at < (SELECT ${booksNow} - $1 * interval '1 millisecond') LIMIT $2
        ))`,
      values: [refusalsKeptMs, rowsPerStatement],
    });
    deleted += rowCount ?? 0;
    if ((rowCount ?? 0) < rowsPerStatement) break;
  }
  return deleted;
}
