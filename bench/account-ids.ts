import { hash } from 'node:crypto';
import { formatUuid } from '../shared/contracts/uuid.ts';

/**
 * The id of the benchmark's account number `index`, from 0 on: spread all over the index like random ones, and known to
 * the load generators without a file of ten million lines.
 */
export function accountIdAt(index: number): string {
  return formatUuid(hash('sha256', `benchmark ${index}`, 'buffer'), 8);
}
