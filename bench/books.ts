import { setTimeout as delay } from 'node:timers/promises';
import { progress, say } from '../deploy/local/progress.ts';
import { withClient } from '../deploy/local/with-client.ts';
import { auditBooks } from '../services/ledger/audit/audit-books.ts';
import type { BenchStack } from './stack.ts';

/** A question to the books, on a connection of its own. */
export async function askBooks<Row extends Record<string, unknown>>(
  database: BenchStack['database'],
  sql: string,
): Promise<Row[]> {
  return withClient(database, async (client) => (await client.query<Row>(sql)).rows);
}

/** Waits until whatever a batch had to tell the broker has been told; fails when it is not within half a minute. */
export async function untilOutboxIsEmpty(database: BenchStack['database']): Promise<void> {
  for (const until = performance.now() + 30_000; ;) {
    const left = await askBooks(database, 'SELECT FROM outbox LIMIT 1');
    if (left.length === 0) return;
    if (performance.now() > until) throw new Error('the outbox does not get empty');
    await delay(200);
  }
}

/** How many adds and subtracts are in the books. */
export async function countChanges(database: BenchStack['database']): Promise<number> {
  const [row] = await askBooks<{ changes: string }>(
    database,
    `SELECT count(*) AS changes FROM entries WHERE kind IN ('add', 'subtract')`,
  );
  return Number(row?.changes);
}

/** What an audit of all the books finds, in words. */
export async function auditFindings({ database, address }: BenchStack): Promise<string[]> {
  const [row] = await askBooks<{ rows: string }>(
    database,
    'SELECT (SELECT count(*) FROM entries) + 2 * (SELECT count(*) FROM accounts) AS rows',
  );
  const began = performance.now();
  const books = await auditBooks(address, { onProgress: progress('auditing the books', Number(row?.rows)) });
  say(`audited ${books.entries} entries in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  return books.findings.map(({ accountId, problem }) => `${accountId ?? ''} ${problem}`);
}
