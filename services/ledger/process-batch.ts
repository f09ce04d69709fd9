import type { Command } from './domain/commands.ts';
import {
  executeBatch,
  isEmpty,
  type BatchResult,
  type BatchState,
  type Outcome,
} from './domain/execute-batch.ts';
import type { Hold } from './domain/hold.ts';
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

/** How many commands are decided and written at a time. */
export interface Parts {
  readonly size: number;
  /** Asked after each part; without it the rest is left undecided. */
  readonly goOn: () => boolean;
}

/**
 * Decides commands on a loaded state and saves what they change, all of it or nothing.
 *
 * With `parts`, some at a time: Postgres writes what one part changes while the next is decided. Only for settlings: after
 * several writes COMMIT may come later than new holds allow (`nearMicros`, `lateCommitMs`).
 *
 * @returns one outcome per command, in order, up to where it went on.
 */
export async function decideAndSave(
  commands: readonly Command[],
  transaction: BatchTransaction,
  { outbox, holdPeriodMs }: Books,
  { size, goOn }: Parts = { size: commands.length, goOn: () => false },
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const newHolds: Hold[] = [];
  let messages: readonly OutboxMessage[] = [];
  const decidePart = (state: BatchState): BatchResult & { isLast: boolean } => {
    const part = executeBatch(commands.slice(outcomes.length, outcomes.length + size), state, holdPeriodMs);
    outcomes.push(...part.outcomes);
    newHolds.push(...part.changes.newHolds);
    const isLast = outcomes.length === commands.length || !goOn();
    // All of them leave as one message, and it is made while the last part but one is written.
    if (isLast)
      messages = outbox.messagesFor(commands.slice(0, outcomes.length), outcomes, newHolds, state.now);
    return { ...part, isLast };
  };

  const first = decidePart(transaction.state);
  let part = first;
  while (!part.isLast) {
    const { changes, after } = part;
    part = await transaction.writeWhile(changes, () => decidePart(after));
  }
  if (part === first && isEmpty(part.changes) && messages.length === 0) {
    await transaction.release();
    return outcomes;
  }
  const acknowledged = outbox.acknowledgedIds();
  const ids = await transaction.save(part.changes, messages, acknowledged);
  outbox.committed(messages, ids, acknowledged);
  return outcomes;
}
