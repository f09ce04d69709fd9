import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { migrationNames } from '../../../test/support/migrations.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { migrate, waitUntilMigrated } from './migrate.ts';
import { sessionConfig, type DatabaseAddress } from './session.ts';

const tables = ['accounts', 'entries', 'holds', 'refusals', 'outbox', 'announcements', 'knex_migrations'];

const forbidden = [
  'UPDATE entries SET amount = 1',
  'DELETE FROM entries',
  'TRUNCATE entries',
  'SELECT FROM entries FOR UPDATE',
  'DELETE FROM accounts',
  'UPDATE accounts SET name = $$another$$',
  'UPDATE accounts SET decimals = 0',
  'DELETE FROM holds',
  'UPDATE holds SET amount = 1',
  'UPDATE refusals SET code = $$internal$$',
  'UPDATE outbox SET payload = $$nothing$$',
  'DELETE FROM announcements',
  'DELETE FROM knex_migrations',
  'ALTER TABLE entries DISABLE TRIGGER entries_are_append_only',
  'DROP TRIGGER entries_are_append_only ON entries',
  'CREATE OR REPLACE FUNCTION refuse_to_rewrite_the_journal() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$',
  'SET session_replication_role = replica',
  'CREATE TABLE mine (id int)',
  'CREATE SCHEMA mine',
  'CREATE ROLE mine',
  ...tables.flatMap((table) => [`DROP TABLE ${table}`, `ALTER TABLE ${table} ADD COLUMN more text`]),
  ...tables.map((table) => `CREATE INDEX ON ${table} ((1))`),
];

describe('the ledger’s role', () => {
  let database: TestDatabase;
  let owner: DatabaseAddress;
  let admin: Client;
  const login = { user: `ledger_login_${process.pid}`, password: randomUUID() };

  beforeAll(async () => {
    database = await createTestDatabase();
    owner = database.address;
    admin = new Client(database.connection);
    await admin.connect();
    await admin.query(`CREATE ROLE ${login.user} LOGIN PASSWORD '${login.password}'`);
  });
  afterAll(async () => {
    await admin.query(`DROP ROLE ${login.user}`);
    await admin.end();
    await database.drop();
  });

  test('with a login of its own, the ledger waits for whoever migrates', async () => {
    const lines: string[] = [];
    const logger = createLogger('test', 'warn', { write: (line) => lines.push(line) });
    const waiting = waitUntilMigrated({ ...owner, ...login }, logger, new AbortController().signal);
    while (lines.length === 0) await new Promise(setImmediate);
    expect(lines[0]).toContain('npm run migrate');
    await migrate(owner, { loginUser: login.user });
    await waiting;
  });

  test('with a login of its own, the ledger does not touch books that a newer version has migrated', async () => {
    await migrate(owner, { loginUser: login.user });
    await admin.query(
      "INSERT INTO knex_migrations (name, batch, migration_time) VALUES ('999-newer', 2, now())",
    );
    const lines: string[] = [];
    const logger = createLogger('test', 'warn', { write: (line) => lines.push(line) });
    const waiting = waitUntilMigrated({ ...owner, ...login }, logger, new AbortController().signal);
    await eventually(() => Promise.resolve(lines[0]));
    expect(lines[0]).toContain('was migrated by a newer version than this one (999-newer)');
    await admin.query("DELETE FROM knex_migrations WHERE name = '999-newer'");
    await waiting;
  });

  test.each(['taken by the owner', 'given to a login of its own'])(
    '%s can do no more than it needs',
    async (how) => {
      const { ledgerRole } = await migrate(owner, { loginUser: login.user });
      if (ledgerRole === undefined) throw new Error('the test’s user may make no roles');
      const address = how.startsWith('taken') ? { ...owner, role: ledgerRole } : { ...owner, ...login };
      const client = new Client(sessionConfig(address));
      await client.connect();
      try {
        for (const table of tables) await client.query(`SELECT count(*) FROM ${table}`);
        for (const sql of forbidden) {
          await expect(client.query(sql)).rejects.toThrow(/permission denied|must be owner/);
        }
      } finally {
        await client.end();
      }
    },
  );

  test('is left out, and said so, when the user may make no roles', async () => {
    const modest = { user: `modest_${process.pid}`, password: randomUUID() };
    await admin.query(`CREATE ROLE ${modest.user} LOGIN PASSWORD '${modest.password}'`);
    const other = await createTestDatabase();
    try {
      await admin.query(`ALTER DATABASE ${other.connection.database} OWNER TO ${modest.user}`);
      const address = { ...owner, ...modest, name: other.address.name };
      expect(await migrate(address)).toEqual({
        names: migrationNames,
        ledgerRole: undefined,
      });
    } finally {
      await other.drop();
      await admin.query(`DROP ROLE ${modest.user}`);
    }
  });
});
