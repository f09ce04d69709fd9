import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import type { AccountId, CommandId } from '../../../shared/contracts/primitives.ts';
import type { Command } from '../domain/commands.ts';
import { executeBatch } from '../domain/execute-batch.ts';
import { settleCommandIdFor } from '../domain/hold.ts';
import { inBatchTransaction } from '../store/batch-transaction.ts';
import { migrate } from '../store/migrate.ts';
import type { DatabaseAddress } from '../store/session.ts';
import { WriteConnection } from '../store/write-connection.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { auditBooks } from './audit-books.ts';
import { checkSince, Digest, readDigest } from './digest.ts';

const account = '00000000-0000-4000-8000-00000000000a' as AccountId;
const other = '00000000-0000-4000-8000-00000000000b' as AccountId;

let database: TestDatabase;
let address: DatabaseAddress;
let connection: WriteConnection;
/** Someone who may do everything. */
let intruder: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  const { host, port, user, password, database: name } = database.connection;
  address = { host, port, user, password, name };
  await migrate(address);
  connection = new WriteConnection(address, createLogger('test', 'silent'));
  for (const accountId of [account, other]) {
    const on = commandsOn(accountId);
    await run(on.open(), on.add('10.00'), on.subtract('1.00'), on.subtract('2.00'));
    await settleFirstHoldOf(accountId);
  }
  await run(commandsOn(other).close());
  // Past entry 9, where the order of numbers is no longer that of their texts.
  await run(...Array.from({ length: 10 }, () => commandsOn(account).add('0.01')));
  intruder = new Client(database.connection);
  await intruder.connect();
  // Triggers are for those who may not do everything.
  await intruder.query('SET session_replication_role = replica');
  for (const table of tables) await intruder.query(`CREATE TABLE ${table}_as_it_was AS TABLE ${table}`);
});

afterEach(async () => {
  for (const table of tables) {
    await intruder.query(`DELETE FROM ${table}`);
    await intruder.query(`INSERT INTO ${table} SELECT * FROM ${table}_as_it_was`);
  }
});

afterAll(async () => {
  await intruder.end();
  await connection.close();
  await database.drop();
});

const tables = ['accounts', 'entries', 'holds'];

