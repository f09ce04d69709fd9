import type { Client } from 'pg';
import { tlsConfig, type DatabaseAddress } from '../../services/ledger/store/session.ts';
import { inUtf8 } from '../../services/ledger/store/database-encoding.ts';
import { retryUntilDone } from '../../shared/lifecycle/retry.ts';
import type { Logger } from '../../shared/telemetry/logger.ts';
import { warningThrottle } from '../../shared/telemetry/warning-throttle.ts';
import { hasCode, messageOf } from '../../shared/telemetry/describe-error.ts';
import { withClient } from './with-client.ts';

export type DatabaseSettings = Omit<DatabaseAddress, 'role'>;

const retryDelayMs = 500;
const repeatWarningMs = 5_000;

/** Postgres's code for a database that does not exist. */
const invalidCatalogName = '3D000';

/**
 * Waits until the database on a PostgreSQL of the user's own can be used, and makes it when it is missing. It keeps
 * trying, and the log says why. Throws when `stopping` is aborted.
 */
export async function waitForDatabase(
  database: DatabaseSettings,
  { logger, stopping }: { logger: Logger; stopping: AbortSignal },
): Promise<void> {
  const where = `PostgreSQL at ${database.host}:${database.port}`;
  const isWarningDue = warningThrottle(repeatWarningMs);
  await retryUntilDone(() => makeUsable(database), {
    delayMs: retryDelayMs,
    stopping,
    onError: (error) => {
      if (!isWarningDue()) return;
      logger.warn(
        `can't use the database "${database.name}" of ${where} as ${database.user} (${messageOf(error)}); trying again until ` +
          'that works. Start or mend it there, or change the settings DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME, DB_SSL, DB_SSL_CA',
      );
    },
  });
}

async function makeUsable(database: DatabaseSettings): Promise<void> {
  try {
    await query(database, database.name, () => 'SELECT 1');
    return;
  } catch (error) {
    if (!hasCode(error, invalidCatalogName)) throw error;
  }
  try {
    await query(
      database,
      'postgres',
      (client) => `CREATE DATABASE ${client.escapeIdentifier(database.name)} ${inUtf8}`,
    );
  } catch (error) {
    throw new Error(`it does not exist and can't be made: ${messageOf(error)}`, { cause: error });
  }
}

async function query(
  { host, port, user, password, tls }: DatabaseSettings,
  database: string,
  text: (client: Client) => string,
): Promise<void> {
  await withClient({ host, port, user, password, database, ...tlsConfig(tls) }, (client) =>
    client.query(text(client)),
  );
}
