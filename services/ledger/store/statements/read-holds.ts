import type { AccountId, HoldId } from '../../../../shared/contracts/primitives.ts';
import type { Statement } from '../pipeline.ts';
import { tid, uuid } from './array-types.ts';
import { holdColumns } from './hold-row.ts';

/** Reads holds whose accounts are locked: what they are now stays so until the batch ends. Each by its key, see `lookUp`. */
export function readHolds(accountIds: readonly AccountId[], holdIds: readonly HoldId[]): Statement {
  return {
    name: 'read-holds',
    text: `
      SELECT ${holdColumns}, ctid
      FROM generate_subscripts($1::uuid[], 1) AS i, LATERAL (
        SELECT *, ctid FROM holds WHERE (account_id, id) = (($1::uuid[])[i], ($2::uuid[])[i]) OFFSET 0
      ) AS found`,
    values: [uuid.parameter(accountIds), uuid.parameter(holdIds)],
  };
}

/**
 * As {@link readHolds}, by where they lay when they were picked: no index is walked down. Where one no longer lies because
 * it was changed, nothing is found, or another row. That has no use for the batch, unless it was picked as well, or is the hold's
 * own once more, extended twice: what is decided looks whether it is pending, and due.
 */
export function readPickedHolds(ctids: readonly string[]): Statement {
  return {
    name: 'read-picked-holds',
    text: `SELECT ${holdColumns}, ctid FROM holds WHERE ctid = ANY ($1::tid[])`,
    values: [tid.parameter(ctids)],
  };
}