describe('an audit', () => {
  test('finds nothing in books that are in order', async () => {
    expect(await auditBooks(address)).toEqual({
      accounts: 2,
      entries: 21,
      holds: 4,
      subtracts: 4,
      findings: [],
    });
    expect(await auditBooks(address, { accountId: account })).toMatchObject({
      accounts: 1,
      entries: 15,
      findings: [],
    });
  });

  test.each([
    ['account_id', `account_id = '00000000-0000-4000-8000-00000000000c'`],
    ['seq', 'seq = 99'],
    ['command_id', 'command_id = gen_random_uuid()'],
    ['kind', `kind = 'close'`],
    ['amount', 'amount = amount + 1'],
    ['balance', 'balance = balance + 1'],
    ['held', 'held = held + 1'],
    ['overdraft_limit', 'overdraft_limit = overdraft_limit + 1'],
    ['hold_id', 'hold_id = gen_random_uuid()'],
    ['at', `at = at + interval '1 microsecond'`],
    ['fingerprint', `fingerprint = decode(md5('x'), 'hex')`],
    ['details', `details = '{"dueAt":1}'`],
    ['format_version', 'format_version = 2'],
    ['hash', `hash = sha256('x')`],
  ])('finds a changed %s of an entry', async (_column, change) => {
    await intruder.query(`UPDATE entries SET ${change} WHERE account_id = $1 AND seq = 3`, [account]);
    const { findings } = await auditBooks(address);
    expect(findings).not.toEqual([]);
    expect(findings.map(({ accountId }) => accountId)).toContain(account);
  });

  test.each([
    ['the first', 1],
    ['a middle', 3],
    ['the last', 15],
  ])('finds that %s entry is gone', async (_which, seq) => {
    await intruder.query('DELETE FROM entries WHERE account_id = $1 AND seq = $2', [account, seq]);
    const { findings } = await auditBooks(address);
    expect(findings.map(({ accountId }) => accountId)).toContain(account);
  });

  test('finds two entries that were swapped', async () => {
    for (const [from, to] of [
      [3, 99],
      [4, 3],
      [99, 4],
    ]) {
      await intruder.query('UPDATE entries SET seq = $1 WHERE account_id = $2 AND seq = $3', [
        to,
        account,
        from,
      ]);
    }
    const { findings } = await auditBooks(address);
    expect(findings.filter(({ seq }) => seq === 3 || seq === 4)).not.toEqual([]);
  });

  test.each([
    ['balance', 'balance = balance + 1'],
    ['held', 'held = held - 1'],
    ['overdraft_limit', 'overdraft_limit = overdraft_limit + 1'],
    ['seq', 'seq = seq + 1'],
    ['last_entry_at', `last_entry_at = last_entry_at + interval '1 second'`],
    ['chain_head', `chain_head = sha256('x')`],
    ['status', `status = 'closed'`],
    ['name', `name = 'Someone else'`],
    ['currency', `currency = 'EUR'`],
    ['decimals', 'decimals = 3'],
    ['metadata', `metadata = '{"k":"v"}'`],
  ])('finds a changed %s of an account', async (_column, change) => {
    await intruder.query(`UPDATE accounts SET ${change} WHERE id = $1`, [account]);
    const { findings } = await auditBooks(address);
    expect(findings.map(({ accountId }) => accountId)).toContain(account);
  });

  test.each([
    ['amount', 'amount = amount + 1, remaining = remaining + 1'],
    ['status', `status = 'settled', remaining = 0`],
    ['due_at', `due_at = due_at + interval '1 second'`],
    ['command_id', 'command_id = gen_random_uuid()'],
    ['id', 'id = gen_random_uuid()'],
  ])('finds a changed %s of a hold', async (_column, change) => {
    await intruder.query(`UPDATE holds SET ${change} WHERE account_id = $1 AND status = 'pending'`, [
      account,
    ]);
    const { findings } = await auditBooks(address);
    expect(findings.map(({ accountId }) => accountId)).toContain(account);
  });

  test('finds a hold, and an account, that is gone', async () => {
    await intruder.query(`DELETE FROM holds WHERE account_id = $1 AND status = 'settled'`, [account]);
    await intruder.query('DELETE FROM accounts WHERE id = $1', [other]);
    const { findings } = await auditBooks(address);
    expect(new Set(findings.map(({ accountId }) => accountId))).toEqual(new Set([account, other]));
  });

  test('proves by a digest that the books have only grown, and shows when a whole chain was written anew', async () => {
    const digest = new Digest();
    await auditBooks(address, { onHead: (...head) => digest.add(...head) });
    const heads = readDigest(digest.text());
    expect(heads).toMatchObject([
      { accountId: account, seq: 15 },
      { accountId: other, seq: 6 },
    ]);
    const since = () =>
      auditBooks(address, { also: (client, onFinding) => checkSince(client, heads, onFinding) });
    await run(commandsOn(account).add('1.00'));
    expect((await since()).findings).toEqual([]);
    // An intruder who knows the format cuts the tail off and leaves a book that is in order by itself.
    await intruder.query('DELETE FROM entries WHERE account_id = $1 AND seq > 2', [account]);
    await intruder.query('DELETE FROM holds WHERE account_id = $1', [account]);
    await intruder.query(
      `UPDATE accounts a SET seq = e.seq, balance = e.balance, held = e.held, chain_head = e.hash, last_entry_at = e.at
       FROM entries e WHERE a.id = $1 AND e.account_id = a.id AND e.seq = 2`,
      [account],
    );
    expect((await auditBooks(address)).findings).toEqual([]);
    expect((await since()).findings).toMatchObject([{ accountId: account, seq: 15 }]);
  });

  test('takes no digest that was changed', () => {
    const digest = new Digest();
    digest.add(account, 5, 'ab'.repeat(32));
    const text = digest.text();
    expect(readDigest(text)).toHaveLength(1);
    expect(() => readDigest(text.replace(' 5 ', ' 4 '))).toThrow('changed or cut');
    expect(() => readDigest(text.slice(0, text.indexOf('\n') + 1))).toThrow('changed or cut');
    expect(() => readDigest('nothing')).toThrow('no digest');
  });
});

function commandsOn(accountId: AccountId) {
  const common = () => ({
    id: randomUUID() as string as CommandId,
    accountId,
    deadline: null,
    traceparent: null,
    unattended: false,
  });
  return {
    open: (): Command => ({
      ...common(),
      kind: 'open',
      name: 'Кошелёк "x"',
      currency: 'XXX',
      decimals: 2,
      overdraftLimit: '0',
      metadata: '{"tier":"gold"}',
    }),
    close: (): Command => ({ ...common(), kind: 'close' }),
    add: (amount: string): Command => ({ ...common(), kind: 'add', amount }),
    subtract: (amount: string): Command => ({ ...common(), kind: 'subtract', amount }),
  };
}

async function run(...commands: Command[]): Promise<void> {
  await inBatchTransaction(connection, commands, async (transaction) => {
    const { changes } = executeBatch(commands, transaction.state, 600_000);
    await transaction.save(changes, [], []);
  });
}

async function settleFirstHoldOf(accountId: AccountId): Promise<void> {
  const client = new Client(database.connection);
  await client.connect();
  const { rows } = await client.query('SELECT id FROM holds WHERE account_id = $1 ORDER BY id LIMIT 1', [
    accountId,
  ]);
  await client.end();
  const holdId = rows[0].id;
  await run({
    kind: 'settle',
    id: settleCommandIdFor(holdId),
    accountId,
    holdId,
    deadline: null,
    traceparent: null,
    unattended: false,
  });
}
