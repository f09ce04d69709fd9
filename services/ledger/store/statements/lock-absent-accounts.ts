import type { AccountId } from '../../../../shared/contracts/primitives.ts';
import type { Statement } from '../pipeline.ts';
import { bigint } from './array-types.ts';

/**
 * Locks account ids that have no row yet: a row that is not there can't be locked, but two batches must still not open
 * the same account at once, nor refuse a command for want of an account that another batch is just opening.
 *
 * Taken before any row lock and in one order, so that nobody waits in a circle. Two ids may share a lock; then one
 * waits for the other without need.
 */
export function lockAbsentAccounts(ids: readonly AccountId[]): Statement {
  const keys = [...new Set(ids.map(lockKeyOf))].toSorted((left, right) => (left < right ? -1 : 1));
  return {
    name: 'lock-absent-accounts',
    text: 'SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key',
    values: [bigint.parameter(keys)],
  };
}

/** The first eight bytes of the uuid. */
function lockKeyOf(id: AccountId): bigint {
  return BigInt.asIntN(64, BigInt(`0x${id.replaceAll('-', '').slice(0, 16)}`));
}
