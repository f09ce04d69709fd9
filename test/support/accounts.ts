import { randomUUID } from 'node:crypto';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';

/** Opens an account with some money on it, and gives its id. */
export async function openAccount(client: LedgerClient, balance?: string): Promise<string> {
  const accountId = randomUUID();
  const opened = await client.send('open', { id: randomUUID(), accountId, name: 'Test account' });
  if (!opened.ok) throw new Error(`not opened: ${opened.error.detail}`);
  if (balance === undefined) return accountId;
  const added = await client.send('add', { id: randomUUID(), accountId, amount: balance });
  if (!added.ok) throw new Error(`not added: ${added.error.detail}`);
  return accountId;
}
