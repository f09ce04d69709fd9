import type { AccountId, CommandId } from '../../../shared/contracts/primitives.ts';
import { formatUuid } from '../../../shared/contracts/uuid.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import { reservedCommandId } from './reserved-command-id.ts';

/**
 * The command id of the entry that a transfer makes on the account that it pays. A command id is unique per account, and the
 * transfer's is its own account's: on the other one somebody else may have used it. Derived, so that the journal's rule (one
 * entry per account and command id) makes a second payment impossible; and of a variant that no caller's command can have,
 * so that nobody else is there first.
 */
export function receiptCommandIdFor(accountId: AccountId, commandId: CommandId): CommandId {
  const bytes = sha256(`transfer\0${accountId}\0${commandId}`).subarray(0, 16);
  return reservedCommandId(formatUuid(bytes, 8), bytes.readUInt8(15));
}
