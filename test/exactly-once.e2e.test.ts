import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from 'pg';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { openAccount } from './support/accounts.ts';
import { call, newKey, spread } from './support/http.ts';
import { askUntilBothWait } from './support/account-locks.ts';
import { Stack } from './support/stack.ts';

describe('two gateways and two ledgers', () => {
  let stack: Stack;
  let client: LedgerClient;
  let books: Client;
  beforeAll(async () => {
    stack = await Stack.start({ gateways: 2, ledgers: 2 });
    ({ client } = await stack.ledgerClient());
    books = await stack.books();
  }, 60_000);
  afterAll(async () => {
    await books.end();
    await stack.stop();
  });

  test('grant exactly what there is, however many ask at once', async () => {
    const id = await openAccount(client, '100.00');
    const answers = await spread(640, 64, (index) =>
      call(stack.url(index % 2), '/api/substract', { id, amount: '1.00' }),
    );
    const granted = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 409);
    expect(granted).toHaveLength(100);
    expect(refused).toHaveLength(540);
    expect(new Set(refused.map(({ body }) => body['code']))).toEqual(new Set(['insufficient_funds']));
    // Every grant is a version of its own, and the last one leaves nothing.
    expect(new Set(granted.map(({ body }) => body['version'])).size).toBe(100);
    const { body } = await call(stack.url(), `/api/status/${id}`);
    expect(body).toMatchObject({ balance: '100.00', held: '100.00', available: '0.00', version: 102 });
  });

  test('apply one key once, whichever gateway and ledger get it', async () => {
    const id = await openAccount(client, '100.00');
    const key = newKey();
    const answers = await spread(64, 32, (index) =>
      call(stack.url(index % 2), '/api/substract', { id, amount: '10.00' }, { 'idempotency-key': key }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 64 }, () => 200));
    // All the same answer, and all but one say that it is a repetition.
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(63);
    const { rows } = await books.query('SELECT count(*)::int AS entries FROM entries WHERE account_id = $1', [
      id,
    ]);
    expect(rows).toEqual([{ entries: 3 }]);
  });

  test('apply one key once when two ledgers take the account’s lock in turn', async () => {
    const id = await openAccount(client, '100.00');
    const key = newKey();
    // Someone else has the account, so that whoever gets the command waits for the lock.
    const ask = (asked: number) =>
      call(stack.url(asked % 2), '/api/add', { id, amount: '5.00' }, { 'idempotency-key': key });
    const answers = await askUntilBothWait(stack, [id], ask, 3_000);
    const bodies = answers.map(({ body }) => JSON.stringify(body));
    expect(new Set(bodies).size).toBe(1);
    const { body } = await call(stack.url(), `/api/status/${id}`);
    expect(body).toMatchObject({ balance: '105.00', version: 3 });
  });

  test('keep a refusal when money has come meanwhile', async () => {
    const id = await openAccount(client, '1.00');
    const key = newKey();
    const ask = () => call(stack.url(), '/api/substract', { id, amount: '2.00' }, { 'idempotency-key': key });
    const refused = await ask();
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'insufficient_funds', available: '1.00', requested: '2.00' },
    });
    expect(refused.headers.get('idempotency-replayed')).toBeNull();
    await call(stack.url(), '/api/add', { id, amount: '10.00' });
    const again = await ask();
    expect(again).toMatchObject({ status: 409, body: { code: 'insufficient_funds', available: '1.00' } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    // A new key is a new attempt.
    const fresh = await call(
      stack.url(),
      '/api/substract',
      { id, amount: '2.00' },
      { 'idempotency-key': newKey() },
    );
    expect(fresh.status).toBe(200);
  });

  test('refuse one key for two different commands', async () => {
    const id = await openAccount(client, '10.00');
    const headers = { 'idempotency-key': newKey() };
    expect((await call(stack.url(0), '/api/add', { id, amount: '1.00' }, headers)).status).toBe(200);
    // The same meaning in another spelling is the same command.
    expect((await call(stack.url(1), '/api/add', { id, amount: '1' }, headers)).status).toBe(200);
    const other = await call(stack.url(1), '/api/add', { id, amount: '2.00' }, headers);
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_conflict' } });
    expect(JSON.stringify(other.body)).toContain('This Idempotency-Key came with another request');
  });

  test('lose and double nothing when a ledger is killed under load', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => openAccount(client, '1000.00')));
    const [first] = stack.ledgers;
    const keys = Array.from({ length: 2_000 }, newKey);
    let done = 0;
    const answers = await spread(keys.length, 64, async (index) => {
      done += 1;
      if (done === 500) await first?.kill();
      if (done === 1_200) await first?.start();
      const body = { id: ids[index % ids.length], amount: '0.01' };
      const ask = () =>
        call(stack.url(index % 2), '/api/substract', body, { 'idempotency-key': keys[index] ?? '' });
      // What a good client does: unknown or not now is asked again with the same key.
      let answer = await ask();
      while (answer.status >= 500) answer = await ask();
      return answer;
    });
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const { rows } = await books.query(
      `SELECT count(*)::int AS entries, sum(amount)::int AS minor FROM entries
       WHERE kind = 'subtract' AND account_id = ANY ($1)`,
      [ids],
    );
    expect(rows).toEqual([{ entries: 2_000, minor: 2_000 }]);
    const accounts = await books.query('SELECT sum(held)::int AS held FROM accounts WHERE id = ANY ($1)', [
      ids,
    ]);
    expect(accounts.rows).toEqual([{ held: 2_000 }]);
  }, 60_000);
});
