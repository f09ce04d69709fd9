import { afterAll, beforeAll, expect, test } from '@jest/globals';
import knexFactory from 'knex';
import { once } from 'node:events';
import { Pool } from 'pg';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { startTcpProxy, type TcpProxy } from '../../../test/support/tcp-proxy.ts';
import { BookQueries } from './book-queries.ts';
import { DatabaseWatch } from './database-watch.ts';
import { ConnectionLostError, faultKindOf } from './faults.ts';
import { migrate } from './migrate.ts';
import { sessionConfig } from './session.ts';
import { WriteConnection } from './write-connection.ts';

let database: TestDatabase;
let proxy: TcpProxy;
let pool: Pool;
let watch: DatabaseWatch;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrate(database.address);
  proxy = await startTcpProxy(database.connection);
  const address = { ...database.address, host: '127.0.0.1', port: proxy.port };
  pool = new Pool({ ...sessionConfig(address), max: 2 });
  pool.on('error', () => undefined);
  watch = new DatabaseWatch(
    new BookQueries(pool, knexFactory({ client: 'pg' })),
    address,
    createLogger('test', 'silent'),
  );
});

afterAll(async () => {
  watch.stop();
  proxy.cut();
  await pool.end();
  await proxy.close();
  await database.drop();
});

test('a database that says nothing is missing after some seconds, long before a question is given up', async () => {
  expect(watch.missing()).toEqual([]);
  const [silentSinceMs, limitMs] = [performance.now(), 6_000];
  proxy.hold('toClient');
  await eventually(async () => (watch.missing()[0]?.endsWith('does not answer') ? true : undefined), limitMs);
  expect(performance.now() - silentSinceMs).toBeGreaterThan(2_000);

  proxy.deliver('toClient');
  await eventually(async () => (watch.missing().length === 0 ? true : undefined), limitMs);
});

/** A limit of the server's own stands for its disk: the same class of errors. */
async function fill(): Promise<unknown> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN; SET LOCAL work_mem = '64kB'; SET LOCAL temp_file_limit = 0");
    return await client.query('SELECT * FROM generate_series(1, 100000) AS each ORDER BY each DESC');
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

test('a database that has no room for a batch is missing until one was written', async () => {
  await expect(watch.watchWrite(fill)).rejects.toThrow('temporary file size exceeds');
  expect(watch.missing()).toEqual([expect.stringContaining(' has no room for a batch (temporary file size')]);
  await watch.watchWrite(() => pool.query('SELECT 1'));
  expect(watch.missing()).toEqual([]);
});

test.each([
  ['58030', 'could not extend file: Input/output error'],
  ['XX000', 'could not extend file: Disk quota exceeded'],
  ['42501', 'could not open file: Read-only file system'],
])('a database whose disk fails with %s is missing until a batch was written', async (code, message) => {
  const fail = () =>
    pool.query(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${code}', MESSAGE = '${message}'; END $$`);
  await expect(watch.watchWrite(fail)).rejects.toThrow(message);
  expect(watch.missing()).toEqual([expect.stringContaining(`can't write a batch (${message})`)]);
  await watch.watchWrite(() => pool.query('SELECT 1'));
  expect(watch.missing()).toEqual([]);
});

test('a database that can be read and does not finish writing is missing after some seconds, until a batch was written', async () => {
  const unfinished = new AbortController();
  const written = watch.watchWrite(() => once(unfinished.signal, 'abort'));
  const stuck = /answers, but does not finish writing a batch$/;
  const isStuck = () =>
    eventually(async () => (stuck.test(watch.missing()[0] ?? '') ? true : undefined), 12_000);
  await isStuck();
  unfinished.abort();
  await written;
  expect(watch.missing()).toEqual([]);
  const lost = watch.watchWrite(async () => {
    await isStuck();
    throw new ConnectionLostError('gone');
  });
  await expect(lost).rejects.toThrow('gone');
  expect(watch.missing()).toEqual([expect.stringMatching(stuck)]);
  await watch.watchWrite(async () => undefined);
}, 30_000);

test('a database that can be read and takes no writes is missing until one was written, and what wrote there is over', async () => {
  const connection = new WriteConnection(database.address, createLogger('test', 'silent'));
  const write = async () => {
    const session = await connection.session();
    try {
      await session.pipeline([{ name: 'write', text: 'CREATE TABLE written ()' }]);
    } catch (error) {
      if (faultKindOf(error) === 'connection') connection.discard();
      throw error;
    }
  };
  const allow = (how: string) => pool.query(`ALTER DATABASE ${database.address.name} ${how}`);
  try {
    await allow('SET default_transaction_read_only = on');
    await expect(watch.watchWrite(write)).rejects.toThrow('in a read-only transaction');
    expect(watch.missing()).toEqual([expect.stringContaining(' takes no batch (cannot execute')]);
    await allow('RESET default_transaction_read_only');
    await watch.watchWrite(write);
    expect(watch.missing()).toEqual([]);
  } finally {
    await connection.close();
  }
});
