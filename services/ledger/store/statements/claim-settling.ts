import type { Micros } from '../../domain/time.ts';
import type { Statement } from '../pipeline.ts';
import { booksNow } from './books-now.ts';

/** The one row of the claim. */
export interface ClaimRow {
  claimed: boolean;
  now: Micros;
}

/**
 * Any pair of numbers will do, as long as nobody else on this database uses it. A pair, because the locks of absent
 * accounts are single numbers that callers choose.
 */
const settlingLock = ['1214803204', '1'] as const;

/**
 * Claims the right to settle until the transaction ends, and reads the books' time. One ledger settles at a time: two would
 * pick the same holds and one of them would do all its work for nothing. (When a turn is shared, that can still happen to
 * what its second transaction settles, should the first one, which has the claim, end before it.)
 */
export function claimSettling(): Statement {
  return {
    name: 'claim-settling',
    text: `SELECT pg_try_advisory_xact_lock($1::integer, $2::integer) AS claimed, ${booksNow} AS now`,
    values: [...settlingLock],
  };
}
