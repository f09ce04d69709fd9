import knexFactory, { type Knex } from 'knex';
import * as books from './migrations/001-books.ts';

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
 * Brings the database to the newest schema. Safe to call from several processes at once, and after a process was
 * killed in the middle of it: an advisory lock, which dies with its session, lets one in at a time, and whoever holds
 * it may free a lock row that knex left behind.
 *
 * @returns the names of the migrations that were run now.
 */
export async function migrate(connection: Knex.PgConnectionConfig): Promise<string[]> {
  const knex = knexFactory({
    client: 'pg',
    connection,
    // One connection, because an advisory lock belongs to it.
    pool: { min: 1, max: 1 },
    migrations: { migrationSource, disableMigrationsListValidation: false },
  });
  // A second pool for knex itself, whose migrations take a connection of their own.
  const guard = knexFactory({ client: 'pg', connection, pool: { min: 1, max: 1 } });
  try {
    await guard.raw('SELECT pg_advisory_lock(?)', [migrationLock]);
    await knex.migrate.forceFreeMigrationsLock();
    const [, names] = (await knex.migrate.latest()) as [number, string[]];
    return names;
  } finally {
    await knex.destroy();
    await guard.destroy();
  }
}
