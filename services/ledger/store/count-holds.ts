import type { Pool } from 'pg';
import { booksNow } from './statements/books-now.ts';

/** Counting further would walk over more of the index than a figure is worth. */
const countTo = 10_000;

/** Less than this late is the ordinary course of settling. */
const overdueAfter = '5 seconds';

interface CountRow {
  pending: bigint;
  estimate: number;
  overdue: bigint;
  oldest_s: number | null;
}

/** How many holds there are, as exactly as a metric needs it. */
export interface HoldCounts {
  readonly pending: number;
  readonly overdue: number;
  /** Seconds since the oldest pending hold fell due; 0 while none is due. */
  readonly overdueAgeS: number;
}

/**
 * Counts holds for the metrics: a bounded walk over the index by due time. Past the bound, pending holds are estimated
 * from what the last ANALYZE found in that index. The clock is asked in a sub-select, so that it bounds the scan.
 */
export async function countHolds(pool: Pool): Promise<HoldCounts> {
  const { rows } = await pool.query<CountRow>({
    name: 'count-holds',
    text: `
      SELECT
        (SELECT count(*) FROM (SELECT FROM holds WHERE status = 'pending' LIMIT $1) AS counted) AS pending,
        (SELECT reltuples::float8 FROM pg_class WHERE oid = 'holds_pending_by_due'::regclass) AS estimate,
        (SELECT count(*) FROM (
          SELECT FROM holds
          WHERE status = 'pending'
            AND due_at < (SELECT ${booksNow} - interval '${overdueAfter}')
          LIMIT $1) AS late) AS overdue,
        (SELECT extract(epoch FROM ${booksNow} - due_at)::float8 FROM holds
          WHERE status = 'pending' ORDER BY due_at LIMIT 1) AS oldest_s`,
    values: [countTo],
  });
  const [row] = rows;
  if (row === undefined) throw new Error('the count gave no row');
  const pending = Number(row.pending);
  return {
    pending: pending < countTo ? pending : Math.max(pending, row.estimate),
    overdue: Number(row.overdue),
    overdueAgeS: Math.max(0, row.oldest_s ?? 0),
  };
}
