import type { Command } from './domain/commands.ts';
import { executeBatch, isEmpty, type Outcome } from './domain/execute-batch.ts';
import type { Outbox } from './outbox/outbox.ts';
import { inBatchTransaction, type BatchTransaction } from './store/batch-transaction.ts';
import type { WriteConnection } from './store/write-connection.ts';

export interface Books {
  readonly connection: WriteConnection;
  readonly outbox: Outbox;
  /** How long after a subtract its hold falls due, in milliseconds. */
  readonly holdPeriodMs: number;
}

/**
 * The whole use case: lock and load → decide → write and commit → tell.
 *
 * @returns one outcome per command, in order. By then all of them are on disk.
 * @throws when the batch as a whole failed; nothing is written then, except perhaps after a CommitUnknownError.
 */
export async function processBatch(commands: readonly Command[], books: Books): Promise<readonly Outcome[]> {
  return inBatchTransaction(books.connection, commands, async (transaction) =>
    decideAndSave(commands, transaction, books),
  );
}

/** Decides commands on a loaded state and saves what they change. */
export async function decideAndSave(
  commands: readonly Command[],
  transaction: BatchTransaction,
  { outbox, holdPeriodMs }: Books,
): Promise<readonly Outcome[]> {
  const result = executeBatch(commands, transaction.state, holdPeriodMs);
  const messages = outbox.messagesFor(commands, result, transaction.state.now);
  if (isEmpty(result.changes) && messages.length === 0) {
    await transaction.release();
    return result.outcomes;
  }
  const acknowledged = outbox.acknowledgedIds();
  const ids = await transaction.save(result.changes, messages, acknowledged);
  outbox.committed(messages, ids, acknowledged);
  return result.outcomes;
}
