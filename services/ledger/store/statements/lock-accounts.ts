import type { AccountStatus } from '../../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../../shared/contracts/primitives.ts';
import { money } from '../../../../shared/money/money.ts';
import type { Account } from '../../domain/account.ts';
import type { Micros } from '../../domain/time.ts';
import type { Statement } from '../pipeline.ts';
import { uuid } from './array-types.ts';

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

/**
 * Locks the accounts of a batch and reads them. In id order, so that two batches that share accounts wait for each
 * other instead of dead-locking. After a wait, READ COMMITTED gives the row as the lock's previous owner left it.
 */
export function lockAccounts(ids: readonly AccountId[]): Statement {
  return {
    name: 'lock-accounts',
    text: `
      SELECT ${accountColumns}
      FROM accounts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE`,
    values: [uuid.parameter(ids)],
  };
}

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
