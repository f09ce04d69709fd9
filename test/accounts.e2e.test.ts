import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { eventSchema, type Fact } from '../shared/contracts/events.ts';
import { eventSubject } from '../shared/contracts/subjects.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call } from './support/http.ts';
import { Stack } from './support/stack.ts';

/* An account from its opening to its closing, over HTTP alone. */

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start();
}, 60_000);
afterAll(() => stack.stop());

const send = (path: string, body: object, key: string = randomUUID()) =>
  call(stack.url(), path, body, { 'idempotency-key': key });
const ask = async (path: string) => (await call(stack.url(), path)).body;

test('an account is opened once, used, found, and closed at the version that was looked at', async () => {
  const id = randomUUID();
  const opening = {
    id,
    name: 'Yen wallet',
    currency: 'JPY',
    decimals: 0,
    overdraftLimit: '100',
    metadata: { customer: 'c-4711' },
  };
  const opened = await send('/api/open', opening, 'open');
  const entry = { id: `${id}:1`, seq: 1, kind: 'open', amount: '0' };
  const told = {
    id,
    name: 'Yen wallet',
    status: 'open',
    balance: '0',
    held: '0',
    available: '100',
    version: 1,
  };
  expect(opened).toMatchObject({ status: 200, body: { ...told, entry, idempotencyKey: 'open' } });
  const again = await send('/api/open', opening, 'open');
  expect(again.body).toEqual(opened.body);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
  expect(await send('/api/open', opening)).toMatchObject({ status: 409, body: { code: 'account_exists' } });

  expect(await send('/api/add', { id, amount: '500' })).toMatchObject({ status: 200, body: { version: 2 } });
  expect(await send('/api/add', { id, amount: '0.5' })).toMatchObject({ status: 400 });
  const { metadata, ...terms } = opening;
  const now = { ...told, ...terms, balance: '500', available: '600', version: 2 };
  expect(await ask(`/api/status/${id}`)).toEqual(now);

  const close = { id, expectedVersion: 1 };
  const conflict = { status: 409, body: { code: 'version_conflict' } };
  expect(await send('/api/close', close, 'too-early')).toMatchObject(conflict);
  expect(await send('/api/close', close, 'too-early')).toMatchObject(conflict);
  expect(await send('/api/substract', { id, amount: '600' })).toMatchObject({ status: 200 });
  const closed = await send('/api/close', { id, expectedVersion: 3 });
  expect(closed).toMatchObject({ status: 200, body: { status: 'closed', held: '600', version: 4 } });
  expect(await send('/api/close', { id })).toMatchObject({ status: 409, body: { code: 'account_closed' } });
  expect(await send('/api/add', { id, amount: '1' })).toMatchObject({ status: 409 });
  const shut = { ...now, status: 'closed', held: '600', available: '0', version: 4, metadata };
  expect(await ask('/api/accounts?status=closed')).toEqual({ accounts: [shut] });
});

test('an amount goes from one account to another as a whole, and both journals tell of it', async () => {
  const [from, to] = [randomUUID(), randomUUID()];
  for (const id of [from, to]) await send('/api/open', { id, name: 'A wallet' });
  await send('/api/add', { id: from, amount: '10.00' });
  const rent = { id: from, to, amount: '6.50', reference: 'rent' };
  const paid = await send('/api/transfer', rent, 'rent');
  const entry = { seq: 3, kind: 'transfer-out', amount: '6.50', toAccountId: to, reference: 'rent' };
  expect(paid).toMatchObject({ status: 200, body: { id: from, balance: '3.50', version: 3, entry } });
  const again = await send('/api/transfer', rent, 'rent');
  expect([again.body, again.headers.get('idempotency-replayed')]).toEqual([paid.body, 'true']);
  expect(await send('/api/transfer', rent)).toMatchObject({
    status: 409,
    body: { code: 'insufficient_funds', available: '3.50', requested: '6.50' },
  });
  expect(await ask(`/api/status/${to}/entries?order=newest&limit=1`)).toMatchObject({
    entries: [
      {
        seq: 2,
        kind: 'transfer-in',
        amount: '6.50',
        balance: '6.50',
        fromAccountId: from,
        transferId: paid.body['commandId'],
        reference: 'rent',
      },
    ],
  });
  const yen = randomUUID();
  await send('/api/open', { id: yen, name: 'Yen wallet', currency: 'JPY', decimals: 0 });
  const mismatch = { status: 409, body: { code: 'currency_mismatch' } };
  expect(await send('/api/transfer', { id: to, to: yen, amount: '1' })).toMatchObject(mismatch);
  expect(await send('/api/transfer', { id: to, to: randomUUID(), amount: '1' })).toMatchObject({
    status: 404,
    body: { code: 'account_not_found' },
  });
});

test('an overdraft limit is set, and told as a fact', async () => {
  const { client, link } = await stack.ledgerClient();
  const id = await openAccount(client, '10.00');
  const facts: Fact[] = [];
  link.connection.subscribe(eventSubject, {
    callback: (_, message) => void facts.push(...eventSchema.parse(message.json())),
  });
  await link.connection.flush();
  const set = await send('/api/set-limit', { id, overdraftLimit: '5.00', expectedVersion: 2 }, 'raise');
  const entry = { seq: 3, kind: 'set-limit', amount: '0.00' };
  expect(set).toMatchObject({
    status: 200,
    body: { balance: '10.00', available: '15.00', version: 3, entry },
  });
  const again = await send('/api/set-limit', { id, overdraftLimit: '5.00', expectedVersion: 2 }, 'raise');
  expect([again.body, again.headers.get('idempotency-replayed')]).toEqual([set.body, 'true']);
  expect(await ask(`/api/status/${id}`)).toMatchObject({ available: '15.00', overdraftLimit: '5.00' });
  expect(await send('/api/substract', { id, amount: '12.00' })).toMatchObject({ status: 200 });
  expect(await send('/api/set-limit', { id, overdraftLimit: '1.99' })).toMatchObject({
    status: 409,
    body: { code: 'insufficient_funds', available: '3.00', requested: '3.01' },
  });
  const fact = await eventually(async () => facts.find((each) => each.type === 'entry' && each.seq === 3));
  expect(fact).toMatchObject({ kind: 'set-limit', available: '15.00', overdraftLimit: '5.00' });
});

test('accounts are listed a page at a time', async () => {
  // Behind those of the others.
  const ids = Array.from({ length: 5 }, () => `f${randomUUID().slice(1)}`).toSorted();
  for (const id of ids) await send('/api/open', { id, name: 'A wallet' });
  const first = await page('&after=efffffff-ffff-4fff-bfff-ffffffffffff');
  const second = await page(`&after=${first.at(-1)}`);
  const third = await page(`&after=${second.at(-1)}`);
  expect([first, second, third]).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
});

async function page(after: string): Promise<string[]> {
  const { accounts } = await ask(`/api/accounts?status=open&limit=2${after}`);
  return (accounts as { id: string }[]).map(({ id }) => id);
}
