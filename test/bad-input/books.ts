import type { DatabaseAddress } from '../../services/ledger/store/session.ts';
import { auditBooks } from '../../services/ledger/audit/audit-books.ts';
import { Digest } from '../../services/ledger/audit/digest.ts';
import type { TestDatabase } from '../support/test-database.ts';

/** All that the audit knows of the books: equal texts are equal books, when nothing is wrong with them. */
export async function readBooks({ connection }: TestDatabase): Promise<object> {
  const { host, port, user, password, database: name } = connection;
  const address: DatabaseAddress = { host, port, user, password, name };
  const digest = new Digest();
  const report = await auditBooks(address, { onHead: (...head) => digest.add(...head) });
  return { ...report, digest: digest.text() };
}
