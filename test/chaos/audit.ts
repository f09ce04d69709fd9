import { auditBooks } from '../../services/ledger/audit/audit-books.ts';
import type { Database } from './stack/chaos-stack.ts';

/** What `npm run audit` finds, in words. */
export async function auditProblems(database: Database): Promise<string[]> {
  const { findings } = await auditBooks({ ...database, name: database.database });
  return findings.map(
    ({ accountId, seq, problem }) => `audit: ${accountId ?? 'books'} ${seq ?? ''} ${problem}`,
  );
}
