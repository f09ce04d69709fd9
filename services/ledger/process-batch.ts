import type { Command } from './domain/commands.ts';
import { executeBatch, isEmpty, type Outcome } from './domain/execute-batch.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { OutboxMessage } from './store/outbox-message.ts';
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

/**
 * Decides commands on a loaded state and saves what they change, all of it or nothing. With `perPart` so many at a time,
 * in the one transaction: Postgres then writes what one part changes while the next is decided.
 */
export async function decideAndSave(
  commands: readonly Command[],
  transaction: BatchTransaction,
  { outbox, holdPeriodMs }: Books,
  perPart = commands.length,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const messages: OutboxMessage[] = [];
  const ids: bigint[] = [];
  let { state } = transaction;
  let written: Promise<readonly bigint[]> = Promise.resolve([]);
  for (let from = 0; ; from += perPart) {
    const part = commands.slice(from, from + perPart);
    const result = executeBatch(part, state, holdPeriodMs);
    const told = outbox.messagesFor(part, result, state.now);
    state = result.after;
    outcomes.push(...result.outcomes);
    messages.push(...told);
    ids.push(...(await written));

    if (from + perPart < commands.length) {
      written = transaction.write(result.changes, told);
      continue;
    }
    if (from === 0 && isEmpty(result.changes) && told.length === 0) {
      await transaction.release();
      return outcomes;
    }
    const acknowledged = outbox.acknowledgedIds();
    ids.push(...(await transaction.save(result.changes, told, acknowledged)));
    outbox.committed(messages, ids, acknowledged);
    return outcomes;
  }
}
