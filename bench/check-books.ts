import { Client } from 'pg';
import type { AccountId } from '../shared/contracts/primitives.ts';
import { chainStart, hashEntry } from '../services/ledger/domain/entry.ts';
import { reportConfig } from '../services/ledger/store/session.ts';
import { entryColumnNames, entryOf, type EntryRow } from '../services/ledger/store/statements/entry-row.ts';
import type { BenchStack } from './stack.ts';

const rowsPerPage = 20_000;

export interface BooksReport {
  readonly entries: number;
  /** Entries of kind subtract: as many as were acknowledged. */
  readonly subtracts: number;
  /** What does not add up; empty when all does. */
  readonly problems: readonly string[];
}

/** Recomputes every chain and every sum of the books. */
export async function checkBooks(
  database: BenchStack['database'],
  onProgress: (done: number) => void,
): Promise<BooksReport> {
  const client = new Client(reportConfig({ ...database, name: database.database }));
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const problems: string[] = [];
    const { entries, subtracts } = await checkChains(client, problems, onProgress);
    for (const [problem, sql] of Object.entries(mustBeEmpty)) {
      const { rows } = await client.query<{ found: number }>(
        `SELECT count(*)::int AS found FROM (${sql}) AS wrong`,
      );
      const found = rows[0]?.found ?? 0;
      if (found > 0) problems.push(`${found} ${problem}`);
    }
    await client.query('ROLLBACK');
    return { entries, subtracts, problems };
  } finally {
    await client.end();
  }
}

/** Each finds what must not be. */
const mustBeEmpty: Readonly<Record<string, string>> = {
  'accounts that differ from their last entry': `
    SELECT FROM accounts a JOIN entries e ON e.account_id = a.id AND e.seq = a.seq
    WHERE (a.balance, a.held, a.overdraft_limit, a.chain_head) IS DISTINCT FROM (e.balance, e.held, e.overdraft_limit, e.hash)`,
  'accounts without their last entry': `
    SELECT FROM accounts a WHERE NOT EXISTS (SELECT FROM entries e WHERE e.account_id = a.id AND e.seq = a.seq)`,
  'accounts whose held amount is not that of their pending holds': `
    SELECT FROM accounts a LEFT JOIN
      (SELECT account_id, sum(remaining) AS pending FROM holds WHERE status = 'pending' GROUP BY account_id) h
      ON h.account_id = a.id
    WHERE a.held <> coalesce(h.pending, 0)`,
  'holds without the entry that made them': `
    SELECT FROM holds h WHERE NOT EXISTS (
      SELECT FROM entries e WHERE e.account_id = h.account_id AND e.command_id = h.command_id AND e.hold_id = h.id)`,
};

async function checkChains(
  client: Client,
  problems: string[],
  onProgress: (done: number) => void,
): Promise<{ entries: number; subtracts: number }> {
  let entries = 0;
  let subtracts = 0;
  let account: AccountId | undefined;
  let seq = 0;
  let head: Buffer | undefined;
  await client.query(
    `DECLARE journal CURSOR FOR SELECT ${entryColumnNames} FROM entries ORDER BY account_id, seq`,
  );
  for (;;) {
    const { rows } = await client.query<EntryRow>(`FETCH ${rowsPerPage} FROM journal`);
    if (rows.length === 0) return { entries, subtracts };
    for (const entry of rows.map(entryOf)) {
      if (entry.accountId !== account) {
        account = entry.accountId;
        seq = 0;
        head = chainStart(account);
      }
      seq += 1;
      if (entry.seq !== seq)
        problems.push(`account ${account} has entry ${entry.seq} where ${seq} should be`);
      if (head !== undefined && !hashEntry(head, entry).equals(entry.hash)) {
        problems.push(`the chain of account ${account} breaks at entry ${entry.seq}`);
      }
      seq = entry.seq;
      head = entry.hash;
      if (entry.kind === 'subtract') subtracts += 1;
    }
    entries += rows.length;
    onProgress(entries);
  }
}
