import type { Client } from 'pg';
import { retryUntilDone } from '../../../shared/lifecycle/retry.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { warningThrottle } from '../../../shared/telemetry/warning-throttle.ts';
import { createClient } from './create-client.ts';
import { adviceFor } from './database-advice.ts';
import { migrationConfig, queryTimeoutMs, type DatabaseAddress } from './session.ts';

/** While the database can't be reached, or something of it is waited for, the log says so this often. */
export const repeatWarningMs = 5_000;
const retryDelayMs = 250;

/**
 * Does what needs the database, again and again while that can't be reached or used as it is, saying so.
 *
 * @throws what is no matter of waiting, such as a migration that fails; and when `stopping` is aborted.
 */
export function whenReachable<T>(
  address: DatabaseAddress,
  logger: Logger,
  stopping: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const isWarningDue = warningThrottle(repeatWarningMs);
  return retryUntilDone(work, {
    delayMs: retryDelayMs,
    stopping,
    onError: (error) => {
      const advice = adviceFor(error, address);
      if (advice === undefined) throw error;
      if (isWarningDue()) logger.warn(`${advice}; trying again until it works`);
    },
  });
}

/** As {@link whenReachable}, for a small question: a server that lets us in and then says nothing is as good as away. */
export function askWhenReachable<T>(
  address: DatabaseAddress,
  logger: Logger,
  stopping: AbortSignal,
  ask: (client: Client) => Promise<T>,
): Promise<T> {
  return whenReachable(address, logger, stopping, async () => {
    const client = createClient({ ...migrationConfig(address), query_timeout: queryTimeoutMs });
    try {
      await client.connect();
      return await ask(client);
    } finally {
      // Not waited for: a server that has fallen silent would never end its side.
      void client.end();
    }
  });
}
