import { exitCodes, runService } from '../../shared/lifecycle/run-service.ts';
import { ledgerSettings, readLedgerSettings } from './config.ts';
import { echoTo } from './store/echo-statements.ts';
import { migrateWhenReachable } from './store/migrate.ts';

/** `npm run migrate`: what every ledger does when it starts, alone. Waits for the database until it is asked to stop. */
await runService({
  name: 'migrate',
  schema: ledgerSettings,
  readSettings: readLedgerSettings,
  stoppedEarly: exitCodes.notDone,
  start: async ({ settings, logger, stopping }) => {
    const echo = settings.echoStatements ? echoTo(logger) : undefined;
    const { names } = await migrateWhenReachable(settings.database, logger, stopping, {
      echo,
      loginUser: settings.ledgerUser?.user,
    });
    logger.info(
      { migrated: names },
      names.length === 0 ? 'the database is up to date' : 'the database was migrated',
    );
    process.exit(exitCodes.stopped);
  },
});
