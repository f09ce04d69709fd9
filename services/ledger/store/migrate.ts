import knexFactory, { type Knex } from 'knex';
import { DatabaseError } from 'pg';
import { retryUntilDone } from '../../../shared/lifecycle/retry.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { createClient } from './create-client.ts';
import { echoKnex, type Echo } from './echo-statements.ts';
import { refuseOtherEncoding } from './database-encoding.ts';
import { isLockTimeout, UnfitDatabase } from './faults.ts';
import { grantLedgerRole } from './ledger-role.ts';
import * as books from './migrations/001-books.ts';
import * as namedEntries from './migrations/002-named-entries.ts';
import * as releasedHolds from './migrations/003-released-holds.ts';
import * as transfers from './migrations/004-transfers.ts';
import * as testClock from './migrations/005-test-clock.ts';
import * as extendedHolds from './migrations/006-extended-holds.ts';
import * as changedLimits from './migrations/007-changed-limits.ts';
import { migrationConfig, type DatabaseAddress } from './session.ts';
import { askWhenReachable, repeatWarningMs, whenReachable } from './when-reachable.ts';

/** In order. Names are kept in the database: a migration is never renamed, and never changed once released. */
const migrations: Readonly<Record<string, Pick<Knex.Migration, 'up' | 'down'>>> = {
  '001-books': books,
  '002-named-entries': namedEntries,
  '003-released-holds': releasedHolds,
  '004-transfers': transfers,
  '005-test-clock': testClock,
  '006-extended-holds': extendedHolds,
  '007-changed-limits': changedLimits,
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

/** How to migrate. */
export interface MigrateOptions {
  readonly echo?: Echo | undefined;
  /** Who the ledger logs in as, when that is not who migrates. */
  readonly loginUser?: string | undefined;
  /**
   * Told of what is waited for from now on, in words that follow "waiting for". These waits have no bound for as long as
   * the server's machine is there.
   */
  readonly onWait?: (what: string) => void;
}

/** What a migration has done. */
export interface Migrated {
  /** The migrations that were run now. */
  readonly names: readonly string[];
  /** The role for the ledger; undefined when the user may not make one. */
  readonly ledgerRole: string | undefined;
}

/** A pair of numbers, as that of `claimSettling`: a single one may be an account's, whose callers would wait for it. */
const migrationLock = [1_214_803_204, 2] as const;

/**
 * Brings the database to the newest schema. Safe to call from several processes at once, and after one was killed in
 * the middle of it: an advisory lock, which dies with its session, lets one in at a time, and whoever holds it may free
 * a lock row that knex left behind.
 */
export async function migrate(
  address: DatabaseAddress,
  { echo, loginUser, onWait = () => undefined }: MigrateOptions = {},
): Promise<Migrated> {
  const guard = createClient(migrationConfig(address));
  const knex = knexFactory({
    client: 'pg',
    connection: migrationConfig(address, { lock_timeout: tableTimeout }) as Knex.PgConnectionConfig,
    pool: { min: 0, max: 1 },
    migrations: { migrationSource },
  });
  if (echo !== undefined) echoKnex(knex, echo);
  try {
    await guard.connect();
    onWait(`whoever else migrates the database ${address.name}`);
    await guard.query('SELECT pg_advisory_lock($1::integer, $2::integer)', [...migrationLock]);
    onWait(`the database ${address.name} to be migrated, which may take long`);
    await refuseOtherEncoding(guard, address.name);
    const onLocked = () =>
      onWait(`whoever reads the tables of ${address.name} at length, as a backup or an audit`);
    const names = await runMigrations(knex, onLocked).catch((error: unknown) => {
      throw isOfNewerVersion(error) ? new MigratedFurther(address, messageOf(error)) : error;
    });
    return { names, ledgerRole: await grantLedgerRole(guard, address.name, loginUser) };
  } finally {
    await knex.destroy();
    await guard.end();
  }
}

/**
 * A migration that waits for a table has all others wait behind it, who only want to write a line: so it does not wait for
 * long, and gives them a while before it tries again. Longer than `deadlock_timeout` (1 s), after which an autovacuum gives way.
 */
const tableTimeout = '1500ms';
const tablePauseMs = 5_000;

/** @returns the migrations that were run now, also those before one that had to wait. */
async function runMigrations(knex: Knex, onLocked: () => void): Promise<string[]> {
  const names: string[] = [];
  const runAll = async (): Promise<void> => {
    await knex.migrate.forceFreeMigrationsLock();
    for (;;) {
      const [, done] = (await knex.migrate.up()) as [number, string[]];
      if (done.length === 0) return;
      names.push(...done);
    }
  };
  await retryUntilDone(runAll, {
    delayMs: tablePauseMs,
    onError: (error) => {
      if (!isLockTimeout(error)) throw error;
      onLocked();
    },
  });
  return names;
}

/**
 * As {@link migrate}, and waits for a database that can't be reached yet, saying so; also what a migration waits for, as
 * nothing ends it when a server that let us in says nothing more.
 *
 * @throws what is no matter of waiting, such as a migration that fails.
 */
export async function migrateWhenReachable(
  address: DatabaseAddress,
  logger: Logger,
  stopping: AbortSignal,
  options: MigrateOptions = {},
): Promise<Migrated> {
  const { host, port } = address;
  return whenReachable(address, logger, stopping, async () => {
    let waitingFor: string | undefined;
    const onWait = (what: string): void => {
      waitingFor = what;
      options.onWait?.(what);
    };
    const warningTimer = setInterval(() => {
      if (waitingFor === undefined) return;
      logger.warn(
        `waiting for ${waitingFor}; see holdfast-migrate in pg_stat_activity of Postgres at ${host}:${port}, or whether that still answers`,
      );
    }, repeatWarningMs);
    try {
      return await migrate(address, { ...options, onWait });
    } finally {
      clearInterval(warningTimer);
    }
  });
}

/** Waits until somebody else has migrated the database, saying so. For a ledger whose user may not. */
export async function waitUntilMigrated(
  address: DatabaseAddress,
  logger: Logger,
  stopping: AbortSignal,
): Promise<void> {
  await askWhenReachable(address, logger, stopping, async (client) => {
    try {
      const { rows } = await client.query<{ name: string }>('SELECT name FROM knex_migrations');
      const done = new Set(rows.map(({ name }) => name));
      const open = Object.keys(migrations).filter((name) => !done.has(name));
      if (open.length > 0) throw new NotMigrated(address);
      const unknown = [...done].filter((name) => !(name in migrations));
      if (unknown.length > 0) throw new MigratedFurther(address, unknown.join(', '));
    } catch (error) {
      if (error instanceof DatabaseError && notYetThere.has(error.code ?? '')) throw new NotMigrated(address);
      throw error;
    }
  });
}

class NotMigrated extends UnfitDatabase {
  constructor({ name, user }: DatabaseAddress) {
    super(
      `the database ${name} is not ready for ${user}: npm run migrate with DB_USER its owner, and the same DB_LEDGER_USER`,
    );
  }
}

/** The database has migrations that this version does not know. A ledger that is just being updated comes to this as well. */
class MigratedFurther extends UnfitDatabase {
  constructor({ name }: DatabaseAddress, reason: string) {
    super(
      `the database ${name} was migrated by a newer version than this one (${reason}): run that one, or restore the backup from before`,
    );
  }
}

/** In the words of knex (3.3). */
function isOfNewerVersion(error: unknown): boolean {
  return messageOf(error).includes('migration directory is corrupt');
}

/** The table of migrations is not there, or nobody has let us read it: undefined_table, insufficient_privilege. */
const notYetThere = new Set(['42P01', '42501']);
