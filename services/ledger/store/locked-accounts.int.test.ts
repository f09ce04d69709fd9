import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client, Pool } from 'pg';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { lockOn, whileLocked } from '../../../test/support/account-locks.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { lockedBy, lockedNow, processesOf } from './find-locked.ts';
import { LockedAccounts } from './locked-accounts.ts';
import { migrate } from './migrate.ts';
import { sessionConfig } from './session.ts';

let database: TestDatabase;
let pool: Pool;
let onlooker: Client;
let lockedAccounts: LockedAccounts;
const ids = Array.from({ length: 2_000 }, () => randomUUID() as AccountId).toSorted();
const absent = randomUUID() as AccountId;

async function connect(): Promise<Client> {
  const client = new Client(database.connection);
  await client.connect();
  return client;
}

const somebody = { books: connect };

beforeAll(async () => {
  database = await createTestDatabase();
  await migrate(database.address);
  pool = new Pool(sessionConfig(database.address));
  pool.on('error', () => undefined);
  onlooker = await connect();
  await onlooker.query(
    `INSERT INTO accounts (id, name, currency, decimals, balance, held, overdraft_limit, status, seq, chain_head, last_entry_at)
     SELECT id, 'n', 'XXX', 2, 0, 0, 0, 'open', 1, sha256('x'), now() FROM unnest($1::uuid[]) AS id`,
    [ids],
  );
  lockedAccounts = new LockedAccounts(pool, createLogger('test', 'silent'));
}, 60_000);

afterAll(async () => {
  lockedAccounts.stop();
  await onlooker.end();
  await pool.end();
  await database.drop();
});

const untilFree = () => eventually(async () => (lockedAccounts.isEmpty ? true : undefined));

test('which accounts are locked, by which transaction of which process', async () => {
  expect(await lockedNow(pool, [...ids, absent])).toEqual(new Map());
  const locked = ids.slice(7, 9);
  await whileLocked(somebody, lockOn(locked), async () => {
    const locks = await lockedNow(pool, [...ids, absent]);
    expect([...locks.keys()].toSorted()).toEqual(locked);
    const holders = [...new Set(locks.values())];
    expect(holders).toHaveLength(1);
    expect(await lockedBy(pool, holders, [...ids, absent])).toEqual(locks);
    const { rows } = await onlooker.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`,
    );
    expect(await processesOf(pool, holders)).toEqual(rows.map(({ pid }) => pid));
    expect(rows).toHaveLength(1);
  });
});

test('whoever keeps thousands is waited for once, and forgotten at once', async () => {
  await whileLocked(somebody, lockOn(ids), async () => {
    await lockedAccounts.findHolders([absent, ...ids.slice(0, 3)]);
    expect(lockedAccounts.ids().toSorted()).toEqual(ids.slice(0, 3));
    await lockedAccounts.lookAhead([absent, ...ids]);
    expect(lockedAccounts.ids().toSorted()).toEqual(ids);
  });
  await untilFree();
  await lockedAccounts.lookAhead(ids);
  expect(lockedAccounts.isEmpty).toBe(true);
});

test('an account that batches lock one after the other is not kept by anybody', async () => {
  const [hot] = ids;
  const over = new AbortController();
  const batches = [1, 2, 3].map(async () => {
    const batch = await connect();
    while (!over.signal.aborted) {
      await batch.query('BEGIN');
      await batch.query('SELECT FROM accounts WHERE id = $1 FOR UPDATE', [hot]);
      await batch.query('SELECT pg_sleep(0.01)');
      await batch.query('COMMIT');
    }
    await batch.end();
  });
  try {
    for (let times = 0; times < 5; times += 1) await lockedAccounts.findHolders(ids);
    expect(lockedAccounts.isEmpty).toBe(true);
  } finally {
    over.abort();
    await Promise.all(batches);
  }
});

test('a connection that is lost meanwhile is no more than that, and what was known stays known', async () => {
  const locked = ids.slice(0, 2);
  await whileLocked(somebody, lockOn(locked), async () => {
    await lockedAccounts.findHolders(locked);
    const looking = lockedAccounts.findHolders(ids);
    await onlooker.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'holdfast-ledger'`,
    );
    await looking;
    expect(lockedAccounts.ids().toSorted()).toEqual(locked);
  });
  await untilFree();
});
