import type { Command } from './domain/commands.ts';
import { executeBatch, type BatchState, type Outcome } from './domain/execute-batch.ts';
import type { Hold } from './domain/hold.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { SendableMessage } from './outbox/messages.ts';
import { inBatchTransaction, type BatchTransaction } from './store/batch-transaction.ts';
import type { FilledChanges } from './store/statements/write-changes.ts';
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

/** How commands are decided and saved. */
export interface Saving {
  /** How many are decided and written at a time. */
  readonly partSize: number;
  /** Asked before each part but the first; without it that and what follows is left undecided. */
  readonly goOn: () => boolean;
  /** Whether outbox rows that the broker has are deleted in passing: by one transaction at a time, or others wait for it. */
  readonly deletesSent: boolean;
}

/** What commands that were decided together change and leave. */
interface DecidedPart {
  readonly changes: FilledChanges;
  /** What the next ones are decided on. */
  readonly after: BatchState;
}

/**
 * Decides commands on a loaded state and saves what they change, all of it or nothing.
 *
 * In parts, some at a time: Postgres writes what one part changes while the next is decided. Only for settlings: after
 * several writes COMMIT may come later than new holds allow (`nearMicros`, `lateCommitMs`).
 *
 * @returns one outcome per command, in order, up to where it went on.
 */
export async function decideAndSave(
  commands: readonly Command[],
  transaction: BatchTransaction,
  { outbox, holdPeriodMs }: Books,
  { partSize, goOn, deletesSent }: Saving = {
    partSize: commands.length,
    goOn: () => true,
    deletesSent: true,
  },
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const newHolds: Hold[] = [];
  // All of them are told of by one row.
  const messagesSoFar = () => outbox.messagesFor(commands, outcomes, newHolds, transaction.state.now);
  let messages: readonly SendableMessage[] | undefined;
  // And makes it ready to be sent: but for the first part, Postgres writes the one before meanwhile.
  const decidePart = (state: BatchState): DecidedPart => {
    const decided = outcomes.length;
    const part = executeBatch(commands.slice(decided, decided + partSize), state, holdPeriodMs);
    outcomes.push(...part.outcomes);
    newHolds.push(...part.changes.newHolds);
    if (outcomes.length === commands.length) messages = messagesSoFar();
    return { changes: transaction.fill(part.changes), after: part.after };
  };

  const first = decidePart(transaction.state);
  let part = first;
  while (outcomes.length < commands.length && goOn()) {
    const { changes, after } = part;
    part = await transaction.writeWhile(changes, () => decidePart(after));
  }
  messages ??= messagesSoFar();
  if (part === first && part.changes.length === 0 && messages.length === 0) {
    await transaction.release();
    return outcomes;
  }
  const acknowledged = deletesSent ? outbox.acknowledgedIds() : [];
  const ids = await transaction.save(part.changes, messages, acknowledged);
  outbox.committed(messages, ids, acknowledged);
  return outcomes;
}
