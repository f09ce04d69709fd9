import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client, Pool } from 'pg';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { keptLocked, lockedNow } from './find-locked.ts';
import { migrate } from './migrate.ts';
import { sessionConfig } from './session.ts';

let database: TestDatabase;
let pool: Pool;
let somebody: Client;
const ids = Array.from({ length: 20 }, () => randomUUID() as AccountId).toSorted();

beforeAll(async () => {
  database = await createTestDatabase();
  await migrate(database.address);
  pool = new Pool(sessionConfig(database.address));
  somebody = new Client(database.connection);
  await somebody.connect();
  await somebody.query(
    `INSERT INTO accounts (id, name, currency, decimals, balance, held, overdraft_limit, status, seq, chain_head, last_entry_at)
     SELECT id, 'n', 'XXX', 2, 0, 0, 0, 'open', 1, sha256('x'), now() FROM unnest($1::uuid[]) AS id`,
    [ids],
  );
}, 60_000);

afterAll(async () => {
  await somebody.end();
  await pool.end();
  await database.drop();
});

async function whileSomebodyHas(locked: readonly AccountId[], work: () => Promise<void>): Promise<void> {
  await somebody.query('BEGIN');
  await somebody.query('SELECT FROM accounts WHERE id = ANY ($1) ORDER BY id FOR UPDATE', [locked]);
  try {
    await work();
  } finally {
    await somebody.query('ROLLBACK');
  }
}

test('tells which accounts are locked, and which of them stay so', async () => {
  const absent = randomUUID() as AccountId;
  expect(await lockedNow(pool, [...ids, absent])).toEqual([]);
  expect(await keptLocked(pool, [...ids, absent])).toEqual([]);
  const locked = ids.slice(7, 9);
  await whileSomebodyHas(locked, async () => {
    expect((await lockedNow(pool, [...ids, absent])).toSorted()).toEqual(locked);
    expect((await keptLocked(pool, [...ids, absent])).toSorted()).toEqual(locked);
  });
});

test('takes all that are locked for kept once several are, and is done within seconds', async () => {
  await whileSomebodyHas(ids, async () => {
    const startedAtMs = performance.now();
    expect((await keptLocked(pool, ids)).toSorted()).toEqual(ids);
    expect(performance.now() - startedAtMs).toBeLessThan(3_000);
  });
});

test('does not take an account for kept that batches lock one after the other', async () => {
  const [hot] = ids;
  const over = new AbortController();
  const batches = [1, 2, 3].map(async () => {
    const batch = new Client(database.connection);
    await batch.connect();
    while (!over.signal.aborted) {
      await batch.query('BEGIN');
      await batch.query('SELECT FROM accounts WHERE id = $1 FOR UPDATE', [hot]);
      await batch.query('SELECT pg_sleep(0.01)');
      await batch.query('COMMIT');
    }
    await batch.end();
  });
  try {
    for (let times = 0; times < 10; times += 1) expect(await keptLocked(pool, ids)).toEqual([]);
  } finally {
    over.abort();
    await Promise.all(batches);
  }
});
