import { inboxPrefixOf } from '../../shared/contracts/nats-users.ts';
import { listenProblem } from '../../shared/lifecycle/listen-problem.ts';
import { runService, type ServiceContext } from '../../shared/lifecycle/run-service.ts';
import { connectNats } from '../../shared/messaging/connect.ts';
import { createLedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { measureProcess } from '../../shared/telemetry/process-metrics.ts';
import { buildApp } from './app.ts';
import { gatewaySettings, readGatewaySettings, type GatewaySettings } from './config.ts';
import { ledgerWhenConnected } from './ledger-when-connected.ts';
import { refuseWhenFull } from './plugins/refuse-when-full.ts';

/**
 * Requests under way at once: two of the ledger's batches, so that it never waits for us, and little enough that what is
 * accepted has its answer within a second also where the ledger does only a thousand a second.
 */
const maxInFlight = 1_024;

async function start(context: ServiceContext<GatewaySettings>): Promise<() => readonly string[]> {
  const { settings, logger, stopping, onStop } = context;

  const metrics = createMetrics();
  measureProcess(metrics);

  const connecting = connectNats({
    ...settings.nats,
    name: 'holdfast-gateway',
    inboxPrefix: inboxPrefixOf('gateway'),
    logger,
    metrics,
    stopping,
  });
  // Tried until it is there or the service is to stop: anything else is a fault that must be seen.
  connecting.catch((error: unknown) => {
    if (!stopping.aborted) throw error;
  });
  onStop('the NATS connection', async () => (await connecting.catch(() => undefined))?.drain());

  const ledger = ledgerWhenConnected(
    connecting.then((link) => createLedgerClient({ link, logger, metrics, maxInFlight })),
  );
  onStop('the ledger client', () => ledger.close());

  const { access, jsonAsAscii, testClock, traceUrl } = settings;
  const app = await buildApp({
    ledger,
    logger,
    metrics,
    connecting,
    jsonAsAscii,
    testClock,
    traceUrl,
    access,
  });
  refuseWhenFull(app, ledger, logger, metrics);
  onStop('the HTTP server', () => app.close());
  logger.info(access.summary);
  for (const warning of access.warnings) logger.warn(warning);
  const { host, port } = settings;
  try {
    const address = await app.listen({ host, port, listenTextResolver: (url) => `listening on ${url}` });
    logger.debug({ address }, 'the gateway answers HTTP');
  } catch (error) {
    throw listenProblem(error, { host, port, hostSetting: 'HOST', portSetting: 'PORT' });
  }
  return ledger.missing;
}

await runService({ name: 'gateway', schema: gatewaySettings, readSettings: readGatewaySettings, start });
