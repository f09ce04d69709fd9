import { afterAll, beforeAll, expect, test } from '@jest/globals';
import knexFactory, { type Knex } from 'knex';
import { Pool } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { echoKnex, echoObserved, echoPool, echoTo } from './echo-statements.ts';
import { migrateWhenReachable } from './migrate.ts';
import { sessionConfig, type DatabaseAddress } from './session.ts';
import { WriteConnection } from './write-connection.ts';

const testSecret = 'Everyday wallet';

let database: TestDatabase;
let address: DatabaseAddress;

beforeAll(async () => {
  database = await createTestDatabase();
  address = database.address;
});
afterAll(() => database.drop());

/** What was logged while `work` ran: all of it, and the statements. */
async function logOf(work: (echo: ReturnType<typeof echoTo>) => Promise<void>) {
  let log = '';
  await work(echoTo(createLogger('ledger', 'info', { write: (line) => (log += line) })));
  const statements = log
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { sql?: string }).sql);
  return { log, statements };
}

test('migrations are echoed', async () => {
  const { statements } = await logOf(async (echo) => {
    await migrateWhenReachable(address, createLogger('ledger', 'silent'), new AbortController().signal, {
      echo,
    });
  });
  expect(statements).toContainEqual(expect.stringContaining('CREATE TABLE accounts'));
});

test('the pool’s statements are echoed without their values', async () => {
  const { log, statements } = await logOf(async (echo) => {
    const pool = new Pool(sessionConfig(address));
    echoPool(pool, echo);
    const { rows } = await pool.query({
      name: 'wallet',
      text: `SELECT
        $1::text AS wallet`,
      values: [testSecret],
    });
    expect(rows).toEqual([{ wallet: testSecret }]);
    await pool.query('SELECT 1');
    await pool.end();
  });
  expect(statements).toEqual(['SELECT $1::text AS wallet', 'SELECT 1']);
  expect(log).not.toContain(testSecret);
});

test('knex’s statements are echoed without their values', async () => {
  const { log, statements } = await logOf(async (echo) => {
    const connection = sessionConfig(address) as Knex.PgConnectionConfig;
    const knex = knexFactory({ client: 'pg', connection, pool: { min: 0, max: 1 } });
    echoKnex(knex, echo);
    await knex('accounts').select('id').where('name', testSecret);
    await knex.destroy();
  });
  expect(statements).toEqual(['select "id" from "accounts" where "name" = $1']);
  expect(log).not.toContain(testSecret);
});

test('the writing connection’s statements are echoed without their values, and still observed', async () => {
  let ended = 0;
  const { log, statements } = await logOf(async (echo) => {
    const observe = echoObserved(
      () => () => {
        ended += 1;
      },
      echo,
    );
    const connection = new WriteConnection(address, createLogger('ledger', 'silent'), { observe });
    const session = await connection.session();
    await session.pipeline([
      { name: 'begin', text: 'BEGIN' },
      { name: 'say', text: 'SELECT $1::text', values: [testSecret] },
      { name: 'commit', text: 'COMMIT' },
    ]);
    await connection.close();
  });
  expect(statements).toEqual(['BEGIN', 'SELECT $1::text', 'COMMIT']);
  expect(log).not.toContain(testSecret);
  expect(ended).toBe(3);
});
