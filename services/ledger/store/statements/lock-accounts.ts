import type { AccountId } from '../../../../shared/contracts/primitives.ts';
import type { Statement } from '../pipeline.ts';
import { accountColumns } from './account-row.ts';
import { uuid } from './array-types.ts';

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
