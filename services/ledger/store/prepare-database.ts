import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { Echo } from './echo-statements.ts';
import { migrateWhenReachable, waitUntilMigrated } from './migrate.ts';
import type { DatabaseAddress } from './session.ts';
import { checkTestClock } from './check-test-clock.ts';

/** A login of the ledger's own. */
export interface LedgerUser {
  readonly user: string;
  readonly password: string | undefined;
}

/**
 * Brings the database to the newest schema, and looks whether its books go by the time that the settings say. With a login
 * of its own the ledger migrates nothing, and waits for whoever does.
 *
 * @returns how the ledger is to work with it: as a role that can only add to the journal.
 * @throws SettingsError when its books have another time.
 */
export async function prepareDatabase(
  options: PrepareOptions & {
    /** The books' time may be moved. */
    testClock: boolean;
  },
): Promise<DatabaseAddress> {
  const { testClock, logger, stopping } = options;
  const address = await migrateOrWait(options);
  await checkTestClock(address, testClock, logger, stopping);
  return address;
}

interface PrepareOptions {
  readonly owner: DatabaseAddress;
  readonly ledgerUser: LedgerUser | undefined;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  readonly echo: Echo | undefined;
}

async function migrateOrWait(options: PrepareOptions): Promise<DatabaseAddress> {
  const { owner, ledgerUser, logger, stopping, echo } = options;
  if (ledgerUser !== undefined) {
    const address = { ...owner, ...ledgerUser };
    await waitUntilMigrated(address, logger, stopping);
    return address;
  }
  const { names, ledgerRole } = await migrateWhenReachable(owner, logger, stopping, { echo });
  if (names.length > 0) logger.info({ migrated: names }, 'the database was migrated');
  if (ledgerRole !== undefined) return { ...owner, role: ledgerRole };
  logger.warn(
    `the ledger works as ${owner.user}, who may do anything to the books: let this user make roles (ALTER ROLE … CREATEROLE), ` +
      'or give the ledger a login of its own with DB_LEDGER_USER',
  );
  return owner;
}
