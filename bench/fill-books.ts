import { randomUUID } from 'node:crypto';
import type { AccountId, CommandId } from '../shared/contracts/primitives.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import type { Command } from '../services/ledger/domain/commands.ts';
import { executeBatch } from '../services/ledger/domain/execute-batch.ts';
import { settleCommandIdFor, type Hold } from '../services/ledger/domain/hold.ts';
import { inBatchTransaction } from '../services/ledger/store/batch-transaction.ts';
import { migrate } from '../services/ledger/store/migrate.ts';
import type { DatabaseAddress } from '../services/ledger/store/session.ts';
import { WriteConnection } from '../services/ledger/store/write-connection.ts';

/** As many as the ledger puts into one of its batches. */
const commandsPerBatch = 512;
const holdPeriodMs = 600_000;

/**
 * Fills an empty database with books of at least so many entries, by the ledger's own batches without its doors: each
 * account is opened and gets money, then holds are placed on all of them in turn, and every second one is settled.
 *
 * @returns how many entries it wrote.
 */
export async function fillBooks(
  address: DatabaseAddress,
  plan: { entries: number; accounts: number },
  onProgress: (entries: number) => void,
): Promise<number> {
  await migrate(address);
  const connection = new WriteConnection(address, createLogger('bench', 'warn'));
  let written = 0;
  const run = async (commands: readonly Command[]): Promise<readonly Hold[]> =>
    inBatchTransaction(connection, commands, async (transaction) => {
      const { changes } = executeBatch(commands, transaction.state, holdPeriodMs);
      await transaction.save(changes, [], []);
      written += changes.entries.length;
      onProgress(written);
      return changes.newHolds;
    });
  try {
    const ids = Array.from({ length: plan.accounts }, () => randomUUID() as string as AccountId);
    for (const some of slices(ids, commandsPerBatch / 2)) await run(some.flatMap(openWithMoney));
    for (let next = 0; written < plan.entries; next += commandsPerBatch) {
      const some = Array.from({ length: commandsPerBatch }, (_, index) => idAt(ids, next + index));
      const holds = await run(
        some.map((accountId) => ({ ...common(accountId), kind: 'subtract', amount: '0.01' })),
      );
      await run(holds.filter((_, index) => index % 2 === 0).map(settlingOf));
    }
  } finally {
    await connection.close();
  }
  return written;
}

function common(accountId: AccountId) {
  const id = randomUUID() as string as CommandId;
  return { id, accountId, deadline: null, traceparent: null, unattended: false };
}

function openWithMoney(accountId: AccountId): Command[] {
  return [
    {
      ...common(accountId),
      kind: 'open',
      name: 'Benchmark',
      currency: 'XXX',
      decimals: 2,
      overdraftLimit: '0',
      metadata: null,
    },
    { ...common(accountId), kind: 'add', amount: '1000000.00' },
  ];
}

function settlingOf({ id, accountId }: Hold): Command {
  return { ...common(accountId), kind: 'settle', id: settleCommandIdFor(id), holdId: id };
}

function idAt(ids: readonly AccountId[], index: number): AccountId {
  const id = ids[index % ids.length];
  if (id === undefined) throw new Error('there are no accounts');
  return id;
}

function* slices<T>(all: readonly T[], size: number): Generator<T[]> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size);
}
