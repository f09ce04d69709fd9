import { describe, expect, test } from '@jest/globals';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { ledgerWhenConnected } from './ledger-when-connected.ts';

const command = { id: 'A5E1C2D4-0000-4000-8000-000000000001', accountId: 'x', amount: '1' };

describe('the ledger before NATS is there', () => {
  test('is unavailable at once, and says what is missing', async () => {
    const ledger = ledgerWhenConnected(Promise.race([]));
    expect(ledger.missing()).toEqual(['nats: not connected']);
    await expect(ledger.send('add', command)).resolves.toMatchObject({
      ok: false,
      commandId: command.id.toLowerCase(),
      error: { code: 'unavailable' },
    });
    await expect(ledger.ask('account', { accountId: 'x' })).resolves.toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
    });
  });

  test('is the client from then on, closed with it', async () => {
    let closed = 0;
    const client = {
      ask: () => Promise.resolve({ ok: true, now: 1 }),
      missing: () => [],
      close: () => Promise.resolve(void (closed += 1)),
    } as unknown as LedgerClient;
    const ledger = ledgerWhenConnected(Promise.resolve(client));
    await Promise.resolve();
    expect(ledger.missing()).toEqual([]);
    await expect(ledger.ask('ping', {})).resolves.toEqual({ ok: true, now: 1 });
    await ledger.close();
    expect(closed).toBe(1);
  });

  test('closes also when the connection was given up', async () => {
    const ledger = ledgerWhenConnected(Promise.reject(new Error('stopping')));
    await expect(ledger.close()).resolves.toBeUndefined();
  });
});
