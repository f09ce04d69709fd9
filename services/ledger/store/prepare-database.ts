import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { Echo } from './echo-statements.ts';
import { migrateWhenReachable, waitUntilMigrated } from './migrate.ts';
import type { DatabaseAddress } from './session.ts';

/** A login of the ledger's own. */
export interface LedgerUser {
  readonly user: string;
  readonly password: string | undefined;
}

/**
 * Brings the database to the newest schema. With a login of its own the ledger migrates nothing, and waits for whoever does.
 *
 * @returns how the ledger is to work with it: as a role that can only add to the journal.
 */
export async function prepareDatabase(options: {
  owner: DatabaseAddress;
  ledgerUser: LedgerUser | undefined;
  logger: Logger;
  stopping: AbortSignal;
  echo: Echo | undefined;
}): Promise<DatabaseAddress> {
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
