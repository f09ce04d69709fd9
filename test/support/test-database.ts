import { randomUUID } from 'node:crypto';
import type { ClientConfig } from 'pg';
import { withClient } from '../../deploy/local/with-client.ts';
import { inUtf8 } from '../../services/ledger/store/database-encoding.ts';
import { ledgerRoleOf } from '../../services/ledger/store/ledger-role.ts';
import type { DatabaseAddress } from '../../services/ledger/store/session.ts';

/** A database made for one test file, on the server that `npm test` started (or that `TEST_DB_*` name). */
export interface TestDatabase {
  readonly connection: ClientConfig & {
    host: string;
    port: number;
    user: string;
    password: string;
    database: string;
  };
  /** As the ledger's code takes it. */
  readonly address: DatabaseAddress;
  /** As a URL without its password. */
  readonly url: string;
  /** As services read it. */
  readonly env: Readonly<Record<string, string>>;
  readonly drop: () => Promise<void>;
}

export async function createTestDatabase(): Promise<TestDatabase> {
  const server = {
    host: required('TEST_DB_HOST'),
    port: Number(required('TEST_DB_PORT')),
    user: required('TEST_DB_USER'),
    password: process.env['TEST_DB_PASSWORD'] ?? '',
  };
  const database = `holdfast_test_${randomUUID().replaceAll('-', '')}`;
  const maintain = (...statements: readonly string[]): Promise<void> =>
    withClient({ ...server, database: 'postgres' }, async (client) => {
      for (const sql of statements) await client.query(sql);
    });
  await maintain(`CREATE DATABASE ${database} ${inUtf8}`);
  return {
    connection: { ...server, database },
    address: { ...server, name: database },
    url: `postgres://${server.user}@${encodeURIComponent(server.host)}:${server.port}/${database}`,
    env: {
      DB_HOST: server.host,
      DB_PORT: String(server.port),
      DB_USER: server.user,
      DB_PASSWORD: server.password,
      DB_NAME: database,
    },
    drop: () =>
      maintain(`DROP DATABASE ${database} WITH (FORCE)`, `DROP ROLE IF EXISTS ${ledgerRoleOf(database)}`),
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: run the tests with npm test`);
  return value;
}
