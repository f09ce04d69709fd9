import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Client, Pool } from 'pg';
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { migrationNames } from '../../../test/support/migrations.ts';
import { migrate, migrateWhenReachable, waitUntilMigrated } from './migrate.ts';
import { OutboxTable } from './outbox-table.ts';
import { queryTimeoutMs, sessionConfig, type DatabaseAddress } from './session.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';

describe('migrating', () => {
  let database: TestDatabase;
  let address: DatabaseAddress;
  let client: Client;
  beforeEach(async () => {
    database = await createTestDatabase();
    address = database.address;
    client = new Client(database.connection);
    await client.connect();
  });
  afterEach(async () => {
    await client.end();
    await database.drop();
  });

  test('lets one of three ledgers do it, and none of them fails', async () => {
    const names = await Promise.all([migrate(address), migrate(address), migrate(address)]);
    expect(names.flatMap((each) => each.names)).toEqual(migrationNames);
  });

  test('changes nothing the second time', async () => {
    await migrate(address);
    expect((await migrate(address)).names).toEqual([]);
  });

  test('is not blocked by the lock row of one that was killed', async () => {
    await migrate(address);
    await client.query('UPDATE knex_migrations_lock SET is_locked = 1');
    await client.query('DELETE FROM knex_migrations');
    // What the killed one had not yet done: its transaction was rolled back with it.
    await client.query(
      'DROP TABLE accounts, entries, holds, refusals, outbox, announcements, test_clock, test_clock_moves; ' +
        'DROP DOMAIN minor_units, minor_units_from_zero, count_from_one, currency_decimals, currency_code, ' +
        'account_name, entry_hash, command_fingerprint, one_byte, whole_second; ' +
        'DROP TYPE account_status, entry_kind, hold_status, due_action, outbox_topic; ' +
        'DROP FUNCTION refuse_to_rewrite_the_journal',
    );
    expect((await migrate(address)).names).toEqual(migrationNames);
  });

  test('keeps what the outbox of before has to tell', async () => {
    await migrate(address);
    await client.query(`
      ALTER TABLE outbox DROP COLUMN account_ids, DROP COLUMN first_seqs, DROP COLUMN last_seqs;
      DELETE FROM knex_migrations WHERE name = '002-named-entries';
      INSERT INTO outbox (topic, message_id, payload, at)
        VALUES ('event', 'event:1', '[{"type":"entry"}]', clock_timestamp() - interval '1 minute')`);
    expect((await migrate(address)).names).toEqual(['002-named-entries']);
    const pool = new Pool(sessionConfig(address));
    const [left] = await new OutboxTable(pool).leftBehind('event', 0n, 10);
    await pool.end();
    expect(left?.message).toEqual({
      topic: 'event',
      messageId: 'event:1',
      payload: '[{"type":"entry"}]',
      entries: [],
    });
  });

  test('takes on books in which no hold was ever released, and nothing transferred', async () => {
    await migrate(address);
    // As the first two migrations left it.
    await client.query(`
      SET session_replication_role = replica;
      DELETE FROM knex_migrations WHERE name IN ('003-released-holds', '004-transfers');
      DROP TYPE entry_kind CASCADE;
      CREATE TYPE entry_kind AS ENUM ('open', 'close', 'add', 'subtract', 'settle');
      ALTER TABLE entries ADD COLUMN kind entry_kind NOT NULL,
        ADD CONSTRAINT hold_entries_name_their_hold CHECK (kind NOT IN ('subtract', 'settle') OR hold_id IS NOT NULL)`);
    const insert = (seq: number, kind: string, holdId: string | null) =>
      client.query(
        `INSERT INTO entries (account_id, seq, command_id, amount, balance, held, overdraft_limit, at, kind,
                              format_version, fingerprint, hash, hold_id)
         VALUES ('00000000-0000-4000-8000-000000000001', $1, gen_random_uuid(), 0, 0, 0, 0, clock_timestamp(), $2,
                 1, decode(md5('x'), 'hex'), sha256('x'), $3)`,
        [seq, kind, holdId],
      );
    await insert(1, 'open', null);
    await expect(insert(2, 'release', null)).rejects.toThrow('invalid input value for enum');
    expect((await migrate(address)).names).toEqual(['003-released-holds', '004-transfers']);
    await insert(2, 'release', '00000000-0000-7000-8000-000000000001');
    await insert(3, 'add', null);
    await insert(4, 'transfer-out', null);
    await insert(5, 'transfer-in', null);
    for (const kind of ['subtract', 'settle', 'release'])
      await expect(insert(6, kind, null)).rejects.toThrow('hold_entries_name_their_hold');
  });

  test('has nobody wait behind it who writes, while somebody reads the journal at length', async () => {
    await migrate(address);
    await client.query(`DELETE FROM knex_migrations WHERE name IN ('003-released-holds', '004-transfers')`);
    await client.query('ALTER TYPE entry_kind RENAME TO entry_kind_of_after');
    await client.query(`CREATE TYPE entry_kind AS ENUM ('open', 'close', 'add', 'subtract', 'settle')`);
    const reader = new Client(database.connection);
    await reader.connect();
    await reader.query('BEGIN; SELECT FROM entries');
    const waits: string[] = [];
    const migrated = migrate(address, { onWait: (what) => waits.push(what) });
    const reading = `whoever reads the tables of ${address.name} at length, as a backup or an audit`;
    await eventually(async () => (waits.includes(reading) ? true : undefined));
    // It has let go of what it had asked for.
    await client.query('BEGIN; LOCK TABLE entries IN ROW EXCLUSIVE MODE NOWAIT; COMMIT');
    await reader.end();
    expect((await migrated).names).toEqual(['003-released-holds', '004-transfers']);
  });

  test('goes on as soon as the session of a killed one is gone', async () => {
    // Someone is migrating: we wait, and get our turn when the server has noticed that they are gone.
    const killed = new Client(database.connection);
    killed.on('error', () => undefined);
    await killed.connect();
    await killed.query('SELECT pg_advisory_lock(1214803204, 2)');
    const { rows } = await killed.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const waiting = migrate(address);
    await client.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    expect((await waiting).names).toEqual(migrationNames);
  });

  test('keeps trying, and says so, while there is no database; and stops when asked to', async () => {
    const lines: string[] = [];
    const logger = createLogger('test', 'warn', { write: (line) => lines.push(line) });
    const stopping = new AbortController();
    const absent = { ...address, name: 'holdfast_test_absent' };
    const trying = migrateWhenReachable(absent, logger, stopping.signal);
    while (lines.length === 0) await new Promise(setImmediate);
    stopping.abort(new Error('stop'));
    await expect(trying).rejects.toThrow(/aborted/);
    expect(lines.join('')).toContain('has no database holdfast_test_absent');
  });

  test('says that it waits for another one that migrates', async () => {
    const lines: string[] = [];
    const logger = createLogger('test', 'warn', { write: (line) => lines.push(line) });
    await client.query('SELECT pg_advisory_lock(1214803204, 2)');
    const waiting = migrateWhenReachable(address, logger, new AbortController().signal);
    const line = await eventually(async () => lines[0]);
    await client.query('SELECT pg_advisory_unlock(1214803204, 2)');
    expect((await waiting).names).toEqual(migrationNames);
    expect(line).toContain(`waiting for whoever else migrates the database ${address.name}`);
  });

  test('says that a newer version has migrated the database, and waits for what comes of it', async () => {
    await migrate(address);
    await client.query(
      "INSERT INTO knex_migrations (name, batch, migration_time) VALUES ('999-newer', 2, now())",
    );
    const lines: string[] = [];
    const logger = createLogger('test', 'warn', { write: (line) => lines.push(line) });
    const waiting = migrateWhenReachable(address, logger, new AbortController().signal);
    const line = await eventually(async () => lines[0]);
    await client.query("DELETE FROM knex_migrations WHERE name = '999-newer'");
    expect((await waiting).names).toEqual([]);
    expect(line).toMatch(/was migrated by a newer version than this one \(.*999-newer\)/);
  });

  test.each(['LATIN1', 'SQL_ASCII'])('makes no books in a database of %s', async (encoding) => {
    const name = `${address.name}_${encoding.toLowerCase()}`;
    await client.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}' LOCALE 'C'`);
    try {
      const lines: string[] = [];
      const logger = createLogger('test', 'warn', { write: (line) => lines.push(line) });
      const stopping = new AbortController();
      const waiting = migrateWhenReachable({ ...address, name }, logger, stopping.signal);
      const line = await eventually(async () => lines[0]);
      stopping.abort();
      await expect(waiting).rejects.toThrow(/abort/);
      expect(line).toContain(`"the database ${name} has the encoding ${encoding}, and accounts`);
    } finally {
      await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });

  test('keeps no command waiting, whatever the id of its account', async () => {
    await migrate(address);
    await client.query('BEGIN; LOCK TABLE knex_migrations');
    const waiting = migrate(address);
    const locks = await eventually(async () => {
      const { rows } = await client.query<{ objsubid: number }>(
        `SELECT objsubid FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE locktype = 'advisory' AND datname = current_database()`,
      );
      return rows.length > 0 ? rows : undefined;
    });
    await client.query('COMMIT');
    await waiting;
    // 2 is a pair of numbers; accounts that are not there are locked by single ones, which their ids are.
    expect(locks).toEqual([{ objsubid: 2 }]);
  });

  test('is waited for also through a database that lets us in and then says nothing', async () => {
    await migrate(address);
    const lines: string[] = [];
    const logger = createLogger('test', 'warn', { write: (line) => lines.push(line) });
    const proxy = await startTcpProxy(database.connection);
    proxy.holdFrom('toServer', 'FROM knex_migrations');
    const silent = { ...address, host: '127.0.0.1', port: proxy.port };
    const waiting = waitUntilMigrated(silent, logger, new AbortController().signal);
    const line = await eventually(async () => lines[0], 2 * queryTimeoutMs);
    expect(line).toContain(`can't reach Postgres at 127.0.0.1:${proxy.port}`);
    proxy.deliver('toServer');
    await waiting;
    await proxy.close();
  });

  test('lets nobody rewrite the journal', async () => {
    await migrate(address);
    for (const sql of ['UPDATE entries SET amount = 1', 'DELETE FROM entries', 'TRUNCATE entries']) {
      await expect(client.query(sql)).rejects.toThrow(/append-only/);
    }
  });
});
