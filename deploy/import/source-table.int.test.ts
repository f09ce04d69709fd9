import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database.ts';
import { MendableProblem } from '../accounts/mendable-problem.ts';
import { freePort } from '../local/free-port.ts';
import { readOptions } from './options.ts';
import { withSourceTable } from './source-table.ts';
import type { SubscriberRow } from './subscriber.ts';

let database: TestDatabase;
let old: Client;
let from: string;
beforeAll(async () => {
  database = await createTestDatabase();
  const url = new URL(database.url);
  url.password = database.connection.password;
  from = url.href;
  old = new Client(database.connection);
  await old.connect();
  await old.query(
    'CREATE TABLE subscribers (id uuid, name text, balance integer, hold integer, status boolean)',
  );
  await old.query(
    `INSERT INTO subscribers SELECT md5(n::text)::uuid, 'n', 2147483647, n, true FROM generate_series(1, 500) AS n`,
  );
});
afterAll(async () => {
  await old.end();
  await database.drop();
});

/** The totals and the rows of the table that the options name. */
function read(...args: readonly string[]) {
  return withSourceTable(readOptions(['--from', from, ...args]), async (table) => {
    const rows: SubscriberRow[] = [];
    for await (const page of table.pages()) rows.push(...page);
    return { totals: table.totals, rows };
  });
}

test('all rows are read, in the same order each time, and summed up beyond 32 bits', async () => {
  const { totals, rows } = await read();
  expect(totals).toEqual({ rows: 500, balance: 107_374_182_350_000n, held: 12_525_000n });
  expect(rows).toHaveLength(500);
  expect(rows.map(({ id }) => id)).toEqual(
    rows.map(({ id }) => String(id)).toSorted((left, right) => (left < right ? -1 : 1)),
  );
  expect(await read()).toEqual({ totals, rows });
});

test('what happens there meanwhile is not seen, and nothing is held up', async () => {
  await withSourceTable(readOptions(['--from', from]), async (table) => {
    await old.query(`INSERT INTO subscribers VALUES (gen_random_uuid(), 'late', 1, 0, true)`);
    let rows = 0;
    for await (const page of table.pages()) rows += page.length;
    expect(rows).toBe(500);
  });
  await old.query(`DELETE FROM subscribers WHERE name = 'late'`);
});

test('an empty table has no rows', async () => {
  await old.query('CREATE TABLE nobody (LIKE subscribers)');
  expect(await read('--table', 'nobody')).toEqual({ totals: { rows: 0, balance: 0n, held: 0n }, rows: [] });
});

describe('it is told what is wrong with', () => {
  test.each([
    [['--table', 'people'], /^there is no table or view people: name it by --table$/u],
    [['--table', "x'; DROP TABLE subscribers; --"], /^there is no table or view x'; DROP/u],
    [
      ['--hold-column', 'held', '--id-column', 'uuid'],
      /no column uuid \(it has id, name, balance, hold, status\): name it by --id-column\n.+no column held/u,
    ],
    [['--balance-column', 'name'], /the column name is of type text, but the balance must be an integer/u],
    [['--status-column', 'hold'], /the column hold is of type int4, but the status must be boolean/u],
  ])('%j', async (args, reason) => {
    await expect(read(...args)).rejects.toThrow(MendableProblem);
    await expect(read(...args)).rejects.toThrow(reason);
  });

  test('a database that can not be reached, without its password', async () => {
    const nowhere = `postgres://flask:secret@127.0.0.1:${await freePort()}/flask`;
    await expect(read('--from', nowhere)).rejects.toThrow(
      /^the old database can't be read at postgres:\/\/\*\*\*@127\.0\.0\.1:\d+\/flask: .*ECONNREFUSED/u,
    );
  });

  test('a table that can not be read', async () => {
    await old.query(
      'CREATE VIEW broken AS SELECT id, name, balance / (hold - hold) AS balance, hold, status FROM subscribers',
    );
    await expect(read('--table', 'broken')).rejects.toThrow(
      "the old table broken can't be read: division by zero",
    );
  });
});
