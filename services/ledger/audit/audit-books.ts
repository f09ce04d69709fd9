import { Client } from 'pg';
import { reportConfig, type DatabaseAddress } from '../store/session.ts';
import { checkChains } from './check-chains.ts';
import { checkTables } from './check-tables.ts';
import type { Finding } from './finding.ts';

export interface AuditReport {
  readonly accounts: number;
  readonly entries: number;
  readonly holds: number;
  /** Entries of kind subtract. */
  readonly subtracts: number;
  readonly findings: readonly Finding[];
}

export interface AuditOptions {
  readonly accountId?: string | undefined;
  readonly onProgress?: (entries: number, ofAbout: number) => void;
  readonly onHead?: (accountId: string, seq: number, hash: string) => void;
  /** More checks in the same snapshot. */
  readonly also?: (client: Client, onFinding: (finding: Finding) => void) => Promise<void>;
}

/** Past this many the books are in ruins, and a longer list tells nothing more. */
const maxFindings = 10_000;

/** For joins of whole tables on the server, which with its default of 4 MB go through temporary files. */
const workMemory = '64MB';

/**
 * Audits the books while they are in use: one snapshot, nothing locked, nothing written. Every chain is recomputed from
 * its first entry, and everything that the journal determines is compared with it.
 */
export async function auditBooks(address: DatabaseAddress, options: AuditOptions = {}): Promise<AuditReport> {
  const { accountId, onProgress, onHead, also } = options;
  const client = new Client(reportConfig(address));
  await client.connect();
  const findings: Finding[] = [];
  const onFinding = (finding: Finding): void => {
    if (findings.length < maxFindings) findings.push(finding);
  };
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await client.query(`SET LOCAL work_mem = '${workMemory}'`);
    const counts = await count(client, accountId);
    const entries = await checkChains({
      client,
      accountId,
      onFinding,
      onProgress: (done) => onProgress?.(done, counts.entries),
      ...(onHead !== undefined && { onHead }),
    });
    await checkTables(client, accountId, onFinding);
    await also?.(client, onFinding);
    await client.query('ROLLBACK');
    return { ...counts, entries, findings };
  } finally {
    await client.end();
  }
}

async function count(client: Client, accountId: string | undefined): Promise<Omit<AuditReport, 'findings'>> {
  const { rows } = await client.query<Record<'accounts' | 'entries' | 'holds' | 'subtracts', bigint>>(
    `SELECT (SELECT count(*) FROM accounts WHERE $1::uuid IS NULL OR id = $1) AS accounts,
            (SELECT count(*) FROM holds WHERE $1::uuid IS NULL OR account_id = $1) AS holds,
            count(*) AS entries, count(*) FILTER (WHERE kind = 'subtract') AS subtracts
     FROM entries WHERE $1::uuid IS NULL OR account_id = $1`,
    [accountId ?? null],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the count gave no row');
  const { accounts, entries, holds, subtracts } = row;
  return {
    accounts: Number(accounts),
    entries: Number(entries),
    holds: Number(holds),
    subtracts: Number(subtracts),
  };
}
