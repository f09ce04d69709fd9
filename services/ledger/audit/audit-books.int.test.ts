import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import type { DueAction } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import type { Command } from '../domain/commands.ts';
import { chainStart, hashEntry } from '../domain/entry.ts';
import { executeBatch } from '../domain/execute-batch.ts';
import { settleCommandIdFor } from '../domain/hold.ts';
import { inBatchTransaction } from '../store/batch-transaction.ts';
import { migrate } from '../store/migrate.ts';
import { sessionConfig, type DatabaseAddress } from '../store/session.ts';
import { entryColumns, entryOf, type EntryRow } from '../store/statements/entry-row.ts';
import { WriteConnection } from '../store/write-connection.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { auditBooks } from './audit-books.ts';
import { checkSince, DigestWriter, readHeads, verifyDigest } from './digest.ts';

const account = '00000000-0000-4000-8000-00000000000a' as AccountId;
const other = '00000000-0000-4000-8000-00000000000b' as AccountId;
/** Whose holds were ended by callers. */
const ended = '00000000-0000-4000-8000-00000000000e' as AccountId;

let database: TestDatabase;
let address: DatabaseAddress;
let connection: WriteConnection;
/** Someone who may do everything. */
let intruder: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  address = database.address;
  await migrate(address);
  connection = new WriteConnection(address, createLogger('test', 'silent'));
  for (const accountId of [account, other]) {
    const on = commandsOn(accountId);
    await run(on.open(), on.add('10.00'), on.subtract('1.00'), on.subtract('2.00'));
    await settleFirstHoldOf(accountId);
  }
  await run(commandsOn(other).close());
  await run(
    commandsOn(ended).open(),
    commandsOn(ended).add('10.00'),
    ...['1.00', '2.00', '3.00'].map((amount) => commandsOn(ended).subtract(amount)),
    commandsOn(ended).subtract('4.00', 'release', 'order 4711'),
  );
  const [released, part, whole, due] = await holdsOf(ended);
  await run(
    commandsOn(ended).release(released),
    commandsOn(ended).settle(part, '0.50'),
    commandsOn(ended).settle(whole),
    commandsOn(ended).endDue(due),
  );
  // Past entry 9, where the order of numbers is no longer that of their texts.
  await run(...Array.from({ length: 10 }, () => commandsOn(account).add('0.01')));
  // With the types of a ledger's session.
  const { types } = sessionConfig(address);
  intruder = new Client({ ...database.connection, types });
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

/** What the journal does not tell, and need not: where a hold's settling joins a trace. */
const undetermined = ['holds.traceparent'];

/** The row of each table that is tampered with. */
const rowOf: Readonly<Record<string, string>> = {
  accounts: `id = '${account}'`,
  entries: `account_id = '${account}' AND seq = 3`,
  holds: `account_id = '${account}' AND status = 'pending'`,
};

const stranger = '00000000-0000-4000-8000-00000000000c';

/** A change of every column that the journal determines. */
const tampering: readonly (readonly [column: string, change: string])[] = [
  ['entries.account_id', `account_id = '${stranger}'`],
  ['entries.seq', 'seq = 99'],
  ['entries.command_id', 'command_id = gen_random_uuid()'],
  ['entries.kind', `kind = 'close'`],
  ['entries.amount', 'amount = amount + 1'],
  ['entries.balance', 'balance = balance + 1'],
  ['entries.held', 'held = held + 1'],
  ['entries.overdraft_limit', 'overdraft_limit = overdraft_limit + 1'],
  ['entries.hold_id', 'hold_id = gen_random_uuid()'],
  ['entries.at', `at = at + interval '1 microsecond'`],
  ['entries.fingerprint', `fingerprint = decode(md5('x'), 'hex')`],
  ['entries.details', `details = '{"dueAt":1}'`],
  ['entries.details', `details = '{"dueAt":"soon","released":"one"}'`],
  ['entries.details', String.raw`details = '{"dueAt":"\u0000"}'`],
  ['entries.format_version', 'format_version = 2'],
  ['entries.hash', `hash = sha256('x')`],
  ['accounts.id', `id = '${stranger}'`],
  ['accounts.balance', 'balance = balance + 1'],
  ['accounts.held', 'held = held - 1'],
  ['accounts.overdraft_limit', 'overdraft_limit = overdraft_limit + 1'],
  ['accounts.seq', 'seq = seq + 1'],
  ['accounts.last_entry_at', `last_entry_at = last_entry_at + interval '1 second'`],
  ['accounts.chain_head', `chain_head = sha256('x')`],
  ['accounts.status', `status = 'closed'`],
  ['accounts.name', `name = 'Someone else'`],
  ['accounts.currency', `currency = 'EUR'`],
  ['accounts.decimals', 'decimals = 3'],
  ['accounts.metadata', `metadata = '{"k":"v"}'`],
  ['holds.account_id', `account_id = '${stranger}'`],
  ['holds.id', 'id = gen_random_uuid()'],
  ['holds.amount', 'amount = amount + 1, remaining = remaining + 1'],
  ['holds.remaining', 'remaining = remaining - 1'],
  ['holds.due_at', `due_at = due_at + interval '1 second'`],
  ['holds.command_id', 'command_id = gen_random_uuid()'],
  ['holds.to_account_id', `to_account_id = '${stranger}'`],
  ['holds.version', 'version = version + 1'],
  ['holds.status', `status = 'settled', remaining = 0`],
  ['holds.on_due', `on_due = 'release'`],
  ['holds.reference', `reference = 'x'`],
  ['holds.metadata', `metadata = '{}'`],
];

