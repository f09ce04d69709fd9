import type { DueAction } from '../../../../shared/contracts/outcomes.ts';
import type { AccountId, HoldId } from '../../../../shared/contracts/primitives.ts';
import { formatMicros, type Micros } from '../../domain/time.ts';
import type { Statement } from '../pipeline.ts';
import { uuid } from './array-types.ts';
import { booksNow } from './books-now.ts';

/** A due hold, with what it takes to find and to trace it. */
export interface PickedRow {
  account_id: AccountId;
  id: HoldId;
  due_at: Micros;
  on_due: DueAction;
  traceparent: string | null;
  /** `(block,row)`: the row's place in the table for as long as nobody changes it. */
  ctid: string;
}

/** Which due holds to pick. */
export interface DueRange {
  /** Null is from the oldest on. */
  readonly from: Micros | null;
  /** Null is now. */
  readonly until: Micros | null;
  readonly limit: number;
  /** Holds to leave out. */
  readonly except: readonly HoldId[];
  /** Accounts whose holds are left out, all of them. */
  readonly exceptAccounts: readonly AccountId[];
}

/**
 * Picks the oldest holds that are due, without locking: locking a hold before its account would turn round the order
 * in which everybody else locks.
 *
 * `from` is the oldest due time that can still be pending. Without it the index scan would walk, turn after turn, over
 * the entries of holds that have ended but are not yet vacuumed away. The clock is asked in a sub-select, once: a volatile
 * function can't bound an index scan, and without that bound it walks over every hold that is not due yet. Accounts, of which
 * there may be thousands, are left out by a sub-select as well, whose rows are hashed.
 */
export function pickDueHolds({ from, until, limit, except, exceptAccounts }: DueRange): Statement {
  return {
    name: 'pick-due-holds',
    text: `
      SELECT account_id, id, due_at, on_due, traceparent, ctid FROM holds
      WHERE status = 'pending'
        AND due_at >= coalesce($1::timestamptz, '-infinity')
        AND due_at <= (SELECT least($2::timestamptz, ${booksNow}))
        AND id <> ALL ($4::uuid[]) AND account_id NOT IN (SELECT unnest($5::uuid[]))
      ORDER BY due_at LIMIT $3`,
    values: [
      from === null ? null : formatMicros(from),
      until === null ? null : formatMicros(until),
      String(limit),
      uuid.parameter(except),
      uuid.parameter(exceptAccounts),
    ],
  };
}
