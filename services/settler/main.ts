import { inboxPrefixOf } from '../../shared/contracts/nats-users.ts';
import { runService } from '../../shared/lifecycle/run-service.ts';
import { connectNats } from '../../shared/messaging/connect.ts';
import { createLedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { measureProcess } from '../../shared/telemetry/process-metrics.ts';
import { createSettler } from './app.ts';
import { settlerSettings, readSettlerSettings } from './config.ts';

await runService({
  name: 'settler',
  schema: settlerSettings,
  readSettings: readSettlerSettings,
  start: async ({ settings, logger, stopping, onStop }) => {
    const metrics = createMetrics();
    measureProcess(metrics);
    const link = await connectNats({
      ...settings.nats,
      name: 'holdfast-settler',
      inboxPrefix: inboxPrefixOf('settler'),
      logger,
      metrics,
      stopping,
    });
    onStop('NATS', link.drain);
    const client = createLedgerClient({ link, logger, metrics });
    onStop('ledger client', () => client.close());
    const settler = createSettler({ ...settings, link, client, logger, metrics, stopping });
    onStop('settling', async () => {
      await settler.ended;
    });
    logger.info('the settler watches for due holds');
    return settler.missing;
  },
});
