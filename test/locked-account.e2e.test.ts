import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { commandSubject } from '../shared/contracts/subjects.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { lockOn, whileLocked } from './support/account-locks.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call } from './support/http.ts';
import { Stack } from './support/stack.ts';

/** Longer than a session waits for a lock (3 s) and than it takes to find whose it is. */
const foundWithinMs = 6_000;

let stack: Stack;
let client: LedgerClient;
beforeAll(async () => {
  stack = await Stack.start({ holdPeriodMinutes: 60 });
  ({ client } = await stack.ledgerClient());
}, 60_000);
afterAll(() => stack.stop());

const add = (id: string) => call(stack.url(), '/api/add', { id, amount: '1.00' });
const heldOf = async (id: string): Promise<unknown> =>
  (await call(stack.url(), `/api/status/${id}`)).body['held'];

test('an account that somebody keeps locked stops its own commands and holds alone', async () => {
  const [locked, free] = [await openAccount(client, '10.00'), await openAccount(client, '10.00')];
  await whileLocked(stack, lockOn([locked]), async () => {
    const waiting = add(locked);
    // Behind it, until the ledger knows.
    expect((await add(free)).status).toBe(200);
    const { status, body } = await waiting;
    expect([status, body['code']]).toEqual([503, 'unavailable']);
    expect(body['detail']).toContain('locked');

    const transfer = { id: free, to: locked, amount: '1.00' };
    const paid = await call(stack.url(), '/api/transfer', transfer);
    expect([paid.status, paid.body['code']]).toEqual([503, 'unavailable']);

    // From now on nobody else waits: neither commands in the same message nor what falls due.
    const { link } = await stack.ledgerClient();
    const commands = [locked, free, locked, free].map((accountId) => ({
      id: randomUUID(),
      accountId,
      amount: '1.00',
    }));
    const payload = JSON.stringify(commands);
    const reply = await link.connection.request(commandSubject('add'), payload, { timeout: foundWithinMs });
    expect(reply.json<{ ok: boolean }[]>().map(({ ok }) => ok)).toEqual([false, true, false, true]);
    await call(stack.url(), '/api/substract', { id: free, amount: '2.00', dueInSeconds: 1 });
    await eventually(async () => ((await heldOf(free)) === '0.00' ? true : undefined), foundWithinMs);
  });
  const { body } = await eventually(async () => {
    const answer = await add(locked);
    return answer.status === 200 ? answer : undefined;
  });
  expect(body['balance']).toBe('11.00');
}, 60_000);

test('due holds of a locked account keep those of others pending for seconds at most, and end with the next sweep', async () => {
  const [locked, free] = [await openAccount(client, '10.00'), await openAccount(client, '10.00')];
  for (const id of [locked, free])
    await call(stack.url(), '/api/substract', { id, amount: '2.00', dueInSeconds: 2 });
  await whileLocked(stack, lockOn([locked]), async () => {
    await eventually(async () => ((await heldOf(free)) === '0.00' ? true : undefined), 3 * foundWithinMs);
    expect(await heldOf(locked)).toBe('2.00');
  });
  await eventually(async () => {
    await client.send('settle-due', { id: randomUUID(), sweep: true });
    return (await heldOf(locked)) === '0.00' ? true : undefined;
  });
}, 60_000);
