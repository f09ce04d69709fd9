import { describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { holdDueSubject, holdsStream, settlerConsumer } from '../shared/contracts/subjects.ts';
import type { QueryAnswer } from '../shared/contracts/queries.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call, newKey, spread } from './support/http.ts';
import { Stack, type StackOptions } from './support/stack.ts';

/** Milliseconds after its due time within which a hold is settled when nothing is down. */
/** What nobody announces is found by the sweep alone, up to a minute later. */
const promptLagMs = 5_000;

interface SettleRow {
  due_at: Date;
  settled_at: Date;
}

async function withStack(options: StackOptions, run: (stack: Stack) => Promise<void>): Promise<void> {
  const stack = await Stack.start(options);
  try {
    await run(stack);
  } finally {
    await stack.stop();
  }
}

/** Waits until nothing is pending, and gives each hold's due and settling time. */
async function settledHolds(stack: Stack, limitMs: number): Promise<SettleRow[]> {
  const books = await stack.books();
  try {
    await eventually(async () => {
      const { rowCount } = await books.query(`SELECT FROM holds WHERE status = 'pending' LIMIT 1`);
      return rowCount === 0 ? true : undefined;
    }, limitMs);
    const { rows } = await books.query<SettleRow>(
      `SELECT h.due_at, e.at AS settled_at FROM holds h
       JOIN entries e ON e.account_id = h.account_id AND e.hold_id = h.id AND e.kind NOT IN ('subtract', 'extend')`,
    );
    return rows;
  } finally {
    await books.end();
  }
}

describe('a hold settles by itself', () => {
  test('at its time, also with a period under a second', async () => {
    await withStack({ holdPeriodMinutes: 0.005 }, async (stack) => {
      const { client } = await stack.ledgerClient();
      const id = await openAccount(client, '100.00');
      await spread(50, 8, () => call(stack.url(), '/api/substract', { id, amount: '1.00' }));
      const holds = await settledHolds(stack, 10_000);
      expect(holds).toHaveLength(50);
      for (const { due_at: due, settled_at: settled } of holds) {
        expect(settled.getTime()).toBeGreaterThanOrEqual(due.getTime());
        expect(settled.getTime() - due.getTime()).toBeLessThan(promptLagMs);
      }
      const { body } = await call(stack.url(), `/api/status/${id}`);
      expect(body).toMatchObject({ balance: '50.00', held: '0.00', available: '50.00' });
    });
  }, 60_000);

  test('at a time of its own, or is released then', async () => {
    await withStack({ holdPeriodMinutes: 60 }, async (stack) => {
      const { client } = await stack.ledgerClient();
      const id = await openAccount(client, '100.00');
      const hold = (amount: string, options: object) =>
        call(stack.url(), '/api/substract', { id, amount, ...options });
      await hold('40.00', {});
      await hold('20.00', { dueInSeconds: 1, reference: 'order 4711' });
      await hold('10.00', { dueInSeconds: 1, onDue: 'release' });
      const account = await eventually(async () => {
        const { body } = await call(stack.url(), `/api/status/${id}`);
        return body['held'] === '40.00' ? body : undefined;
      }, 10_000);
      expect(account).toMatchObject({ balance: '80.00', available: '40.00', version: 7 });
      const { holds } = (await client.ask('holds', { accountId: id })) as Extract<
        QueryAnswer<'holds'>,
        { ok: true }
      >;
      expect(holds.map(({ status, onDue, reference }) => [status, onDue, reference])).toEqual([
        ['pending', 'settle', undefined],
        ['settled', 'settle', 'order 4711'],
        ['released', 'release', undefined],
      ]);
      const { entries } = (await client.ask('entries', { accountId: id })) as Extract<
        QueryAnswer<'entries'>,
        { ok: true }
      >;
      const settled = entries.filter(({ kind }) => kind === 'settle');
      expect(settled.map(({ details }) => details)).toEqual([{ reference: 'order 4711' }]);
    });
  }, 60_000);

  test('at the time that it was extended to, and not before', async () => {
    await withStack({ holdPeriodMinutes: 60 }, async (stack) => {
      const { client } = await stack.ledgerClient();
      const id = await openAccount(client, '100.00');
      const send = (path: string, body: object, key = newKey()) =>
        call(stack.url(), path, { id, ...body }, { 'idempotency-key': key });
      const held = await send('/api/substract', {
        amount: '20.00',
        dueInSeconds: 2,
        reference: 'order 4711',
      });
      const { id: holdId, dueAt } = held.body['hold'] as { id: string; dueAt: string };
      const extended = await send('/api/extend', { holdId, dueInSeconds: 5 }, 'extend');
      expect(extended).toMatchObject({
        status: 200,
        body: {
          balance: '100.00',
          held: '20.00',
          version: 4,
          entry: { kind: 'extend', amount: '20.00', reference: 'order 4711' },
          hold: { id: holdId, amount: '20.00', status: 'pending', onDue: 'settle' },
        },
      });
      const later = extended.body['hold'] as { dueAt: string };
      expect(Date.parse(later.dueAt)).toBeGreaterThan(Date.parse(dueAt));
      const holds = await settledHolds(stack, 20_000);
      expect(holds).toMatchObject([{ due_at: new Date(later.dueAt) }]);
      for (const { due_at: due, settled_at: settled } of holds) {
        expect(settled.getTime()).toBeGreaterThanOrEqual(due.getTime());
        expect(settled.getTime() - due.getTime()).toBeLessThan(promptLagMs);
      }
      const again = await send('/api/extend', { holdId, dueInSeconds: 5 }, 'extend');
      expect([again.body, again.headers.get('idempotency-replayed')]).toEqual([extended.body, 'true']);
      expect(await send('/api/extend', { holdId, dueInSeconds: 5 })).toMatchObject({
        status: 409,
        body: { code: 'hold_not_pending', hold: { status: 'settled', dueAt: later.dueAt } },
      });
    });
  }, 60_000);

  test('in time, also behind hundreds that each fall due in a second of their own', async () => {
    await withStack({ holdPeriodMinutes: 60 }, async (stack) => {
      const { client, link } = await stack.ledgerClient();
      const accountId = await openAccount(client, '1000.00');
      const hold = (dueInSeconds: number) => ({ id: randomUUID(), accountId, amount: '1.00', dueInSeconds });
      // Later than this test takes; the last one is announced after all of them.
      const later = Array.from({ length: 600 }, (_, index) => hold(1_000 + index));
      const soon = hold(1);
      const payload = JSON.stringify([...later, { ...soon, onDue: 'release' }]);
      await link.connection.request('balance.command.subtract', payload, { timeout: 10_000 });
      const books = await stack.books();
      const lagMs = await eventually(async () => {
        const { rows } = await books.query<{ lag: number }>(
          `SELECT extract(epoch FROM e.at - h.due_at)::float8 * 1000 AS lag FROM holds h
           JOIN entries e ON e.account_id = h.account_id AND e.hold_id = h.id AND e.kind = 'release'`,
        );
        return rows[0]?.lag;
      }, 20_000);
      expect(lagMs).toBeLessThan(promptLagMs);
      // All of them are told to the broker, not left for a relay to find.
      await eventually(async () => {
        const { rows } = await books.query<{ left: number }>('SELECT count(*)::int AS left FROM outbox');
        return rows[0]?.left === 0 ? true : undefined;
      }, 4_000);
      await books.end();
    });
  }, 60_000);

  test('once, with three ledgers and three settlers', async () => {
    await withStack({ holdPeriodMinutes: 0.03, ledgers: 3, settlers: 3 }, async (stack) => {
      const { client } = await stack.ledgerClient();
      const ids = await Promise.all(Array.from({ length: 20 }, () => openAccount(client, '100.00')));
      await spread(2_000, 64, (index) =>
        call(stack.url(), '/api/substract', { id: ids[index % ids.length], amount: '1.00' }),
      );
      expect(await settledHolds(stack, 20_000)).toHaveLength(2_000);
      for (const id of ids) {
        const { body } = await call(stack.url(), `/api/status/${id}`);
        // Opened, added to, a hundred holds, a hundred settlings.
        expect(body).toMatchObject({ balance: '0.00', held: '0.00', version: 202 });
      }
    });
  }, 60_000);

  test('after everything was killed between hold and settling', async () => {
    await withStack({ holdPeriodMinutes: 0.08 }, async (stack) => {
      const { client } = await stack.ledgerClient();
      const id = await openAccount(client, '10.00');
      const { status } = await call(stack.url(), '/api/substract', { id, amount: '4.00' });
      expect(status).toBe(200);
      await Promise.all(stack.services.map((service) => service.kill()));
      stack.nats.process.kill();
      await stack.nats.process.exited;
      // While nothing runs: to start all of it may take longer than the hold has.
      const books = await stack.books();
      const { rows } = await books.query('SELECT balance::int, held::int FROM accounts WHERE id = $1', [id]);
      await books.end();
      expect(rows).toEqual([{ balance: 1_000, held: 400 }]);
      await stack.restartNats();
      await Promise.all(stack.services.map((service) => service.start()));
      expect(await settledHolds(stack, 15_000)).toHaveLength(1);
      const { body } = await call(stack.url(), `/api/status/${id}`);
      expect(body).toMatchObject({ balance: '6.00', held: '0.00', available: '6.00' });
    });
  }, 60_000);

  test('after the broker has lost all it had', async () => {
    await withStack({ holdPeriodMinutes: 0.2 }, async (stack) => {
      const { client } = await stack.ledgerClient();
      const id = await openAccount(client, '10.00');
      await call(stack.url(), '/api/substract', { id, amount: '4.00' });
      await stack.restartNats({ loseData: true });
      // Settled in time: the due second is announced again as soon as the broker is back.
      const [hold] = await settledHolds(stack, 20_000);
      expect(Number(hold?.settled_at) - Number(hold?.due_at)).toBeLessThan(promptLagMs);
    });
  }, 60_000);

  test('also beside a due message of a time centuries away, which waits quietly', async () => {
    await withStack({ gateways: 0 }, async (stack) => {
      const { link } = await stack.ledgerClient();
      const announce = (dueAt: Date) =>
        jetstream(link.connection).publish(holdDueSubject, JSON.stringify({ dueAt: dueAt.toISOString() }));
      await announce(new Date('2999-01-01'));
      await announce(new Date(Date.now() + 2_000));
      const { consumers } = await jetstreamManager(link.connection);
      const consumer = await eventually(async () => {
        const info = await consumers.info(holdsStream, settlerConsumer);
        return info.num_ack_pending === 1 && info.num_pending === 0 ? info : undefined;
      });
      // Once to be parked, and the other one again when it was due.
      expect(consumer.delivered.consumer_seq).toBeLessThan(6);
    });
  }, 60_000);

  test('also on an account that was closed meanwhile', async () => {
    await withStack({ holdPeriodMinutes: 0.02 }, async (stack) => {
      const { client } = await stack.ledgerClient();
      const id = await openAccount(client, '10.00');
      await call(stack.url(), '/api/substract', { id, amount: '4.00' });
      const closed = await client.send('close', { id: crypto.randomUUID(), accountId: id });
      expect(closed.ok).toBe(true);
      expect(await settledHolds(stack, 10_000)).toHaveLength(1);
      const { body } = await call(stack.url(), `/api/status/${id}`);
      expect(body).toMatchObject({ status: 'closed', balance: '6.00', held: '0.00' });
    });
  }, 60_000);
});
