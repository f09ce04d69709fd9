import { inUtf8 } from '../../services/ledger/store/database-encoding.ts';
import { SettingsError } from '../../shared/config/parse-settings.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';
import { withClient } from './with-client.ts';

export interface DatabaseServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/**
 * Makes the test database when it is missing, or with `anew` in any case, dropping what was there.
 * Throws a `SettingsError` when the server can't be used for that.
 */
export async function provideTestDatabase(
  server: DatabaseServer,
  name: string,
  { anew }: { readonly anew: boolean },
): Promise<void> {
  const { host, port, user, password } = server;
  try {
    await withClient({ host, port, user, password, database: 'postgres' }, async (client) => {
      const { rows } = await client.query<{ allowed: boolean; exists: boolean }>(
        `SELECT rolcreatedb OR rolsuper AS allowed,
                EXISTS (SELECT FROM pg_database WHERE datname = $1) AS exists
         FROM pg_roles WHERE rolname = current_user`,
        [name],
      );
      // Most test files make one for themselves.
      if (rows[0]?.allowed !== true)
        throw new Error(`it may not make databases: ALTER ROLE ${user} CREATEDB`);
      const database = client.escapeIdentifier(name);
      if (anew) await client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
      if (anew || !rows[0].exists) await client.query(`CREATE DATABASE ${database} ${inUtf8}`);
    });
  } catch (error) {
    throw new SettingsError([
      `can't make the database ${name} on PostgreSQL at ${host}:${port} as ${user} (${messageOf(error)}); ` +
        'the settings are TEST_DB_HOST, TEST_DB_PORT, TEST_DB_USER, TEST_DB_PASSWORD and TEST_DB_NAME',
    ]);
  }
}
