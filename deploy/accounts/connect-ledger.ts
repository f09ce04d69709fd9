import { resolve } from 'node:path';
import { z } from 'zod';
import { loadEnvFile } from '../../shared/config/load-env-file.ts';
import { readNatsAccess, type NatsAccess } from '../../shared/config/nats-access.ts';
import { isSet, parseSettings } from '../../shared/config/parse-settings.ts';
import { natsSettings } from '../../shared/config/setting-groups.ts';
import { inboxPrefixOf } from '../../shared/contracts/nats-users.ts';
import { connectNats } from '../../shared/messaging/connect.ts';
import { createLedgerClient, type LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { localSettings } from '../local/config.ts';
import { readRunning } from '../local/data-folder.ts';
import { parseLogLine } from '../local/log-lines.ts';
import { readNatsUser } from '../local/nats-users.ts';
import { MendableProblem } from './mendable-problem.ts';

const connectMs = 10_000;

/**
 * Runs `use` with a client of the ledger behind the NATS that `NATS_URL` names, in `env` or the file `.env` here, or else
 * of the one that `npm start` runs on the data folder, as its user `tools`.
 *
 * @throws a `MendableProblem` when NATS can't be reached within ten seconds, a `SettingsError` when the settings are wrong,
 * and what `use` throws.
 */
export async function withLedger<Result>(
  name: string,
  env: NodeJS.ProcessEnv,
  use: (ledger: LedgerClient) => Promise<Result>,
): Promise<Result> {
  loadEnvFile(env, process.cwd());
  // Why it takes so long, for a person at a terminal.
  const logger = createLogger(name, 'warn', {
    write: (line) => void process.stderr.write(`${parseLogLine(line)?.msg ?? line}\n`),
  });
  const link = await connectNats({
    ...(await findNats(env)),
    name: `holdfast-${name}`,
    inboxPrefix: inboxPrefixOf('tools'),
    logger,
    stopping: AbortSignal.timeout(connectMs),
  }).catch(() => {
    throw new MendableProblem(
      "NATS can't be reached: start Holdfast first (npm start), or set NATS_URL to where it is",
    );
  });
  const ledger = createLedgerClient({ link, logger, metrics: createMetrics() });
  try {
    return await use(ledger);
  } finally {
    await ledger.close();
    await link.drain();
  }
}

/** What runs on the data folder has a port and users of its own, unless a NATS of one's own is named. */
async function findNats(env: NodeJS.ProcessEnv): Promise<NatsAccess> {
  const settings = parseSettings(z.object({ ...natsSettings, ...localSettings.shape }), env);
  const access = readNatsAccess(settings);
  const dataDir = resolve(settings.DATA_DIR);
  const url = isSet(env['NATS_URL']) ? undefined : readRunning(dataDir)?.natsUrl;
  if (url === undefined) return access;
  const user = await readNatsUser(dataDir, 'tools');
  // A NATS of one's own may run there as well, and then has no users of ours.
  if (user?.NATS_URL !== url) return { ...access, urls: url.split(',') };
  return { urls: [url], user: { name: user.NATS_USER, password: user.NATS_PASSWORD } };
}
