import { setTimeout as delay } from 'node:timers/promises';
import { progress, say } from '../deploy/local/progress.ts';
import { askDatabase } from '../deploy/local/with-client.ts';
import { auditBooks } from '../services/ledger/audit/audit-books.ts';
import type { BenchStack } from './stack.ts';

/** Waits until whatever a batch had to tell the broker has been told; fails when it is not within half a minute. */
export async function untilOutboxIsEmpty(database: BenchStack['database']): Promise<void> {
  for (const until = performance.now() + 30_000; ;) {
    const left = await askDatabase(database, 'SELECT FROM outbox LIMIT 1');
    if (left.length === 0) return;
    if (performance.now() > until) throw new Error('the outbox does not get empty');
    await delay(200);
  }
}

/** How many adds and subtracts are in the books. */
export async function countChanges(database: BenchStack['database']): Promise<number> {
  const [row] = await askDatabase<{ changes: string }>(
    database,
    `SELECT count(*) AS changes FROM entries WHERE kind IN ('add', 'subtract')`,
  );
  return Number(row?.changes);
}

/** What an audit of all the books finds, in words. */
export async function auditFindings({ database, address }: BenchStack): Promise<string[]> {
  const [row] = await askDatabase<{ rows: string }>(
    database,
    'SELECT (SELECT count(*) FROM entries) + 2 * (SELECT count(*) FROM accounts) AS rows',
  );
  const began = performance.now();
  const books = await auditBooks(address, { onProgress: progress('auditing the books', Number(row?.rows)) });
  say(`audited ${books.entries} entries in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  return books.findings.map(({ accountId, problem }) => `${accountId ?? ''} ${problem}`);
}
