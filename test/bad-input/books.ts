import { auditBooks } from '../../services/ledger/audit/audit-books.ts';
import { DigestWriter } from '../../services/ledger/audit/digest.ts';
import type { TestDatabase } from '../support/test-database.ts';

/** All that the audit knows of the books: the same digest is the same books, when nothing is wrong with them. */
export async function readBooks({ address }: TestDatabase): Promise<object> {
  const lines: string[] = [];
  const digest = new DigestWriter((line) => lines.push(line));
  const report = await auditBooks(address, { onHead: (...head) => digest.add(...head) });
  return { ...report, digest: lines };
}
