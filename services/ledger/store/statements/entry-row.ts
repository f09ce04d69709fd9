import type { EntryKind } from '../../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../../shared/contracts/primitives.ts';
import { money } from '../../../../shared/money/money.ts';
import type { Entry } from '../../domain/entry.ts';
import type { Micros } from '../../domain/time.ts';

/** A row of `entries`, as {@link entryColumns} name it. */
export interface EntryRow {
  account_id: AccountId;
  seq: bigint;
  command_id: CommandId;
  kind: EntryKind;
  amount: bigint;
  balance: bigint;
  held: bigint;
  overdraft_limit: bigint;
  hold_id: HoldId | null;
  at: Micros;
  fingerprint: Buffer;
  details: string | null;
  format_version: number;
  hash: Buffer;
}

export const entryColumns =
  'account_id, seq, command_id, kind, amount, balance, held, overdraft_limit, hold_id, at, fingerprint, details, ' +
  'format_version, hash';

/** The entry that a row describes. */
export function entryOf(row: EntryRow): Entry {
  return {
    accountId: row.account_id,
    seq: Number(row.seq),
    commandId: row.command_id,
    kind: row.kind,
    amount: money(row.amount),
    balance: money(row.balance),
    held: money(row.held),
    overdraftLimit: money(row.overdraft_limit),
    holdId: row.hold_id,
    at: row.at,
    fingerprint: row.fingerprint,
    details: row.details,
    formatVersion: row.format_version,
    hash: row.hash,
  };
}
