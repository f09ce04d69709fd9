import { randomUUID } from 'node:crypto';
import type { HoldId } from '../../shared/contracts/primitives.ts';
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

/** Holds an amount, and gives the hold's id. */
export async function placeHold(client: LedgerClient, accountId: string, amount: string): Promise<HoldId> {
  const held = await client.send('subtract', { id: randomUUID(), accountId, amount });
  if (!held.ok) throw new Error(`not held: ${held.error.detail}`);
  if (held.hold === undefined) throw new Error('the answer has no hold');
  return held.hold.id;
}
