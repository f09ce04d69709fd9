import { inboxPrefixOf } from '../../shared/contracts/nats-users.ts';
import { runService } from '../../shared/lifecycle/run-service.ts';
import { connectNats } from '../../shared/messaging/connect.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { measureProcess } from '../../shared/telemetry/process-metrics.ts';
import { createLedger } from './app.ts';
import { ledgerSettings, readLedgerSettings } from './config.ts';

await runService({
  name: 'ledger',
  schema: ledgerSettings,
  readSettings: readLedgerSettings,
  start: async ({ settings, logger, stopping, onStop }) => {
    const metrics = createMetrics();
    measureProcess(metrics);
    const link = await connectNats({
      ...settings.nats,
      name: 'holdfast-ledger',
      inboxPrefix: inboxPrefixOf('ledger'),
      logger,
      metrics,
      stopping,
    });
    const ledger = await createLedger({ ...settings, link, logger, metrics, stopping });
    // Closed in reverse order: no new work, what is there is finished, the last answers leave, the rest.
    onStop('database', ledger.close);
    onStop('NATS', link.drain);
    onStop('work', ledger.finish);
    onStop('subscriptions', ledger.stopServing);
    logger.info('the ledger serves commands');
    return ledger.missing;
  },
});
