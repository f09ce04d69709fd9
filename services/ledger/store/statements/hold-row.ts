import type { DueAction, HoldStatus } from '../../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../../shared/contracts/primitives.ts';
import { money } from '../../../../shared/money/money.ts';
import type { Hold } from '../../domain/hold.ts';
import type { Micros } from '../../domain/time.ts';

/** A row of `holds`, as {@link holdColumns} name it. */
export interface HoldRow {
  account_id: AccountId;
  id: HoldId;
  amount: bigint;
  remaining: bigint;
  status: HoldStatus;
  due_at: Micros;
  on_due: DueAction;
  reference: string | null;
  command_id: CommandId;
  traceparent: string | null;
  version: number;
}

/** As {@link HoldRow}, with the row's place in the table. */
export interface LocatedHoldRow extends HoldRow {
  /** `(block,row)`. Changing a row gives it another, which only the holder of its account's lock may do. */
  ctid: string;
}

export const holdColumns =
  'account_id, id, amount, remaining, status, due_at, on_due, reference, command_id, traceparent, version';

/** The hold that a row describes. */
export function holdOf(row: HoldRow): Hold {
  return {
    id: row.id,
    accountId: row.account_id,
    amount: money(row.amount),
    remaining: money(row.remaining),
    status: row.status,
    dueAt: row.due_at,
    onDue: row.on_due,
    reference: row.reference,
    commandId: row.command_id,
    traceparent: row.traceparent,
    version: row.version,
  };
}
