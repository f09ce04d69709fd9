import type { DueAction, HoldStatus } from '../../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../../shared/contracts/primitives.ts';
import { money } from '../../../../shared/money/money.ts';
import type { Hold } from '../../domain/hold.ts';
import type { Micros } from '../../domain/time.ts';
import type { Statement } from '../pipeline.ts';
import { tid, uuid } from './array-types.ts';

export interface HoldRow {
  account_id: AccountId;
  id: HoldId;
  amount: bigint;
  remaining: bigint;
  status: HoldStatus;
  due_at: Micros;
  on_due: DueAction;
  command_id: CommandId;
  traceparent: string | null;
  version: number;
}

export interface PlacedHoldRow extends HoldRow {
  /** Where the row lies. Only who has the account's lock changes it, and with it that. */
  place: string;
}

export const holdColumns =
  'account_id, id, amount, remaining, status, due_at, on_due, command_id, traceparent, version';

/** Reads holds whose accounts are locked: what they are now stays so until the batch ends. Each by its key, see `lookUp`. */
export function readHolds(accountIds: readonly AccountId[], holdIds: readonly HoldId[]): Statement {
  return {
    name: 'read-holds',
    text: `
      SELECT ${holdColumns}, place
      FROM generate_subscripts($1::uuid[], 1) AS i, LATERAL (
        SELECT *, ctid AS place FROM holds WHERE (account_id, id) = (($1::uuid[])[i], ($2::uuid[])[i]) OFFSET 0
      ) AS found`,
    values: [uuid.parameter(accountIds), uuid.parameter(holdIds)],
  };
}

/**
 * As {@link readHolds}, by where they lay when they were picked: no index is walked down. Where one no longer lies because
 * it was changed, nothing is found, or another, which the batch has no use for unless it was picked as well.
 */
export function readPickedHolds(places: readonly string[]): Statement {
  return {
    name: 'read-picked-holds',
    text: `SELECT ${holdColumns}, ctid AS place FROM holds WHERE ctid = ANY ($1::tid[])`,
    values: [tid.parameter(places)],
  };
}

export function holdOf(row: HoldRow): Hold {
  return {
    id: row.id,
    accountId: row.account_id,
    amount: money(row.amount),
    remaining: money(row.remaining),
    status: row.status,
    dueAt: row.due_at,
    onDue: row.on_due,
    commandId: row.command_id,
    traceparent: row.traceparent,
    version: row.version,
  };
}
