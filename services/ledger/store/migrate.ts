import { setTimeout as delay } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';
import knexFactory, { type Knex } from 'knex';
import { Client, DatabaseError } from 'pg';
import type { Logger } from 'pino';
import { echoKnex, type Echo } from './echo-statements.ts';
import { faultKindOf } from './faults.ts';
import * as books from './migrations/001-books.ts';
import { migrationConfig, type DatabaseAddress } from './session.ts';

/** In order. Names are kept in the database: a migration is never renamed, and never changed once released. */
const migrations: Readonly<Record<string, Pick<Knex.Migration, 'up' | 'down'>>> = {
  '001-books': books,
};

const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => Object.keys(migrations),
  getMigrationName: (name) => name,
  getMigration: async (name) => {
    const migration = migrations[name];
    if (migration === undefined) throw new Error(`there is no migration ${name}`);
    return migration;
  },
};

/** Any number will do, as long as nobody else on this database uses it. */
const migrationLock = 4_014_020_250;

/**
 * Brings the database to the newest schema. Safe to call from several processes at once, and after one was killed in
 * the middle of it: an advisory lock, which dies with its session, lets one in at a time, and whoever holds it may free
 * a lock row that knex left behind.
 *
 * @returns the names of the migrations that were run now.
 */
export async function migrate(address: DatabaseAddress, echo?: Echo): Promise<string[]> {
  const guard = new Client(migrationConfig(address));
  // A lost guard fails the query that is under way; without a listener it would end the process.
  guard.on('error', () => undefined);
  const knex = knexFactory({
    client: 'pg',
    connection: migrationConfig(address) as Knex.PgConnectionConfig,
    pool: { min: 0, max: 1 },
    migrations: { migrationSource },
  });
  if (echo !== undefined) echoKnex(knex, echo);
  try {
    await guard.connect();
    await guard.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    await knex.migrate.forceFreeMigrationsLock();
    const [, names] = (await knex.migrate.latest()) as [number, string[]];
    return names;
  } finally {
    await knex.destroy();
    await guard.end();
  }
}

/** While the database can't be reached, the log says so this often. */
const repeatWarningMs = 5_000;
const tryAgainMs = 250;

/**
 * As {@link migrate}, and waits for a database that can't be reached yet, saying so.
 *
 * @throws what is no matter of waiting, such as a migration that fails.
 */
export async function migrateWhenReachable(
  address: DatabaseAddress,
  logger: Logger,
  stopping: AbortSignal,
  echo?: Echo,
): Promise<string[]> {
  let warnedAt = -Infinity;
  for (;;) {
    stopping.throwIfAborted();
    try {
      return await migrate(address, echo);
    } catch (error) {
      const advice = adviceFor(error, address);
      if (advice === undefined) throw error;
      if (performance.now() - warnedAt >= repeatWarningMs) {
        warnedAt = performance.now();
        logger.warn(`${advice}; trying again until it works`);
      }
    }
    await delay(tryAgainMs, undefined, { signal: stopping });
  }
}

/** Words for what an operator can mend while we wait; undefined when waiting would not help. */
function adviceFor(error: unknown, { host, port, user, name }: DatabaseAddress): string | undefined {
  const at = `Postgres at ${host}:${port}`;
  if (!(error instanceof DatabaseError)) {
    return `can't reach ${at} (${describe(error)}). Start it there, or change DB_HOST and DB_PORT`;
  }
  switch (error.code ?? '') {
    case '28000':
    case '28P01':
      return `${at} refuses the user ${user} (${error.message}). Check DB_USER and DB_PASSWORD`;
    case '3D000':
      return `${at} has no database ${name}. Create it (CREATE DATABASE ${name}), or change DB_NAME`;
    case '53300':
      return `${at} has no connection left (${error.message})`;
    default:
      return faultKindOf(error) === 'connection' ? `${at} is not ready (${error.message})` : undefined;
  }
}

/** Several addresses of one host fail with one error that has no message of its own. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join(', ');
  return isNativeError(error) ? error.message : String(error);
}
