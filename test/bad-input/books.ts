import type { DatabaseAddress } from '../../services/ledger/store/session.ts';
import { auditBooks } from '../../services/ledger/audit/audit-books.ts';
import { DigestWriter } from '../../services/ledger/audit/digest.ts';
import type { TestDatabase } from '../support/test-database.ts';

/** All that the audit knows of the books: the same digest is the same books, when nothing is wrong with them. */
export async function readBooks({ connection }: TestDatabase): Promise<object> {
  const { host, port, user, password, database: name } = connection;
  const address: DatabaseAddress = { host, port, user, password, name };
  const lines: string[] = [];
  const digest = new DigestWriter((line) => lines.push(line));
  const report = await auditBooks(address, { onHead: (...head) => digest.add(...head) });
  return { ...report, digest: lines };
}
