import type { Command } from './domain/commands.ts';
import { executeBatch, type BatchChanges, type Outcome } from './domain/execute-batch.ts';
import type { Hold } from './domain/hold.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { SendableMessage } from './outbox/messages.ts';
import { inBatchTransaction, type BatchTransaction } from './store/batch-transaction.ts';
import type { FilledChanges } from './store/statements/write-changes.ts';
import type { WriteConnection } from './store/write-connection.ts';

/** What batches are processed on. */
export interface Books {
  readonly connection: WriteConnection;
  readonly outbox: Outbox;
  /** How long after a subtract its hold falls due, in milliseconds. */
  readonly holdPeriodMs: number;
}

/**
 * The whole use case: lock and load → decide → write and commit → publish.
 *
 * @returns one outcome per command, in order. By then all of them are on disk.
 * @throws when the batch as a whole failed; nothing is written then, except perhaps after a CommitUnknownError.
 */
export async function processBatch(commands: readonly Command[], books: Books): Promise<readonly Outcome[]> {
  return inBatchTransaction(books.connection, commands, async (transaction) =>
    decideAndSave(commands, transaction, books),
  );
}

/** Decides commands on a loaded state and saves what they change, all of it or nothing. */
export async function decideAndSave(
  commands: readonly Command[],
  transaction: BatchTransaction,
  { outbox, holdPeriodMs }: Books,
): Promise<readonly Outcome[]> {
  const { state } = transaction;
  const { outcomes, changes } = executeBatch(commands, state, holdPeriodMs);
  const messages = outbox.messagesFor(commands, outcomes, dueHoldsOf(changes), state.now);
  await saveAndPublish(transaction, outbox, {
    changes: transaction.fill(changes),
    messages,
    deletesSent: true,
  });
  return outcomes;
}

/**
 * Those that were made or extended: when they fall due must be announced. Also where an extension has left the time as it was:
 * a turn that had picked the hold no longer finds it at its place, and has done with the message that announced it.
 */
function dueHoldsOf({ newHolds, changedHolds }: BatchChanges): readonly Hold[] {
  const extended = changedHolds.filter(({ status }) => status === 'pending');
  return extended.length === 0 ? newHolds : [...newHolds, ...extended];
}

/** How a transaction ends. */
interface Ending {
  readonly changes: FilledChanges;
  /** Of these, and of what the transaction has written before. */
  readonly messages: readonly SendableMessage[];
  /**
   * Whether outbox rows whose messages the broker has are deleted in passing. Of two transactions at the same time only one
   * may: the other would wait for its locks.
   */
  readonly deletesSent: boolean;
}

/** Saves a transaction's last changes, and has the outbox publish the messages about all of them. */
export async function saveAndPublish(
  transaction: BatchTransaction,
  outbox: Outbox,
  { changes, messages, deletesSent }: Ending,
): Promise<void> {
  if (changes.length === 0 && messages.length === 0) return;
  const acknowledged = deletesSent ? outbox.acknowledgedIds() : [];
  const stored = await transaction.save(changes, messages, acknowledged);
  outbox.committed(stored, acknowledged);
}
