import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { commandSubject, querySubject } from '../shared/contracts/subjects.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call, newKey, type Answer } from './support/http.ts';
import { lockOn, lockWaiters, whileLocked } from './support/account-locks.ts';
import { Stack } from './support/stack.ts';

/** The bounds, as docs/architecture.md gives them. */
const mostAtGateway = 1_024;
const mostWaiting = 8_192;
const mostQueries = 256;
const mostLists = 224;
const mostOutboxRows = 10_000;

interface Reply {
  readonly ok: boolean;
  readonly commandId?: string;
  readonly error?: { readonly code: string };
}

/** Far longer than any answer takes that does not wait for anything. */
const patienceMs = 60_000;

describe('what is full refuses at once, and does nothing by half', () => {
  let stack: Stack;
  let client: LedgerClient;
  let nats: NatsConnection;
  let books: Client;
  beforeAll(async () => {
    stack = await Stack.start();
    const { client: made, link } = await stack.ledgerClient();
    client = made;
    nats = link.connection;
    books = await stack.books();
  }, 60_000);
  afterAll(async () => {
    await books.end();
    await stack.stop();
  });

  const subtract = (id: string, key = newKey()): Promise<Answer> =>
    call(stack.url(), '/api/substract', { id, amount: '0.01' }, { 'idempotency-key': key });
  const askToAdd = async (accountId: string, count?: number): Promise<Reply[]> => {
    const add = () => ({ id: randomUUID(), accountId, amount: '0.01' });
    const payload = count === undefined ? add() : Array.from({ length: count }, add);
    const reply = await nats.request(commandSubject('add'), JSON.stringify(payload), {
      timeout: patienceMs,
    });
    return [reply.json<Reply | Reply[]>()].flat();
  };
  const entriesOf = async (id: string): Promise<number> => {
    const { rows } = await books.query<{ entries: number }>(
      'SELECT count(*)::int AS entries FROM entries WHERE account_id = $1',
      [id],
    );
    return rows[0]?.entries ?? 0;
  };

  /** Does something while the gateway has all the requests that it takes, and is told how one more was refused. */
  const whileFull = async <T>(keys: readonly string[], work: (refused: Answer) => Promise<T>): Promise<T> => {
    const [id, late] = [await openAccount(client, '100.00'), await openAccount(client, '100.00')];
    const ledgerPid = stack.ledgers[0]?.pid ?? 0;
    const over = new AbortController();
    process.kill(ledgerPid, 'SIGSTOP');
    // Again and again: on a busy machine the first are given up before the last have come.
    const waiting = keys.map(async (key) => {
      do await subtract(id, key);
      while (!over.signal.aborted);
    });
    try {
      // Until it is full, what comes on top waits like all others.
      const refused = await eventually(async () => {
        const answer = await Promise.race([subtract(late), delay<undefined>(100)]);
        return answer?.status === 503 ? answer : undefined;
      }, patienceMs / 2);
      return await work(refused);
    } finally {
      over.abort();
      process.kill(ledgerPid, 'SIGCONT');
      await Promise.all(waiting);
      // Whoever was told nothing certain, or nothing but later, asks again.
      for (const key of keys) {
        await eventually(
          async () => ((await subtract(id, key)).status === 200 ? true : undefined),
          patienceMs,
        );
      }
      expect(await entriesOf(id)).toBe(2 + keys.length);
    }
  };

  test('a gateway with 1,024 requests under way', async () => {
    const keys = Array.from({ length: mostAtGateway }, newKey);
    await whileFull(keys, async (refused) => {
      expect(refused.body).toMatchObject({ status: 503, code: 'overloaded' });
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(refused.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
      expect(refused.headers.get('idempotency-key')).toMatch(/^test-/u);
      expect(refused.headers.get('x-request-id')).toBeTruthy();

      // It still says that it lives, and answers who asks again on the same connection.
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const ask = (path: string): Promise<number | undefined> =>
        new Promise((resolve, reject) => {
          get(stack.url() + path, { agent }, (answer) => {
            answer.resume().once('end', () => resolve(answer.statusCode));
          }).once('error', reject);
        });
      expect([await ask('/healthz'), await ask('/api/ping')]).toEqual([200, 200]);
      const status = `/api/status/${randomUUID()}`;
      await eventually(async () => ((await ask(status)) === 503 ? true : undefined));
      await eventually(async () => ((await ask(status)) === 503 ? true : undefined));
      agent.destroy();
    });
  }, 120_000);

  test('a ledger in which 8,192 commands wait', async () => {
    const [locked, id] = [await openAccount(client, '1.00'), await openAccount(client)];
    const waiting: Promise<Reply[]>[] = [];
    const [refused] = await whileLocked(stack, lockOn([locked]), async () => {
      waiting.push(askToAdd(locked));
      await eventually(async () => ((await lockWaiters(books)) > 0 ? true : undefined));
      waiting.push(...Array.from({ length: mostWaiting / 1_024 }, () => askToAdd(id, 1_024)));
      // One more, alone, has its answer while all others wait for the lock.
      return askToAdd(id);
    });
    expect(refused).toMatchObject({ ok: false, error: { code: 'overloaded' } });
    const [first, ...arrays] = await Promise.all(waiting);
    expect(first?.[0]?.ok).toBe(true);
    const replies = arrays.flat();
    const applied = replies.filter(({ ok }) => ok);
    expect(applied).toHaveLength(mostWaiting);
    expect(await entriesOf(id)).toBe(1 + applied.length);
  }, 120_000);

  test('a ledger that answers 256 queries', async () => {
    const accountId = await openAccount(client);
    const ask = async (): Promise<Reply> => {
      const query = JSON.stringify({ accountId });
      return (await nats.request(querySubject('account'), query, { timeout: patienceMs })).json<Reply>();
    };
    const lock = { text: 'LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE' };
    const waiting: Promise<Reply>[] = [];
    const refused = await whileLocked(stack, lock, async () => {
      waiting.push(...Array.from({ length: mostQueries }, ask));
      return ask();
    });
    expect(refused).toMatchObject({ ok: false, error: { code: 'overloaded' } });
    const answers = await Promise.all(waiting);
    // Its own pings are queries as well.
    expect(answers.filter(({ ok }) => ok).length).toBeGreaterThan(mostQueries - 8);
  }, 120_000);

  test('a ledger that is asked for 224 lists, which answers all else', async () => {
    const accountId = await openAccount(client);
    const ask = async (kind: 'account' | 'entries'): Promise<Reply> => {
      const query = JSON.stringify({ accountId });
      return (await nats.request(querySubject(kind), query, { timeout: patienceMs })).json<Reply>();
    };
    const lock = { text: 'LOCK TABLE entries IN ACCESS EXCLUSIVE MODE' };
    const waiting: Promise<Reply>[] = [];
    const answers = await whileLocked(stack, lock, async () => {
      waiting.push(...Array.from({ length: mostLists }, () => ask('entries')));
      return [await ask('entries'), await ask('account')];
    });
    expect(answers).toMatchObject([{ ok: false, error: { code: 'overloaded' } }, { ok: true }]);
    await Promise.all(waiting);
    expect(await ask('entries')).toMatchObject({ ok: true });
  }, 60_000);

  test('an outbox of more than 10,000 rows', async () => {
    const id = await openAccount(client, '1.00');
    // As when the broker has been away for long. Of tomorrow, so that the relay leaves them where they are.
    await books.query(
      `INSERT INTO outbox (topic, message_id, payload, at)
       SELECT 'event', 'overload:' || each, '[]', clock_timestamp() + interval '1 day'
       FROM generate_series(1, $1) AS each`,
      [mostOutboxRows + 1],
    );
    const keys: string[] = [];
    const refused = await eventually(async () => {
      const key = newKey();
      const answer = await subtract(id, key);
      if (answer.status === 200) keys.push(key);
      return answer.status === 503 ? answer : undefined;
    }, patienceMs);
    expect(refused.body).toMatchObject({ code: 'overloaded' });
    expect(refused.headers.get('retry-after')).toBe('1');
    // What changes nothing goes on.
    expect((await call(stack.url(), `/api/status/${id}`)).status).toBe(200);
    expect(await entriesOf(id)).toBe(2 + keys.length);
    await books.query(`DELETE FROM outbox WHERE message_id LIKE 'overload:%'`);
    await eventually(async () => ((await subtract(id)).status === 200 ? true : undefined), patienceMs);
    expect(await entriesOf(id)).toBe(3 + keys.length);
  }, 120_000);
});
