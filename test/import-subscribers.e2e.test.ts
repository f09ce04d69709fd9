import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { startChild } from '../deploy/local/child-process.ts';
import type { AccountView } from '../shared/contracts/outcomes.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { Stack } from './support/stack.ts';
import { createTestDatabase, type TestDatabase } from './support/test-database.ts';

/* `npm run import-subscribers` with a real database as the old service had it, and all of Holdfast. */

const root = join(import.meta.dirname, '..');
const script = 'dist/deploy/import/main.js';

type Row = readonly [id: string | null, name: string, balance: number, hold: number, status: boolean];

let stack: Stack;
let ledger: LedgerClient;
beforeAll(async () => {
  stack = await Stack.start({ gateways: 0 });
  ({ client: ledger } = await stack.ledgerClient());
}, 60_000);
afterAll(async () => {
  await ledger.close();
  await stack.stop();
});

let database: TestDatabase;
let old: Client;
beforeEach(async () => {
  database = await createTestDatabase();
  old = new Client(database.connection);
  await old.connect();
  // Without the primary key, so that it can be as wrong as tables are.
  await old.query(
    'CREATE TABLE subscribers (id uuid, name text, balance integer, hold integer, status boolean)',
  );
});
afterEach(async () => {
  await old.end();
  await database.drop();
});

async function insert(...rows: readonly Row[]): Promise<void> {
  for (const row of rows) await old.query('INSERT INTO subscribers VALUES ($1, $2, $3, $4, $5)', [...row]);
}

/** Starts it; the password comes as PostgreSQL's own tools take it. */
async function start(args: readonly string[], onErrorLine: (line: string) => void = () => undefined) {
  const said: string[] = [];
  const answered: string[] = [];
  const child = await startChild({
    name: script,
    command: process.execPath,
    args: [join(root, script), '--from', database.url, ...args],
    cwd: root,
    env: { PATH: process.env['PATH'], NATS_URL: stack.nats.url, PGPASSWORD: database.connection.password },
    onLine: (line, stream) => {
      (stream === 'stdout' ? answered : said).push(line);
      if (stream === 'stderr') onErrorLine(line);
    },
  });
  return { child, said, answered };
}

async function run(...args: readonly string[]) {
  const { child, said, answered } = await start(args);
  const { code } = await child.exited;
  return { code, said: said.join('\n'), answered };
}

async function accountOf(accountId: string): Promise<AccountView | undefined> {
  const answer = await ledger.ask('account', { accountId });
  return answer.ok ? answer.account : undefined;
}

const good = (): Row => [randomUUID(), 'Петров Иван Сергеевич', 1700, 300, true];