describe('an audit', () => {
  test('finds nothing in books that are in order', async () => {
    expect(await auditBooks(address)).toEqual({
      accounts: 3,
      entries: 31,
      holds: 8,
      subtracts: 8,
      findings: [],
    });
    expect(await auditBooks(address, { accountId: account })).toMatchObject({
      accounts: 1,
      entries: 15,
      findings: [],
    });
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

  test('is tried with every column', async () => {
    const { rows } = await intruder.query<{ table: string; column: string }>(
      `SELECT table_name AS table, column_name AS column FROM information_schema.columns
       WHERE table_schema = 'public' AND table_name = ANY ($1)`,
      [tables],
    );
    const columns = rows.map(({ table, column }) => `${table}.${column}`);
    const tried = [...new Set(tampering.map(([column]) => column))];
    expect([...tried, ...undetermined].toSorted()).toEqual(columns.toSorted());
  });

  test.each(tampering)('finds a changed %s, and names its account', async (column, change) => {
    const [table = ''] = column.split('.');
    const changed = await intruder.query(`UPDATE ${table} SET ${change} WHERE ${rowOf[table]}`);
    expect(changed.rowCount).toBe(1);
    const { findings } = await auditBooks(address);
    const mine = findings.filter(({ accountId }) => accountId === account);
    expect(mine).not.toEqual([]);
    // Of an entry its own number; one that is no longer at its place is missed by the next.
    expect(table !== 'entries' || mine.some(({ seq }) => seq === 3 || seq === 4)).toBe(true);
  });

  test.each([
    ['is said to be settled', `status = 'settled'`, 'amount = 100'],
    ['is said to be released', `status = 'released'`, `status = 'settled' AND amount = 300`],
    ['was larger than what was released', 'amount = 101', 'amount = 100'],
    ['was larger than what was released when due', 'amount = 401', 'amount = 400'],
    ['was no larger than the part that was settled', 'amount = 50', 'amount = 200'],
    ['was larger than what was settled', 'amount = 301', 'amount = 300'],
  ])('finds a hold that %s', async (_, change, which) => {
    const changed = await intruder.query(
      `UPDATE holds SET ${change} WHERE account_id = '${ended}' AND ${which}`,
    );
    expect(changed.rowCount).toBe(1);
    const { findings } = await auditBooks(address);
    const mine = findings.filter(({ accountId }) => accountId === ended).map(({ problem }) => problem);
    expect(mine).toContainEqual(expect.stringContaining('has a hold whose status, version or amount is not'));
  });

  test.each([
    ['released another rest', '{"dueAt":DUE,"accountStatus":"open","released":"90000"}'],
    ['released something that is no amount', '{"dueAt":DUE,"accountStatus":"open","released":"all"}'],
    ['was due at another time', '{"dueAt":1,"accountStatus":"open","released":"150"}'],
    ['was due at another time, and that nobody ended', '{"dueAt":1,"released":"150"}'],
    ['was for something else', '{"dueAt":DUE,"reference":"x","accountStatus":"open","released":"150"}'],
    ['took a part when it was due', null],
    ['took a part when it was due, for something', '{"reference":"x"}'],
    ['is no object', '[]'],
  ])('finds an entry whose hash is right and that says its hold %s', async (_, template) => {
    const { rows } = await intruder.query<EntryRow>(
      `SELECT ${entryColumns} FROM entries WHERE account_id = $1 AND kind = 'settle' AND amount = 50`,
      [ended],
    );
    const [row] = rows;
    if (row === undefined) throw new Error('no part was settled');
    const due = await intruder.query<{ due: string }>(
      'SELECT extract(epoch FROM due_at)::bigint::text AS due FROM holds WHERE id = $1',
      [row.hold_id],
    );
    const details = template?.replace('DUE', due.rows[0]?.due ?? '') ?? null;
    await intruder.query('UPDATE entries SET details = $1 WHERE account_id = $2 AND seq = $3', [
      details,
      ended,
      row.seq,
    ]);
    await chainAnew(ended);
    const { findings } = await auditBooks(address);
    expect(findings).toMatchObject([{ accountId: ended }]);
    expect(findings[0]?.problem).toContain('has a hold whose status, version or amount is not');
  });

  test('says of which accounts it cannot tell, and looks at the others', async () => {
    const changed = await intruder.query(
      `UPDATE entries SET details = $1 WHERE account_id = $2 AND kind = 'settle' AND amount = 50`,
      [String.raw`{"accountStatus":"\ud800"}`, ended],
    );
    expect(changed.rowCount).toBe(1);
    await chainAnew(ended);
    await intruder.query('UPDATE accounts SET balance = balance + 1 WHERE id = $1', [other]);
    const { findings } = await auditBooks(address);
    expect(findings).toContainEqual({
      accountId: null,
      problem: expect.stringMatching(/^accounts of which can't be said whether one has a hold whose status/),
    });
    expect(findings).toContainEqual(
      expect.objectContaining({ accountId: other, problem: expect.stringContaining('do not add up') }),
    );
  });

  test.each([
    ['ended', 'settle', 'has a hold that was ended more than once'],
    ['made', 'subtract', 'has a hold that differs from the entry that made it'],
  ])('finds a hold that was %s twice, by entries whose hashes are right', async (_, kind, problem) => {
    const added = await intruder.query(
      `INSERT INTO entries SELECT (jsonb_populate_record(e, jsonb_build_object('seq', 11, 'command_id', gen_random_uuid(), 'at', now()))).*
       FROM entries e WHERE account_id = $1 AND kind = $2 AND amount = 300`,
      [ended, kind],
    );
    expect(added.rowCount).toBe(1);
    await chainAnew(ended);
    const { findings } = await auditBooks(address);
    expect(findings).toContainEqual(
      expect.objectContaining({ accountId: ended, seq: 11, problem: expect.stringContaining(problem) }),
    );
  });

  test('finds an entry that changes the overdraft limit and is not there for that, where the hashes are right', async () => {
    const changed = await intruder.query(
      `UPDATE entries SET overdraft_limit = 500 WHERE account_id = $1 AND seq >= 4`,
      [ended],
    );
    expect(changed.rowCount).toBeGreaterThan(1);
    await intruder.query('UPDATE accounts SET overdraft_limit = 500 WHERE id = $1', [ended]);
    await chainAnew(ended);
    const { findings } = await auditBooks(address);
    expect(findings).toMatchObject([{ accountId: ended, seq: 4 }]);
    expect(findings[0]?.problem).toContain('changes the overdraft limit to 500');
  });

  test('finds nothing where the overdraft limit was set', async () => {
    const on = commandsOn('00000000-0000-4000-8000-0000000000d1' as AccountId);
    await run(on.open(), on.setLimit('5.00'), on.subtract('4.00'), on.setLimit('4.00'));
    expect((await auditBooks(address)).findings).toEqual([]);
  });

  test('finds a hold that was ended by itself before it was due', async () => {
    const early = '00000000-0000-4000-8000-00000000000f' as AccountId;
    await run(commandsOn(early).open(), commandsOn(early).add('1.00'), commandsOn(early).subtract('1.00'));
    await settleFirstHoldOf(early);
    await intruder.query("UPDATE holds SET due_at = due_at + interval '1 hour' WHERE account_id = $1", [
      early,
    ]);
    await intruder.query(
      `UPDATE entries SET details = json_build_object('dueAt', (details ->> 'dueAt')::bigint + 3600)
       WHERE account_id = $1 AND kind = 'subtract'`,
      [early],
    );
    await chainAnew(early);
    const { findings } = await auditBooks(address, { accountId: early });
    expect(findings).toMatchObject([{ accountId: early }]);
  });

  describe('of books with holds that were extended', () => {
    const extended = '00000000-0000-4000-8000-0000000000e1' as AccountId;
    const on = commandsOn(extended);
    beforeEach(async () => {
      await run(
        on.open(),
        on.add('10.00'),
        on.subtract('1.00', 'release', 'order 4712'),
        on.subtract('2.00'),
      );
      const [first, second] = await holdsOf(extended);
      await run(on.extend(first, 60), on.extend(first, 90), on.extend(second, 30));
      await run(on.settle(first, '0.40'));
    });

    test('finds nothing where they are in order', async () => {
      for (const options of [{}, { accountId: extended }])
        expect((await auditBooks(address, options)).findings).toEqual([]);
    });

    test('finds an extension that was made to vanish', async () => {
      await intruder.query(`UPDATE entries SET hold_id = NULL WHERE account_id = '${extended}' AND seq = 7`);
      await intruder.query(
        `UPDATE holds SET version = 1, due_at = to_timestamp((SELECT (details ->> 'dueAt')::bigint FROM entries
           WHERE account_id = '${extended}' AND seq = 4)) WHERE account_id = '${extended}' AND amount = 200`,
      );
      await chainAnew(extended);
      const { findings } = await auditBooks(address);
      expect(findings).toMatchObject([{ accountId: extended, seq: 7 }]);
    });

    test('takes little longer for thousands of them on one account', async () => {
      const busy = '00000000-0000-4000-8000-0000000000e2' as AccountId;
      const of = commandsOn(busy);
      const subtracts = Array.from({ length: 500 }, () => of.subtract('0.01'));
      await run(of.open(), of.add('10.00'), ...subtracts);
      const { rows } = await intruder.query<{ id: HoldId }>('SELECT id FROM holds WHERE account_id = $1', [
        busy,
      ]);
      for (const seconds of [60, 70, 80, 90]) await run(...rows.map(({ id }) => of.extend(id, seconds)));
      await intruder.query('ANALYZE');
      // With a walk over the account's entries for each of the 2,000 it would take a minute, and the test's time.
      expect((await auditBooks(address)).findings).toEqual([]);
    });

    test.each([
      ['has another due time than the last of them', `UPDATE holds SET due_at = due_at + interval '1 s'`],
      ['is said to be due later than it was extended to', setDetails('dueAt', '4000000000', 3)],
      ['is said to be due at no time', setDetails('dueAt', '"soon"', 3)],
      ['was extended to an earlier time', setDetails('dueAt', '1', 5)],
      ['was extended without a word of its account', setDetails('accountStatus', 'null', 5)],
      ['was extended by a part', setDetails('released', '"17"', 7)],
      ['was extended to pay somebody', setDetails('to', '"x"', 6)],
      ['has no such version', 'UPDATE holds SET version = version - 1'],
      ['was extended to a later time than the hold says', setDetails('dueAt', '4000000000', 5)],
      ['was extended to no time', setDetails('dueAt', '"soon"', 7)],
      ['was extended for something else', setDetails('reference', '"x"', 6)],
      ['was extended to do something else', setDetails('onDue', '"settle"', 5)],
      ['was extended by an amount', 'UPDATE entries SET amount = 99 WHERE seq = 7'],
      ['was extended once more, after its end', insertCopyOf(6, 9)],
      ['was extended by an entry that is no extension', `UPDATE entries SET kind = 'close' WHERE seq = 5`],
    ])('finds one that %s, where the hashes are right', async (_, change) => {
      const where = change.includes('WHERE') ? ' AND' : ' WHERE';
      const changed = await intruder.query(`${change}${where} account_id = '${extended}'`);
      expect(changed.rowCount).toBeGreaterThan(0);
      await chainAnew(extended);
      const { findings } = await auditBooks(address);
      expect(findings.map(({ accountId }) => accountId)).toContain(extended);
      expect((await auditBooks(address, { accountId: extended })).findings).not.toEqual([]);
    });
  });

  test.each([
    [
      'is there twice',
      (of: string) =>
        `INSERT INTO entries SELECT (jsonb_populate_record(e, '{"seq":4,"command_id":"${stranger}","amount":0}')).* FROM entries e WHERE ${of}`,
    ],
    ['has another id', (of: string) => `UPDATE entries SET command_id = '${stranger}' WHERE ${of}`],
    [
      'was asked for otherwise',
      (of: string) => `UPDATE entries SET fingerprint = decode(md5('x'), 'hex') WHERE ${of}`,
    ],
    ['is gone', (of: string) => `DELETE FROM entries WHERE ${of}`],
    ['is of another amount', (of: string) => `UPDATE entries SET amount = 150, balance = 150 WHERE ${of}`],
    ['is from somebody else', (of: string) => `UPDATE entries SET details = '{"from":"x"}' WHERE ${of}`],
    [
      'is for something else',
      (of: string) =>
        `UPDATE entries SET details = jsonb_set(details::jsonb, '{reference}', '"x"') WHERE ${of}`,
    ],
  ])('finds a transfer whose receipt %s, where the hashes are right', async (_, change) => {
    const [from, to] = [
      '00000000-0000-4000-8000-0000000000f1',
      '00000000-0000-4000-8000-0000000000f2',
    ] as AccountId[];
    if (from === undefined || to === undefined) throw new Error('there are two');
    await run(
      commandsOn(from).open(),
      commandsOn(to).open(),
      commandsOn(from).add('10.00'),
      commandsOn(from).transfer(to, '1.00'),
      commandsOn(from).transfer(to, '2.00'),
    );
    for (const options of [{}, { accountId: from }, { accountId: to }])
      expect((await auditBooks(address, options)).findings).toEqual([]);
    await intruder.query(change(`account_id = '${to}' AND seq = 3`));
    await chainAnew(to);
    await intruder.query(
      `UPDATE accounts SET (seq, balance, last_entry_at) =
         (SELECT seq, balance, at FROM entries WHERE account_id = id ORDER BY seq DESC LIMIT 1) WHERE id = $1`,
      [to],
    );
    const problem = expect.stringContaining('of a transfer that the other account’s does not match');
    const { findings } = await auditBooks(address);
    expect(findings).toContainEqual(expect.objectContaining({ problem }));
    const ofEach = [
      await auditBooks(address, { accountId: from }),
      await auditBooks(address, { accountId: to }),
    ];
    expect(ofEach.flatMap((each) => each.findings)).toContainEqual(expect.objectContaining({ problem }));
  });

  test('finds a hold, and an account, that is gone', async () => {
    await intruder.query(`DELETE FROM holds WHERE account_id = $1 AND status = 'settled'`, [account]);
    await intruder.query('DELETE FROM accounts WHERE id = $1', [other]);
    const { findings } = await auditBooks(address);
    expect(new Set(findings.map(({ accountId }) => accountId))).toEqual(new Set([account, other]));
  });

  test('proves by a digest that the books have only grown, and shows when a whole chain was written anew', async () => {
    const lines: string[] = [];
    const digest = new DigestWriter((line) => lines.push(line));
    await auditBooks(address, { onHead: (...head) => digest.add(...head) });
    digest.end();
    expect(lines).toEqual([
      'holdfast-digest-1',
      expect.stringMatching(`^${account} 15 [0-9a-f]{64}$`),
      expect.stringMatching(`^${other} 6 [0-9a-f]{64}$`),
      expect.stringMatching(`^${ended} 10 [0-9a-f]{64}$`),
      expect.stringMatching(/^end 3 [0-9a-f]{64}$/),
    ]);
    const since = () =>
      auditBooks(address, {
        moreChecks: (client, onFinding) => checkSince(client, readHeads(linesOf(lines)), onFinding),
      });
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

  test('takes no digest that was changed or cut', async () => {
    const lines: string[] = [];
    const digest = new DigestWriter((line) => lines.push(line));
    digest.add(account, 5, 'ab'.repeat(32));
    digest.add(other, 6, 'cd'.repeat(32));
    digest.end();
    await verifyDigest(linesOf(lines));
    const [first = '', head = '', ...rest] = lines;
    for (const wrong of [
      [first, head.replace(' 5 ', ' 4 '), ...rest],
      [first, head, rest[0] ?? ''],
      [first, ...rest],
      [first, ...rest, head],
      [first, 'nonsense', ...rest],
      [first],
    ]) {
      await expect(verifyDigest(linesOf(wrong))).rejects.toThrow('changed or cut');
    }
    await expect(verifyDigest(linesOf(['nothing']))).rejects.toThrow('no digest');
    await expect(verifyDigest(linesOf([]))).rejects.toThrow('no digest');
  });
});

/** Of the entry at this seq. */
function setDetails(key: string, value: string, seq: number): string {
  return `UPDATE entries SET details = jsonb_set(details::jsonb, '{${key}}', '${value}') WHERE seq = ${seq}`;
}

/** The entry at one seq once more, at another. */
function insertCopyOf(seq: number, at: number): string {
  return `INSERT INTO entries SELECT (jsonb_populate_record(e,
      jsonb_build_object('seq', ${at}, 'command_id', gen_random_uuid(), 'at', now()))).* FROM entries e WHERE seq = ${seq}`;
}

async function* linesOf(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

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
    setLimit: (overdraftLimit: string): Command => ({
      ...common(),
      kind: 'set-limit',
      overdraftLimit,
      expectedVersion: null,
    }),
    close: (): Command => ({ ...common(), kind: 'close', expectedVersion: null }),
    add: (amount: string): Command => ({ ...common(), kind: 'add', amount, reference: null }),
    subtract: (amount: string, onDue: DueAction = 'settle', reference: string | null = null): Command => ({
      ...common(),
      kind: 'subtract',
      amount,
      onDue,
      dueInSeconds: null,
      reference,
    }),
    settle: (holdId: HoldId, amount: string | null = null): Command => ({
      ...common(),
      kind: 'settle',
      holdId,
      amount,
    }),
    transfer: (toAccountId: AccountId, amount: string): Command => ({
      ...common(),
      kind: 'transfer',
      toAccountId,
      amount,
      reference: 'rent',
    }),
    release: (holdId: HoldId): Command => ({ ...common(), kind: 'release', holdId }),
    extend: (holdId: HoldId, dueInSeconds: number): Command => ({
      ...common(),
      kind: 'extend',
      holdId,
      dueInSeconds,
    }),
    endDue: (holdId: HoldId): Command => ({
      ...common(),
      kind: 'end-due-hold',
      id: settleCommandIdFor(holdId),
      holdId,
    }),
  };
}

/** Holds are due when they are made. */
const alreadyDueMs = -1_000;

async function run(...commands: Command[]): Promise<void> {
  await inBatchTransaction(connection, commands, async (transaction) => {
    const { changes } = executeBatch(commands, transaction.state, alreadyDueMs);
    await transaction.save(transaction.fill(changes), [], []);
  });
}

/** As somebody would who may write to the database and knows how. */
async function chainAnew(accountId: AccountId): Promise<void> {
  const { rows } = await intruder.query<EntryRow>(
    `SELECT ${entryColumns} FROM entries WHERE account_id = $1 ORDER BY seq`,
    [accountId],
  );
  let head = chainStart(accountId);
  for (const entry of rows.map(entryOf)) {
    head = hashEntry(head, entry);
    await intruder.query('UPDATE entries SET hash = $1 WHERE account_id = $2 AND seq = $3', [
      head,
      accountId,
      entry.seq,
    ]);
  }
  await intruder.query('UPDATE accounts SET chain_head = $1 WHERE id = $2', [head, accountId]);
}

/** By their amounts. */
async function holdsOf(accountId: AccountId): Promise<[HoldId, HoldId, HoldId, HoldId]> {
  const client = new Client(database.connection);
  await client.connect();
  const { rows } = await client.query<{ id: HoldId }>(
    'SELECT id FROM holds WHERE account_id = $1 ORDER BY amount',
    [accountId],
  );
  await client.end();
  return rows.map(({ id }) => id) as [HoldId, HoldId, HoldId, HoldId];
}

async function settleFirstHoldOf(accountId: AccountId): Promise<void> {
  const [holdId] = await holdsOf(accountId);
  await run(commandsOn(accountId).endDue(holdId));
}
