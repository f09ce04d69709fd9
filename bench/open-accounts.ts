import { randomUUID } from 'node:crypto';
import type { NatsAccess } from '../shared/config/nats-access.ts';
import { inboxPrefixOf } from '../shared/contracts/nats-users.ts';
import { connectNats } from '../shared/messaging/connect.ts';
import { createLedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import { createMetrics } from '../shared/telemetry/metrics.ts';
import { accountIdAt, startBalance } from './account-ids.ts';

const atOnce = 2_000;

/** Opens accounts with money on them, as another service would: over NATS. */
export async function openAccounts(
  nats: NatsAccess,
  count: number,
  onProgress: (done: number) => void,
): Promise<void> {
  const logger = createLogger('bench', 'warn');
  const link = await connectNats({
    ...nats,
    name: 'holdfast-bench',
    inboxPrefix: inboxPrefixOf('tools'),
    logger,
  });
  const client = createLedgerClient({ link, logger, metrics: createMetrics() });
  const openOne = async (index: number): Promise<void> => {
    const accountId = accountIdAt(index);
    const opened = await client.send('open', { id: randomUUID(), accountId, name: 'Benchmark' });
    if (!opened.ok) throw new Error(`an account was not opened: ${opened.error.detail}`);
    const added = await client.send('add', { id: randomUUID(), accountId, amount: startBalance });
    if (!added.ok) throw new Error(`no money was added: ${added.error.detail}`);
  };
  for (let opened = 0; opened < count;) {
    const size = Math.min(atOnce, count - opened);
    const from = opened;
    await Promise.all(Array.from({ length: size }, (_, index) => openOne(from + index)));
    opened += size;
    onProgress(opened);
  }
  await client.close();
  await link.drain();
}