describe('rows that are as they should be', () => {
  test('become accounts, with their money, their hold and their status', async () => {
    const rows: Row[] = [
      good(),
      [randomUUID(), 'Closed', 1_000_000, 1, false],
      [randomUUID(), 'New', 0, 0, true],
    ];
    await insert(...rows);
    const { code, answered } = await run();
    expect(answered).toEqual([
      '          rows     balance    held',
      'read         3  1001700.00  301.00',
      'left out     0        0.00    0.00',
      'opened       3  1001700.00  301.00',
      'The totals are equal, and no row was left out.',
      '3 opened now, 0 had been before.',
    ]);
    expect(code).toBe(0);
    expect(await Promise.all(rows.map(([id]) => accountOf(String(id))))).toMatchObject([
      { name: 'Петров Иван Сергеевич', status: 'open', balance: '1700.00', held: '300.00', version: 3 },
      { status: 'closed', balance: '1000000.00', held: '1.00', version: 4 },
      { status: 'open', balance: '0.00', held: '0.00', currency: 'XXX', version: 1 },
    ]);
    const holds = await ledger.ask('holds', { accountId: String(rows[0]?.[0]) });
    expect(holds).toMatchObject({ holds: [{ amount: '300.00', status: 'pending' }] });
  });

  test('change nothing the second time, and the totals are equal also when the accounts have been in use', async () => {
    const [first, second] = [good(), good()];
    await insert(first, second);
    expect(await run()).toMatchObject({ code: 0 });
    for (let index = 0; index < 15; index += 1) {
      const command = { id: randomUUID(), accountId: String(first[0]), amount: '1.00' };
      expect(await ledger.send(index % 2 === 0 ? 'add' : 'subtract', command)).toMatchObject({ ok: true });
    }
    const again = await run();
    expect(again.answered).toContain('The totals are equal, and no row was left out.');
    expect(again.answered).toContain('0 opened now, 2 had been before.');
    expect(again.code).toBe(0);
    expect(await accountOf(String(first[0]))).toMatchObject({
      balance: '1708.00',
      held: '307.00',
      version: 18,
    });
    expect(await accountOf(String(second[0]))).toMatchObject({ version: 3 });
  });

  test('are finished by the next run when one was killed in the middle', async () => {
    await old.query(
      `INSERT INTO subscribers SELECT gen_random_uuid(), 'Subscriber ' || n, n, n / 2, n % 10 > 0
         FROM generate_series(1, 600) AS n`,
    );
    const killed = await start([], (line) => {
      if (/opening: (?!600)\d+ of 600$/u.test(line)) killed.child.kill();
    });
    expect(await killed.child.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(killed.answered).toEqual([]);

    const { code, answered, said } = await run();
    expect(answered.slice(1, 5)).toEqual([
      'read       600  180300.00  90000.00',
      'left out     0       0.00      0.00',
      'opened     600  180300.00  90000.00',
      'The totals are equal, and no row was left out.',
    ]);
    const [, before] =
      /^(\d+) opened now, (\d+) had/u
        .exec(answered[5] ?? '')
        ?.map(Number)
        .slice(1) ?? [];
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(600);
    expect(said).toContain('opening: 600 of 600');
    expect(code).toBe(0);
  }, 60_000);

  test('are only read and checked in a dry run, without any NATS', async () => {
    const row = good();
    await insert(row);
    const { code, answered } = await run('--dry-run');
    expect(answered.slice(1)).toEqual([
      'read         1  1700.00  300.00',
      'left out     0     0.00    0.00',
      'to open      1  1700.00  300.00',
      'The totals are equal, and no row was left out.',
    ]);
    expect(code).toBe(0);
    expect(await accountOf(String(row[0]))).toBeUndefined();
  });

  test('may be in a view of other names, in minor units of another currency', async () => {
    const row = good();
    await insert(row);
    await old.query(`CREATE SCHEMA "Old books"`);
    await old.query(
      `CREATE VIEW "Old books".people AS SELECT id::text AS "person's id", name AS "full name",
              (balance + hold)::bigint AS total, hold AS kept, NOT status AS closed FROM subscribers`,
    );
    const names = { id: "person's id", name: 'full name', balance: 'total', hold: 'kept', status: 'closed' };
    const columns = Object.entries(names).flatMap(([role, name]) => [`--${role}-column`, name]);
    const money = ['--amounts', 'minor', '--currency', 'JOD', '--decimals', '3'];
    expect(await run('--table', 'Old books.people', ...columns, ...money)).toMatchObject({ code: 0 });
    expect(await accountOf(String(row[0]))).toMatchObject({
      status: 'closed',
      currency: 'JOD',
      balance: '2.000',
      held: '0.300',
    });
  });
});

describe('rows that are not', () => {
  test('are told by number, and harm no other', async () => {
    const twice = 'ffffffff-0000-4000-8000-000000000000';
    const ids = ['10000000-0000-4000-8000-', '20000000-0000-4000-8000-', '30000000-0000-4000-8000-'];
    const [negative = '', fine = '', overheld = ''] = ids.map((first) => first + randomUUID().slice(-12));
    await insert(
      [negative, 'Negative', -5, 0, true],
      [fine, 'Fine', 10, 0, true],
      [overheld, '', 10, 11, true],
      [twice, 'Twice', 1, 0, true],
      [twice, 'Twice', 2, 0, true],
      [null, 'Without an id', 3, 0, true],
    );
    const { code, answered } = await run();
    expect(answered).toEqual([
      `row 1 (${negative}): the balance is below zero`,
      expect.stringMatching(/^row 3 \(.+\): the name must be .+; the hold is more than the balance$/u),
      `row 4 (${twice}): 2 rows have this id`,
      `row 5 (${twice}): 2 rows have this id`,
      expect.stringMatching(/^row 6 \(no id\): the id must be a uuid/u),
      '          rows  balance   held',
      'read         6    21.00  11.00',
      'left out     5    11.00  11.00',
      'opened       1    10.00   0.00',
      'The totals are equal, but rows were left out (5), and their money is not here.',
      '1 opened now, 0 had been before.',
    ]);
    expect(code).toBe(1);
    expect(await accountOf(fine)).toMatchObject({ balance: '10.00' });
    for (const id of [negative, overheld, twice]) expect(await accountOf(id)).toBeUndefined();
  });

  test('are also those that changed since they were opened, and those whose id someone else has taken', async () => {
    const [changed, taken, fine] = [good(), good(), good()];
    await ledger.send('open', { id: randomUUID(), accountId: String(taken[0]), name: 'Someone else' });
    await insert(changed);
    expect(await run()).toMatchObject({ code: 0 });
    await old.query('UPDATE subscribers SET balance = 1800');
    await insert(taken, fine);
    const { code, answered } = await run();
    expect(answered).toContainEqual(
      expect.stringMatching(
        new RegExp(
          `\\(${changed[0]}\\): add was refused: .*another run has imported it with other values`,
          'u',
        ),
      ),
    );
    expect(answered).toContainEqual(expect.stringMatching(/open was refused: .+\(account_exists\)$/u));
    expect(answered).toContain(
      'The totals are equal, but rows were left out (2), and their money is not here.',
    );
    expect(code).toBe(1);
    expect(await accountOf(String(changed[0]))).toMatchObject({ balance: '1700.00' });
    expect(await accountOf(String(taken[0]))).toMatchObject({ name: 'Someone else', balance: '0.00' });
    expect(await accountOf(String(fine[0]))).toMatchObject({ balance: '1700.00' });
  });
});

describe('nothing is opened', () => {
  test('from a table that is not as it should be', async () => {
    const row = good();
    await insert(row);
    const { code, said, answered } = await run('--hold-column', 'held');
    expect(said).toContain('subscribers has no column held');
    expect(answered).toEqual([]);
    expect(code).toBe(2);
    expect(await accountOf(String(row[0]))).toBeUndefined();
  });

  test('while no ledger answers, and it says what to do', async () => {
    await insert(good());
    const [running] = stack.ledgers;
    await running?.stop();
    const { code, said } = await run();
    expect(said).toMatch(/the ledger does not answer \(.+\)\. What is opened stays so: run the same again/u);
    expect(code).toBe(2);
    await running?.start();
    expect(await run()).toMatchObject({ code: 0 });
  }, 60_000);
});
