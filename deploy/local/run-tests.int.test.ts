import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database.ts';
import { runCommand } from './run-command.ts';
import { askDatabase } from './with-client.ts';

const root = resolve(import.meta.dirname, '../..');
const limitMs = 60_000;

/** A test that needs the database's server and is quick. */
const small = ['services/ledger/store/migrate.int', '-t', 'changes nothing the second time'];

describe('npm test with a PostgreSQL of one’s own', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
    await ask('CREATE TABLE left_over ()');
  });
  afterEach(() => database.drop());

  const ask = (sql: string) => askDatabase<Record<string, unknown>>(database.connection, sql);

  /** `npm test -- …` on this database's server. */
  async function runTests(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
    const { connection } = database;
    const { PATH, HOME, TMPDIR, XDG_CACHE_HOME } = process.env;
    const env = {
      PATH,
      HOME,
      TMPDIR,
      XDG_CACHE_HOME,
      TEST_DB_HOST: connection.host,
      TEST_DB_PORT: String(connection.port),
      TEST_DB_USER: connection.user,
      TEST_DB_PASSWORD: connection.password,
      TEST_DB_NAME: connection.database,
      ...settings,
    };
    const { code, lines } = await runCommand(process.execPath, ['deploy/local/test.mjs', ...args], {
      cwd: root,
      env,
      timeoutMs: limitMs,
    });
    return { code, text: lines.join('\n') };
  }

  const hasLeftOver = async () =>
    (await ask(`SELECT to_regclass('left_over') AS found`))[0]?.['found'] !== null;

  test(
    'runs on it, with the words for jest, and leaves the database as it is',
    async () => {
      const { code, text } = await runTests(small);
      expect(text).toContain('1 passed');
      expect(code).toBe(0);
      expect(text).not.toContain('PostgreSQL 18 cluster');
      expect(await hasLeftOver()).toBe(true);
    },
    limitMs,
  );

  test(
    '--create-db drops the database and makes it anew; the other words go to jest',
    async () => {
      const { code, text } = await runTests(['--create-db', '--listTests', 'shared/money']);
      expect(text).toContain('shared/money/');
      expect(code).toBe(0);
      expect(await hasLeftOver()).toBe(false);
    },
    limitMs,
  );

  test.each<[string, Record<string, string>, string]>([
    ['a name that is not for tests', { TEST_DB_NAME: 'contest' }, 'has the word "test" in its name'],
    ['a wrong password', { TEST_DB_PASSWORD: 'hunter2' }, 'password authentication failed'],
    ['a port where nobody is', { TEST_DB_PORT: '1' }, 'ECONNREFUSED'],
    ['a host where nobody is', { TEST_DB_HOST: '127.0.0.2' }, 'on PostgreSQL at 127.0.0.2:'],
    ['a user whom it does not know', { TEST_DB_USER: 'stranger' }, 'as stranger'],
  ])(
    'refuses %s, and says so',
    async (_what, settings, words) => {
      const { code, text } = await runTests(['--create-db', '--listTests'], settings);
      expect(code).toBe(1);
      expect(text).toContain(words);
      expect(text).not.toContain('hunter2');
      expect(await hasLeftOver()).toBe(true);
    },
    limitMs,
  );
});
