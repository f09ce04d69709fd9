import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { SettledOutcome } from '../../shared/contracts/outcomes.ts';
import { commandIdSchema } from '../../shared/contracts/primitives.ts';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { settleDue } from './settle-due.ts';

test('a database clock that was put back for a moment keeps a worker for seconds, not for as long as it was wrong', async () => {
  const until = '2026-01-31T12:00:00.000Z';
  const commandId = commandIdSchema.parse(randomUUID());
  const outcome = { ok: true, commandId, settled: 0, more: false, waitMs: 0 } as const;
  const outcomes: SettledOutcome[] = [
    { ...outcome, waitMs: 600_000, notBefore: until },
    { ...outcome, settled: 3 },
  ];
  const client = { send: async () => outcomes.shift() } as unknown as LedgerClient;
  const settled = await settleDue({ client, until, stopping: new AbortController().signal });
  expect(settled).toBe(3);
});
