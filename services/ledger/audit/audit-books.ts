import type { Client } from 'pg';
import { createClient } from '../store/create-client.ts';
import { reportConfig, type DatabaseAddress } from '../store/session.ts';
import { checkChains } from './check-chains.ts';
import { checkTables } from './check-tables.ts';
import type { Finding } from './finding.ts';

/** How much was audited, and what was found. */
export interface AuditReport {
  readonly accounts: number;
  readonly entries: number;
  readonly holds: number;
  /** Entries of kind subtract. */
  readonly subtracts: number;
  readonly findings: readonly Finding[];
}

/** What to audit, and who is told of it. */
export interface AuditOptions {
  /** Only this account. */
  readonly accountId?: string | undefined;
  readonly onProgress?: (entries: number, ofAbout: number) => void;
  /** As for {@link checkChains}. */
  readonly onHead?: (accountId: string, seq: number, hash: string) => void;
  /** More checks in the same snapshot. */
  readonly moreChecks?: (client: Client, onFinding: (finding: Finding) => void) => Promise<void>;
}

/** Past this many the books are in ruins, and a longer list tells nothing more. */
const maxFindings = 10_000;

/** For joins of whole tables on the server, which with its default of 4 MB go through temporary files. */
const workMemory = '64MB';

/**
 * Audits the books while they are in use: one snapshot, nothing locked, nothing written. Every chain is recomputed from
 * its first entry, and everything that the journal determines is compared with it, at the same time: the one is this
 * process's work, the other the server's.
 */
export async function auditBooks(address: DatabaseAddress, options: AuditOptions = {}): Promise<AuditReport> {
  const { accountId, onProgress, onHead, moreChecks } = options;
  const chainFindings = new FindingList();
  const otherFindings = new FindingList();
  const [client, other] = [createClient(reportConfig(address)), createClient(reportConfig(address))];
  try {
    await Promise.all([client.connect(), other.connect()]);
    await client.query(beginSnapshot);
    const { rows } = await client.query<{ snapshot: string }>('SELECT pg_export_snapshot() AS snapshot');
    await other.query(beginSnapshot);
    await other.query(`SET TRANSACTION SNAPSHOT ${other.escapeLiteral(rows[0]?.snapshot ?? '')}`);
    await other.query(`SET LOCAL work_mem = '${workMemory}'`);
    // Whole tables are joined by hashing. Along their indexes each row is a page somewhere else; and before a new table's
    // first ANALYZE, holds and entries of a busy account would be compared each with each.
    if (accountId === undefined)
      await other.query('SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off');
    const counts = await count(client, accountId);
    const [entries] = await Promise.all([
      checkChains({
        client,
        accountId,
        onFinding: (finding) => chainFindings.add(finding),
        onProgress: (done) => onProgress?.(done, counts.entries),
        ...(onHead !== undefined && { onHead }),
      }),
      checkTables(other, accountId, (finding) => otherFindings.add(finding)).then(() =>
        moreChecks?.(other, (finding) => otherFindings.add(finding)),
      ),
    ]);
    return { ...counts, entries, findings: [...chainFindings.findings, ...otherFindings.findings] };
  } finally {
    // They only read: closing their sessions ends their transactions.
    await Promise.all([client.end(), other.end()]);
  }
}

const beginSnapshot = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

class FindingList {
  readonly findings: Finding[] = [];

  add(finding: Finding): void {
    if (this.findings.length < maxFindings) this.findings.push(finding);
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
