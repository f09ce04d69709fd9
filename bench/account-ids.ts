import { formatUuid } from '../shared/contracts/uuid.ts';
import { sha256 } from '../shared/hashing/sha256.ts';

/**
 * The id of the benchmark's account number `index`, from 0 on: spread all over the index like random ones, and known to
 * the load generators without a file of ten million lines.
 */
export function accountIdAt(index: number): string {
  return formatUuid(sha256(`benchmark ${index}`), 8);
}

/** What each has, in decimals: enough for a day of one-cent holds, far below the bound of a balance. */
export const startBalance = '1000000.00';
