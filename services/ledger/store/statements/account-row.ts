import type { AccountStatus } from '../../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../../shared/contracts/primitives.ts';
import { money } from '../../../../shared/money/money.ts';
import type { Account } from '../../domain/account.ts';
import type { Micros } from '../../domain/time.ts';

/** A row of `accounts`, as {@link accountColumns} name it. */
export interface AccountRow {
  id: AccountId;
  name: string;
  currency: string;
  decimals: number;
  balance: bigint;
  held: bigint;
  overdraft_limit: bigint;
  status: AccountStatus;
  metadata: string | null;
  seq: bigint;
  chain_head: Buffer;
  last_entry_at: Micros;
}

export const accountColumns =
  'id, name, currency, decimals, balance, held, overdraft_limit, status, metadata, seq, chain_head, last_entry_at';

/** The account that a row describes. */
export function accountOf(row: AccountRow): Account {
  return {
    id: row.id,
    name: row.name,
    currency: row.currency,
    decimals: row.decimals,
    balance: money(row.balance),
    held: money(row.held),
    overdraftLimit: money(row.overdraft_limit),
    status: row.status,
    metadata: row.metadata,
    seq: Number(row.seq),
    chainHead: row.chain_head,
    lastEntryAt: row.last_entry_at,
  };
}
